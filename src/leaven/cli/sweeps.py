"""What does more of it do? A curve of arms that differ in one value."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leaven.cli import output
from leaven.cli.info import Json
from leaven.cli.runs import AtOnce, EngineName, Resume, Set, SpecFile, Workers, engine_of

Out = Annotated[Path, typer.Option(help="A new folder for the run of all values.")]


def dose(
    spec: SpecFile,
    arm: Annotated[str, typer.Option(help="Whose rows come in several doses.")],
    out: Out,
    doses: Annotated[str, typer.Option(help="Multiples of the arm's own copies.")] = "0,0.25,0.5,1,2",
    changes: Set = None,
    resume: Resume = False,
    engine: EngineName = "local",
    workers: Workers = None,
    at_once: AtOnce = 1,
    json: Json = False,
) -> None:
    """How much? Effect against rows added, and where more begins to hurt."""
    from leaven.progress import shown

    with shown() as tell:
        from leaven import sweeps
        from leaven.config import load

        wish, multiples = load(spec, changes or []), _numbers(doses)
        done = sweeps.dose(wish, arm, multiples, out, resume, engine_of(engine, workers), tell, at_once)
    _told(done.folder, json)


def sweep(
    spec: SpecFile,
    vary: Annotated[
        str, typer.Option(metavar="FIELD=VALUES", help="arm.NAME.step.0.p=0.1,0.5 or …=[0.1,0.2],[0.3,0.4]")
    ],
    out: Out,
    changes: Set = None,
    resume: Resume = False,
    engine: EngineName = "local",
    workers: Workers = None,
    at_once: AtOnce = 1,
    json: Json = False,
) -> None:
    """Which value? Effect and likeness along any number of any step."""
    from leaven.progress import shown

    with shown() as tell:
        from leaven import sweeps
        from leaven.config import load

        done = sweeps.sweep(load(spec, changes or []), vary, out, resume, engine_of(engine, workers), tell, at_once)
    _told(done.folder, json)


def _numbers(text: str) -> list[float]:
    from leaven.errors import SpecError

    try:
        return [float(one) for one in text.split(",")]
    except ValueError:
        raise SpecError("--doses", "numbers with commas between", repr(text), "--doses 0,0.5,1,2") from None


def _told(folder: Path, json: bool) -> None:
    from leaven.report.sweep_plot import table

    found, page = output.facts_of(folder)["study"], folder / "report.html"
    if json:
        output.as_json({"run": folder, "report": page, **found})
        return
    titles, rows = table(found)
    lines = [[*row["cells"], " ".join(filter(None, (row["sign"], row["verdict"], row["marks"])))] for row in rows]
    head = [titles[0], *(f">{title}" for title in titles[1:-1]), ""]
    output.show(output.table(head, lines), *(f"• {one}" for one in found["words"]), "", f"report: {page}")
