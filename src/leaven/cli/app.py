"""Which commands are there?"""

from __future__ import annotations

from typing import Annotated

import typer

from leaven.cli import data_commands, images, info, provenance, quality, runs, sweeps, text

app = typer.Typer(
    help="Data augmentation and sample expansion for recommender systems, with proof of what helped.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

_START, _DATA, _RUNS, _HELP = "Start here", "Your data", "Results", "What there is"

for _panel, _commands in (
    (_START, (runs.demo, data_commands.init, runs.run)),
    (_DATA, (data_commands.profile, data_commands.shop, text.words, images.pictures, runs.preview, runs.expand)),
    (
        _RUNS,
        (runs.report, runs.compare, sweeps.dose, sweeps.sweep, quality.judge, provenance.lineage, provenance.erase),
    ),
    (_HELP, (info.list_, info.schema, info.doctor)),
):
    for _command in _commands:
        app.command(_command.__name__.rstrip("_"), rich_help_panel=_panel)(_command)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"leaven {version('leaven')}")
        raise typer.Exit


@app.callback()
def leaven(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error; may stand anywhere.")] = False,
) -> None:
    """Data augmentation and sample expansion for recommender systems, with proof of what helped.

    Results go to stdout, everything else to stderr.
    Exit codes: 0 fine, 2 usage or spec, 3 data, 4 a gate, 5 interrupted, 1 a bug.
    """
