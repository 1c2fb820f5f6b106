"""How does a result look on stdout: to a person at a terminal, and to a program?"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

_PIPED_WIDTH = 120  # columns where nobody watches: room for whole cells, and still readable in a log

_WHOLE = 30  # characters of a name that is not broken


def console() -> Console:
    """Where results go: stdout, as wide as the terminal."""
    from rich.console import Console

    width = None if sys.stdout.isatty() or os.environ.get("COLUMNS") else _PIPED_WIDTH
    return Console(width=width, highlight=False)


def show(*parts: Any) -> None:
    """Texts and tables on stdout. Texts are taken as they are: brackets are no markup, and a path is never broken."""
    out = console()
    with out.capture() as held:
        for part in parts:
            out.print(part, markup=False, soft_wrap=isinstance(part, str))
    lines = held.get().split("\n")
    sys.stdout.write("\n".join(lines if out.is_terminal else map(str.rstrip, lines)))  # tables pad their lines


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str = "") -> Any:
    """A table of plain cells. A column whose name begins with ">" holds figures and stands to the right."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim", title=title, title_justify="left")
    drawn.title_style, drawn.show_edge = "bold", False
    lines = [[cell if isinstance(cell, Text) else Text(str(cell)) for cell in row] for row in rows]
    short = all(len(line[0]) <= _WHOLE for line in lines)  # names stay whole, where that leaves room for the rest
    for place, column in enumerate(columns):
        figures = column.startswith(">")
        whole = figures or (place == 0 and short)
        drawn.add_column(
            column.removeprefix(">"), justify="right" if figures else "left", no_wrap=whole, overflow="fold"
        )
    for line in lines:
        drawn.add_row(*line)
    return drawn


def pairs(rows: Mapping[str, Any] | Iterable[tuple[str, Any]], title: str = "") -> Any:
    """A table of two columns without a head: what, and its figure."""
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, show_header=False, pad_edge=False, title=title, title_justify="left", title_style="bold")
    drawn.add_column(style="dim", no_wrap=True)
    drawn.add_column(overflow="fold")
    for name, value in rows.items() if isinstance(rows, Mapping) else rows:
        drawn.add_row(Text(name), value if isinstance(value, Text) else Text(str(value)))
    return drawn


def hint(text: str) -> None:
    """What to try next: on stderr, so that results stay alone on stdout."""
    from rich.console import Console
    from rich.text import Text

    Console(stderr=True, highlight=False).print(Text.assemble(("→ ", "green"), text), soft_wrap=True)


def as_json(value: Any) -> None:
    """One JSON document on stdout; a figure that is no number is null."""
    sys.stdout.write(json.dumps(_plain(value), indent=2, ensure_ascii=False) + "\n")


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: _plain(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(one) for one in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def facts_of(run: Path) -> Any:
    """The facts of a run, of which the folder or the file is named.

    Raises DataError where there are none.
    """
    from leaven.errors import DataError

    file = run / "facts.json" if run.is_dir() else run
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        fix = "name the folder that `leaven run` wrote; an unfinished one goes on with --resume"
        raise DataError(str(file), "the facts of a run", "no such file", fix) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(str(file), "the facts of a run, as JSON", str(error), "run the last stage again") from error
