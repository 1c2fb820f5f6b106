"""What helps? Runs, what they would do, and what they found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from leaven.cli import output
from leaven.cli.info import Json

if TYPE_CHECKING:
    from leaven.protocols import Engine

SpecFile = Annotated[Path, typer.Argument(metavar="SPEC", help="A spec file; `leaven init` writes one.")]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key: evaluate.seeds=5.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where a stopped one ended.")]
EngineName = Annotated[str, typer.Option(metavar="NAME", help="Where rows are made: see `leaven list engines`.")]
Workers = Annotated[int | None, typer.Option(min=0, help="Processes that make rows; 0: one a core.")]
AtOnce = Annotated[int, typer.Option(min=0, help="Trainings side by side, each on one thread; 0: one a core.")]
Run = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")]


def run(
    spec: SpecFile,
    changes: Set = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; by default runs/NAME.")] = None,
    resume: Resume = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the spec, say what would be done.")] = False,
    engine: EngineName = "local",
    workers: Workers = None,
    at_once: AtOnce = 1,
    json: Json = False,
) -> None:
    """Train with and without, and say what helped."""
    from leaven.progress import shown

    with shown() as tell:
        from leaven import experiment
        from leaven.config import load

        wish = load(spec, changes or [])
        outline = experiment.outline(wish)
        if not dry_run:
            folder = out or Path("runs") / wish.name
            done = experiment.run(wish, folder, resume, engine_of(engine, workers), tell, at_once)
    _outlined(outline, json) if dry_run else _finished(done.folder, json)


def engine_of(name: str, workers: int | None) -> Engine:
    """The engine that a command asks for."""
    from leaven.registry import made

    engine: Engine = made("engines", name, {} if workers is None else {"workers": workers})
    return engine


def _outlined(found: Any, json: bool) -> None:
    from leaven.cli.dry_run import outlined

    output.as_json(found) if json else output.show(*outlined(found))


def _finished(folder: Path, json: bool) -> None:
    """What a run found, and where its page lies."""
    from leaven.report.terminal import verdict_table

    facts = output.facts_of(folder)
    page = folder / "report.html"
    if json:
        kept = {name: facts.get(name) for name in ("name", "seed", "verdict", "comparison", "cost")}
        output.as_json({"run": folder, "report": page, **kept})
        return
    output.show(verdict_table(facts), "", f"report: {page}")


def demo(
    out: Annotated[Path, typer.Option(help="Folder of the shop, the spec and the run.")] = Path("runs/demo"),
    seed: Annotated[int, typer.Option(help="Of the shop and of the run.")] = 7,
    json: Json = False,
) -> None:
    """The whole job on a simulated shop, in minutes."""
    from importlib.resources import files

    from leaven.progress import shown

    world, spec = out / "shop", out / "demo.toml"
    with shown() as tell:
        from leaven import experiment
        from leaven.config import load
        from leaven.simulator import Dirt, Shop

        if not (world / "truth.json").exists():
            tell(0, 0, "opening a shop")
            Shop(users=5000, seed=seed).open().write(world, Dirt.typical())
        spec.write_text((files("leaven") / "demo.toml").read_text(encoding="utf-8"), encoding="utf-8")
        output.hint(f"a shop lies in {world}, the spec of the run is {spec}")
        done = experiment.run(load(spec, [f"seed={seed}"]), out / "run", True, engine_of("local", None), tell, 0)
    _finished(done.folder, json)


def expand(
    spec: SpecFile,
    arm: Annotated[str, typer.Option(help="Whose plan makes the rows.")],
    out: Annotated[Path, typer.Option(help="A new folder for the Parquet files.")],
    changes: Set = None,
    resume: Resume = False,
    without: Annotated[
        list[str] | None, typer.Option(metavar="STEP", help="As if the plan never had it; the other rows stay.")
    ] = None,
    engine: EngineName = "local",
    workers: Workers = None,
    json: Json = False,
) -> None:
    """Only the data: real and new rows, with the lineage of each."""
    from leaven.cli.row_tables import kept_rows, made_rows
    from leaven.progress import shown

    with shown() as tell:
        from leaven.config import load
        from leaven.experiment import expand_arm

        done = expand_arm(load(spec, changes or []), arm, out, resume, engine_of(engine, workers), tell, without or ())
    facts = output.facts_of(done.folder)["arms"][0]
    rows = done.arm(arm) / "expanded"
    if json:
        output.as_json({"rows": rows, **facts})
    else:
        output.show(*made_rows(facts), "", *kept_rows(facts.get("without", {})), f"rows: {rows}")


def preview(
    spec: SpecFile,
    arm: Annotated[str | None, typer.Option(help="One arm; by default all.")] = None,
    rows: Annotated[int, typer.Option(min=1, help="How many rows of yours.")] = 10,
    changes: Set = None,
    json: Json = False,
) -> None:
    """Before and after on rows of yours; nothing is trained or kept."""
    import tempfile

    from leaven.cli.row_tables import before_after
    from leaven.progress import shown

    with shown() as tell, tempfile.TemporaryDirectory(prefix="leaven-") as scratch:
        from leaven.config import load
        from leaven.experiment import preview_arms

        found = preview_arms(load(spec, changes or []), arm, rows, Path(scratch), tell)
    output.as_json(found) if json else output.show(*before_after(found))


def report(
    run: Run, out: Annotated[Path | None, typer.Option(help="The page; by default RUN/report.html.")] = None
) -> None:
    """Write the page of a run again, from its facts."""
    from leaven.report.html import write

    output.facts_of(run)  # says what is wrong with a folder that is no run
    facts = run / "facts.json" if run.is_dir() else run
    output.show(str(write(facts, out or facts.with_name("report.html"))))


def compare(
    first: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")],
    second: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of another.")],
    json: Json = False,
) -> None:
    """Two runs side by side, and reasons for doubt."""
    from leaven.stats import compare_runs

    found = compare_runs(output.facts_of(first), output.facts_of(second))
    output.as_json(found) if json else output.show(*found.lines)
