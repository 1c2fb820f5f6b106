"""The commands `leaven runs` and `leaven plan`: run folders, and diagrams of plans."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from leaven.cli import output
from leaven.cli.info import Json

_DEPTH = 3  # folders below the given one that are searched


def list_runs(
    folder: Annotated[Path, typer.Argument(help="Where to look for run folders.")] = Path("runs"),
    contains: Annotated[str, typer.Option(help="Only runs whose name, folder or verdict contains this text.")] = "",
    finished: Annotated[bool, typer.Option("--finished", help="Only runs that have ended.")] = False,
    json: Json = False,
) -> None:
    """Run folders with their state and verdict, the newest first."""
    runs = [
        run
        for run in sorted(_read_runs(folder), key=lambda run: -run["changed"])
        if contains.lower() in " ".join(map(str, run.values())).lower() and (run["state"] == "finished" or not finished)
    ]
    if json:
        output.print_json(runs)
        return
    rows = [(run["folder"], run["name"], run["state"], run["verdict"]) for run in runs]
    output.print_results(output.build_table(["folder", "run", "state", "verdict"], rows))


def _read_runs(folder: Path) -> Iterator[dict[str, Any]]:
    """The runs below a folder; a run inside a run is a part of it."""
    from leaven.errors import LeavenError
    from leaven.facts.run_facts import FACTS_FILE, RunFacts
    from leaven.run_folder import LOCK_FILE, RunFolder

    locks = [path for depth in range(_DEPTH + 1) for path in folder.glob("*/" * depth + LOCK_FILE)]
    for lock in locks:
        path, name, state, verdict = lock.parent, lock.parent.name, "unfinished", ""
        if (path / FACTS_FILE).exists():
            try:
                facts = RunFacts.from_json(RunFolder(path).read_facts())
                name, verdict = facts.name, "" if facts.verdict is None else facts.verdict.headline
                state = "finished" if facts.comparison is not None else "rows only"
            except LeavenError as error:
                state, verdict = "unreadable", error.got
        yield {
            "folder": str(path),
            "name": name,
            "state": state,
            "verdict": verdict,
            "changed": round(lock.stat().st_mtime),
        }


def show_plan(
    spec: Annotated[Path, typer.Argument(metavar="SPEC", help="A spec file; `leaven init` writes one.")],
    variant: Annotated[str, typer.Option(help="One variant; by default all.")] = "",
) -> None:
    """Plans of a spec as Mermaid diagrams, for a page or a README."""
    from leaven.config import load_spec
    from leaven.report.plan_diagram import build_plan_diagram

    config = load_spec(spec)
    variants = [config.variant(variant)] if variant else config.variants
    output.print_results(*(build_plan_diagram(one.plan, one.name) + "\n" for one in variants))
