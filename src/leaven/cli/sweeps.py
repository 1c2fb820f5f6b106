"""The command `leaven sweep`: effect curves along the values of one field."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leaven.cli import output
from leaven.cli.info import Json
from leaven.cli.runs import Changes, EngineName, NJobs, Resume, SpecFile, Workers, build_engine
from leaven.cli.spec_check import check_spec_files


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

    check_spec_files(spec, changes or [])
    with show_progress() as on_progress:
        from leaven import sweeps
        from leaven.config import load_spec

        config, rows_engine = load_spec(spec, changes or []), build_engine(engine, workers)
        folder = sweeps.run_sweep(config, vary, out, resume, rows_engine, on_progress, n_jobs).path
    from leaven.facts import read_run_facts, to_json
    from leaven.report.sweep_plot import build_sweep_table

    sweep, page = read_run_facts(folder).sweep, folder / "report.html"
    assert sweep is not None
    if json:
        output.print_json({"run": folder, "report": page, **to_json(sweep)})
        return
    table = build_sweep_table(sweep)
    lines = [[*row.cells, " ".join(filter(None, (row.sign, row.verdict, row.marks)))] for row in table.rows]
    head = [table.titles[0], *(f">{title}" for title in table.titles[1:]), ""]
    output.print_results(
        output.build_table(head, lines), *(f"• {sentence}" for sentence in sweep.sentences), "", f"report: {page}"
    )
