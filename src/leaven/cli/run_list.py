"""The commands `leaven runs` and `leaven plan`: run folders, and diagrams of plans."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from leaven.cli import output
from leaven.cli.info import Json


def list_runs(
    folder: Annotated[Path, typer.Argument(help="Where to look for run folders.")] = Path("runs"),
    contains: Annotated[str, typer.Option(help="Only runs whose name, folder or verdict contains this text.")] = "",
    finished: Annotated[bool, typer.Option("--finished", help="Only runs that have ended.")] = False,
    json: Json = False,
) -> None:
    """Run folders with their state and verdict, the newest first."""
    from leaven.report.run_index import list_run_folders

    runs = [
        asdict(run)
        for run in list_run_folders(folder)
        if contains.lower() in " ".join(map(str, asdict(run).values())).lower()
        and (run.state == "finished" or not finished)
    ]
    if json:
        output.print_json(runs)
        return
    rows = [(run["folder"], run["name"], run["state"], run["verdict"]) for run in runs]
    output.print_results(output.build_table(["folder", "run", "state", "verdict"], rows))


def show_plan(
    spec: Annotated[Path, typer.Argument(metavar="SPEC", help="A spec file; `leaven init` writes one.")],
    variant: Annotated[str, typer.Option(help="One variant; by default all.")] = "",
) -> None:
    """Plans of a spec as Mermaid diagrams, for a page or a README."""
    from leaven.config import load_spec
    from leaven.report.plan_diagram import build_plan_graph, render_mermaid

    config = load_spec(spec)
    variants = [config.variant(variant)] if variant else config.variants
    output.print_results(*(render_mermaid(build_plan_graph(one.plan), one.name) + "\n" for one in variants))
