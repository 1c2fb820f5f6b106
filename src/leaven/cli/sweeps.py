"""The command `leaven sweep`: effect curves along the values of one field."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leaven.cli import output
from leaven.cli.info import Json
from leaven.cli.runs import Changes, EngineName, NJobs, Resume, SpecFile, Workers, build_engine


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
    changes: Changes = None,
    resume: Resume = False,
    engine: EngineName = "local",
    workers: Workers = None,
    n_jobs: NJobs = 1,
    json: Json = False,
) -> None:
    """Effect and fidelity along any number of any step, or along the number of synthetic rows."""
    from leaven.progress import show_progress

    with show_progress() as on_progress:
        from leaven import sweeps
        from leaven.config import load_spec

        config, rows_engine = load_spec(spec, changes or []), build_engine(engine, workers)
        folder = sweeps.run_sweep(config, vary, out, resume, rows_engine, on_progress, n_jobs).path
    from leaven.report.sweep_plot import build_sweep_table

    study, page = output.load_facts(folder)["study"], folder / "report.html"
    if json:
        output.print_json({"run": folder, "report": page, **study})
        return
    titles, rows = build_sweep_table(study)
    lines = [[*row["cells"], " ".join(filter(None, (row["sign"], row["verdict"], row["marks"])))] for row in rows]
    head = [titles[0], *(f">{title}" for title in titles[1:-1]), ""]
    output.print_results(
        output.build_table(head, lines), *(f"• {sentence}" for sentence in study["words"]), "", f"report: {page}"
    )
