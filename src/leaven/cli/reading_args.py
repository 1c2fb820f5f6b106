"""Command-line options of reading: separator, quoting, encoding, times, filters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from leaven.ingest import ReadingOptions

_PANEL = "Reading"
TimeFormat = Annotated[
    str | None,
    typer.Option(help="Such as %d/%m/%Y; s, ms, us, ns, days, hours, excel …; or order.", rich_help_panel=_PANEL),
]
Separator = Annotated[str | None, typer.Option(help="Separator of fields; inferred.", rich_help_panel=_PANEL)]
Encoding = Annotated[str | None, typer.Option(help="Encoding of the file; inferred.", rich_help_panel=_PANEL)]
Quote = Annotated[
    str | None, typer.Option(help="Character around fields; '' where quotes are text.", rich_help_panel=_PANEL)
]
Escape = Annotated[str | None, typer.Option(help="Character before a quote in a field.", rich_help_panel=_PANEL)]
SkipRows = Annotated[int | None, typer.Option(min=0, help="Lines before the header.", rich_help_panel=_PANEL)]
Comment = Annotated[str | None, typer.Option(help="Start of lines that are no data.", rich_help_panel=_PANEL)]
Header = Annotated[
    bool | None, typer.Option("--header/--no-header", help="Whether the first line names the columns; inferred.",
                              rich_help_panel=_PANEL)
]  # fmt: skip
Layout = Annotated[
    str | None, typer.Option(help="table, or sequences: one user per line; inferred.", rich_help_panel=_PANEL)
]
BadLines = Annotated[
    str, typer.Option(help="error, or drop: lines that cannot be read are counted.", rich_help_panel=_PANEL)
]
MinRating = Annotated[float | None, typer.Option(help="Smallest rating that is kept.", rich_help_panel=_PANEL)]
KeepKinds = Annotated[
    list[str] | None, typer.Option(help="A kind of event that is kept; repeatable.", rich_help_panel=_PANEL)
]


def build_options(**given: Any) -> ReadingOptions:
    """The options of reading. Raises SpecError for a value out of bounds."""
    from leaven.ingest import ReadingOptions

    return ReadingOptions(**given)
