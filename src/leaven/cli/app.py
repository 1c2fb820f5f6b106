"""The table of commands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from leaven.cli import (
    auto,
    data_commands,
    demo,
    exports,
    images,
    info,
    provenance,
    quality,
    run_list,
    runs,
    serving,
    studio,
    sweeps,
    text,
)

_COMMANDS: dict[str, dict[str, Callable[..., None]]] = {
    "Start here": {
        "demo": demo.run_demo,
        "auto": auto.find_plan,
        "init": data_commands.write_spec,
        "studio": studio.open_studio,
        "run": runs.run_experiment,
    },
    "Your data": {
        "profile": data_commands.profile_log,
        "simulate": data_commands.simulate_log,
        "text": text.preview_text,
        "images": images.preview_images,
        "preview": runs.preview_rows,
        "plan": run_list.show_plan,
        "expand": runs.expand_data,
    },
    "Results": {
        "report": runs.write_report,
        "compare": runs.compare_two_runs,
        "runs": run_list.list_runs,
        "sweep": sweeps.sweep_field,
        "quality": quality.evaluate_rows,
        "export": exports.export_run,
        "recommend": serving.recommend_items,
        "serve": serving.serve_run,
        "lineage": provenance.show_lineage,
        "erase": provenance.erase_from_run,
    },
    "Reference": {"list": info.list_kinds, "schema": info.print_schema, "doctor": info.check_machine},
}
"""Panel of the help -> command -> its function."""

app = typer.Typer(
    help="Data augmentation and sample expansion for recommender systems, with statistics of what helped.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _panel, _functions in _COMMANDS.items():
    for _name, _function in _functions.items():
        app.command(_name, rich_help_panel=_panel)(_function)


def _print_version(requested: bool) -> None:
    if requested:
        from importlib.metadata import version

        typer.echo(f"leaven {version('leaven')}")
        raise typer.Exit


@app.callback()
def _leaven(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error; valid anywhere.")] = False,
) -> None:
    """Data augmentation and sample expansion for recommender systems, with statistics of what helped.

    Results go to stdout, everything else to stderr.
    Exit codes: 0 success, 2 usage or spec, 3 data, 4 gate, 5 interrupted, 1 bug.
    """
