"""Results on stdout: tables for a terminal, JSON for a program."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_PIPED_WIDTH = 120  # columns without a terminal: room for whole cells, and still readable in a log

_MAX_UNBROKEN = 30  # characters of a name that is never wrapped


def make_console() -> Console:
    """A console on stdout, as wide as the terminal."""
    from rich.console import Console

    width = None if sys.stdout.isatty() or os.environ.get("COLUMNS") else _PIPED_WIDTH
    return Console(width=width, highlight=False)


def print_results(*parts: Any) -> None:
    """Print texts and tables on stdout. Texts are printed literally: brackets are no markup, paths are not wrapped."""
    out = make_console()
    with out.capture() as captured:
        for part in parts:
            out.print(part, markup=False, soft_wrap=isinstance(part, str))
    lines = captured.get().split("\n")
    sys.stdout.write("\n".join(lines if out.is_terminal else map(str.rstrip, lines)))  # tables pad their lines


def build_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str = "") -> Table:
    """A table of plain cells. A column whose name begins with ">" holds figures and is right-aligned."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    built = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim", title=title, title_justify="left")
    built.title_style, built.show_edge = "bold", False
    lines = [[cell if isinstance(cell, Text) else Text(str(cell)) for cell in row] for row in rows]
    are_short = all(len(line[0]) <= _MAX_UNBROKEN for line in lines)  # names stay unbroken where there is room
    for position, column in enumerate(columns):
        is_figure = column.startswith(">")
        no_wrap = is_figure or (position == 0 and are_short)
        name, justify = column.removeprefix(">"), "right" if is_figure else "left"
        built.add_column(name, justify=justify, no_wrap=no_wrap, overflow="fold")  # type: ignore[arg-type]
    for line in lines:
        built.add_row(*line)
    return built


def build_pairs(rows: Mapping[str, Any] | Iterable[tuple[str, Any]], title: str = "") -> Table:
    """A table of names and values, without a header."""
    from rich.table import Table
    from rich.text import Text

    built = Table(box=None, show_header=False, pad_edge=False, title=title, title_justify="left", title_style="bold")
    built.add_column(style="dim", no_wrap=True)
    built.add_column(overflow="fold")
    for name, value in rows.items() if isinstance(rows, Mapping) else rows:
        built.add_row(Text(name), value if isinstance(value, Text) else Text(str(value)))
    return built


def print_hint(text: str) -> None:
    """Print a suggestion for the next command on stderr, so that stdout holds results alone."""
    from rich.console import Console
    from rich.text import Text

    Console(stderr=True, highlight=False).print(Text.assemble(("→ ", "green"), text), soft_wrap=True)


def print_json(value: Any) -> None:
    """Print one JSON document on stdout; a float that is not finite becomes null."""
    sys.stdout.write(json.dumps(_to_plain(value), indent=2, ensure_ascii=False) + "\n")


def _to_plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _to_plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_to_plain(inner) for inner in value]
    if hasattr(value, "tolist"):
        return _to_plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | bool | None) else str(value)
