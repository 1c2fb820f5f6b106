"""Commands that run experiments, expand data, preview plans and show results."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from leaven.cli import output
from leaven.cli.info import Json
from leaven.cli.spec_check import check_spec_files
from leaven.translation import check_language, get_translator

if TYPE_CHECKING:
    from leaven.experiment.run import RunOutline
    from leaven.protocols import Engine

SpecFile = Annotated[Path, typer.Argument(metavar="SPEC", help="A spec file; `leaven init` writes one.")]
Changes = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key: evaluate.seeds=5.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Continue an interrupted run.")]
EngineName = Annotated[str, typer.Option(metavar="NAME", help="What creates rows: see `leaven list engines`.")]
Workers = Annotated[int | None, typer.Option(min=0, help="Processes that create rows; 0: one per core.")]
NJobs = Annotated[int, typer.Option("--n-jobs", min=0, help="Parallel trainings of one thread each; 0: one per core.")]
Language = Annotated[str, typer.Option("--lang", help="en or zh; by default that of the spec or the run.")]
Run = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")]


def run_experiment(
    spec: SpecFile,
    changes: Changes = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; by default runs/NAME.")] = None,
    resume: Resume = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the spec and show what would run.")] = False,
    engine: EngineName = "local",
    workers: Workers = None,
    n_jobs: NJobs = 1,
    lang: Language = "",
    json: Json = False,
) -> None:
    """Train with and without augmentation, and compare."""
    from leaven.progress import show_progress
    from leaven.run_folder import LOCK_FILE

    check_spec_files(spec, changes or [])
    with show_progress() as on_progress:
        from leaven import experiment
        from leaven.config import load_spec

        config = load_spec(spec, changes or [])
        if lang:
            config = dataclasses.replace(config, lang=check_language(lang, "--lang"))
        outline = experiment.describe_run(config)
        if not dry_run:
            folder = out or Path("runs") / config.name
            if resume and not (folder / LOCK_FILE).exists():
                output.print_hint(f"nothing to resume: {folder} holds no run, so a new one starts")
            done = experiment.run(config, folder, resume, build_engine(engine, workers), on_progress, n_jobs)
    if not dry_run:
        _show_findings(done.path, json)
    elif json:
        output.print_json(dataclasses.asdict(outline))
    else:
        output.print_results(*format_dry_run(outline))


def build_engine(name: str, workers: int | None) -> Engine:
    """The engine of a kind, with a number of worker processes."""
    from leaven.registry import create_config

    engine: Engine = create_config("engines", name, {} if workers is None else {"workers": workers})
    return engine


def format_dry_run(outline: RunOutline) -> Iterator[Any]:
    """Every key of a resolved spec with its value, as `--set` takes it; then what would be trained."""
    yield output.build_pairs(_flatten_keys(outline.spec))
    yield ""
    pilots = f", and {outline.pilots} short pilots" if outline.pilots else ""
    names = ", ".join(f"“{name}”" for name in outline.variants)
    yield f"The spec is valid. `run` would train {outline.trainings} times{pilots}: {names}."


def _flatten_keys(table: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """(dotted key, value) of everything in a table; variants and steps are numbered from 0, as in `--set`.

    >>> list(_flatten_keys({"split": {"kind": "time"}, "variant": [{"name": "crop"}]}))
    [('split.kind', 'time'), ('variant.0.name', 'crop')]
    """
    if isinstance(table, list | tuple) and any(isinstance(entry, Mapping) for entry in table):
        table = {str(number): entry for number, entry in enumerate(table)}
    if isinstance(table, Mapping):
        for key, value in table.items():
            yield from _flatten_keys(value, f"{name}.{key}" if name else str(key))
    elif table is not None:
        yield name, ", ".join(map(str, table)) if isinstance(table, list | tuple) else str(table)


def _show_findings(folder: Path, json: bool) -> None:
    """Print the findings of a run and the path of its page."""
    from leaven.facts import read_run_facts
    from leaven.report.terminal import build_verdict_table

    facts = read_run_facts(folder)
    page = folder / "report.html"
    if json:
        findings = {name: facts.to_json()[name] for name in ("name", "seed", "verdict", "comparison", "cost")}
        output.print_json({"run": folder, "report": page, **findings})
        return
    output.print_results(build_verdict_table(facts), "", get_translator(facts.language)("report: {path}", path=page))


def expand_data(
    spec: Annotated[Path, typer.Argument(metavar="SPEC", help="A spec file, or the folder of a run.")],
    out: Annotated[Path, typer.Option(help="A new folder for the Parquet files.")],
    variant: Annotated[
        str, typer.Option(help="The variant whose plan creates the rows; by default the only one.")
    ] = "",
    ids: Annotated[
        str, typer.Option(help="original: your ids, in events/. internal: codes, with the map.")
    ] = "original",
    epochs: Annotated[int, typer.Option(min=0, help="Write the rows of N epochs of a training.")] = 0,
    changes: Changes = None,
    resume: Resume = False,
    without: Annotated[
        list[str] | None, typer.Option(metavar="STEP", help="Leave a step out; rows of the other steps stay the same.")
    ] = None,
    engine: EngineName = "local",
    workers: Workers = None,
    json: Json = False,
) -> None:
    """Only the data: real and synthetic rows, with the lineage of each."""
    from leaven.cli.row_tables import format_reuse, format_row_counts, format_tables
    from leaven.progress import show_progress

    spec_file = spec / "spec.toml" if (spec / "spec.toml").exists() else spec  # the folder of a run, or a spec
    check_spec_files(spec_file, changes or [])
    with show_progress() as on_progress:
        from leaven.config import load_spec
        from leaven.datasets.frames import check_id_form
        from leaven.experiment import expand_variant
        from leaven.experiment.expanded_tables import EVENTS_FOLDER, list_notes, write_event_tables

        check_id_form(ids)
        config = load_spec(spec_file, changes or [])
        chosen = config.variant(variant)
        done = expand_variant(
            config, chosen.name, out, resume, build_engine(engine, workers), on_progress, without or ()
        )
        tables: dict[str, Any] = {"folder": done.variant_folder(chosen.name) / "expanded", "map": done.data_folder}
        if ids == "original":
            on_progress(0, 0, "writing your ids")
            tables = {"folder": done.path / EVENTS_FOLDER} | write_event_tables(done, chosen.name, epochs)
            on_progress(1, 1, "writing your ids")
    (facts,) = done.read_facts().variants
    if json:
        rows = done.variant_folder(chosen.name) / "expanded"
        output.print_json({"rows": rows, **dataclasses.asdict(facts), "tables": tables})
        return
    for note in tables.get("notes", list_notes(chosen.plan, 0)):
        output.print_hint(note)
    output.print_results(*format_row_counts(facts), "", *format_reuse(facts.reuse), *format_tables(tables))


def preview_rows(
    spec: SpecFile,
    variant: Annotated[str | None, typer.Option(help="One variant; by default all.")] = None,
    rows: Annotated[int, typer.Option(min=1, help="Number of real rows.")] = 10,
    changes: Changes = None,
    json: Json = False,
) -> None:
    """Rows of your log before and after each step; nothing is trained or stored."""
    import tempfile

    from leaven.cli.row_tables import format_previews
    from leaven.progress import show_progress

    check_spec_files(spec, changes or [])
    with show_progress() as on_progress, tempfile.TemporaryDirectory(prefix="leaven-") as scratch:
        from leaven.config import load_spec
        from leaven.experiment import preview_variants

        examples = preview_variants(load_spec(spec, changes or []), variant, rows, Path(scratch), on_progress)
    plain = {name: list(shown) for name, shown in examples.items()}
    output.print_json(plain) if json else output.print_results(*format_previews(examples))


def write_report(
    run: Run,
    out: Annotated[Path | None, typer.Option(help="The page; by default RUN/report.html.")] = None,
    lang: Language = "",
) -> None:
    """Write the page of a run again, from its facts."""
    from leaven.facts import read_run_facts
    from leaven.report.html import write_report

    facts, folder = read_run_facts(run), run if run.is_dir() else run.parent
    language = check_language(lang, "--lang") if lang else ""
    output.print_results(str(write_report(facts, out or folder / "report.html", language)))


def compare_two_runs(
    first: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")],
    second: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of another.")],
    json: Json = False,
) -> None:
    """Two runs side by side, with differences that make them hard to compare."""
    from leaven.facts import read_run_facts
    from leaven.stats import compare_runs

    comparison = compare_runs(read_run_facts(first), read_run_facts(second))
    output.print_json(comparison) if json else output.print_results(*comparison.lines)
