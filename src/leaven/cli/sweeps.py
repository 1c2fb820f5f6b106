"""The command `leaven sweep`: effect curves along the values of one field."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leaven.cli import output
from leaven.cli.info import Json
from leaven.cli.runs import EngineName, NJobs, Resume, Set, SpecFile, Workers, engine_of


def sweep_field(
    spec: SpecFile,
    vary: Annotated[
        str,
        typer.Option(
            metavar="FIELD=VALUES",
            help="variant.NAME.step.0.p=0.1,0.5 or …=[0.1,0.2],[0.3,0.4]; variant.NAME.copies=0,0.5,1,2 multiplies the "
            "copies of all its steps.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="A new folder for the run of all values.")],
    changes: Set = None,
    resume: Resume = False,
    engine: EngineName = "local",
    workers: Workers = None,
    n_jobs: NJobs = 1,
    json: Json = False,
) -> None:
    """Effect and fidelity along any number of any step, or along the number of synthetic rows."""
    from leaven.progress import shown

    with shown() as on_progress:
        from leaven import sweeps
        from leaven.config import load

        config, rows_engine = load(spec, changes or []), engine_of(engine, workers)
        folder = sweeps.sweep(config, vary, out, resume, rows_engine, on_progress, n_jobs).folder
    from leaven.report.sweep_plot import table

    study, page = output.facts_of(folder)["study"], folder / "report.html"
    if json:
        output.as_json({"run": folder, "report": page, **study})
        return
    titles, rows = table(study)
    lines = [[*row["cells"], " ".join(filter(None, (row["sign"], row["verdict"], row["marks"])))] for row in rows]
    head = [titles[0], *(f">{title}" for title in titles[1:-1]), ""]
    output.show(output.table(head, lines), *(f"• {sentence}" for sentence in study["words"]), "", f"report: {page}")
