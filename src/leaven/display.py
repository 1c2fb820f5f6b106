"""Text and HTML of results in a shell and a notebook: titled facts, a small table, sparklines, aligned columns."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from typing import Protocol

MAX_ROWS = 12
"""Rows of a table that are shown; a last line counts the others."""
MAX_WIDTH = 44
"""Columns of a terminal that one cell takes at most."""
_BLOCKS = "▁▂▃▄▅▆▇█"
_MAX_BLOCKS = 40


class Displayable(Protocol):
    """An object that describes itself."""

    def to_display(self) -> Display: ...


@dataclass(frozen=True)
class Display:
    """What is shown of an object.

    facts   name -> value
    header  names of the table's columns; ">" before a name: figures, right-aligned
    rows    cells of the table; a missing cell at the end of a row is blank
    """

    title: str
    facts: Mapping[str, str] = field(default_factory=dict)
    header: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()

    def to_text(self) -> str:
        """Lines of aligned text.

        >>> print(Display("Log", {"users": "2"}, ["part", ">rows"], [["train", "10"], ["test", "3"]]).to_text())
        Log
          users  2
        <BLANKLINE>
          part   rows
          train    10
          test      3
        """
        lines = [self.title]
        width = max(map(measure_width, self.facts), default=0)
        lines += [f"  {pad_text(name, width)}  {value}" for name, value in self.facts.items()]
        if self.rows:
            lines += ["", *(f"  {line}" for line in align_table(self.header, self.rows[:MAX_ROWS]))]
        if len(self.rows) > MAX_ROWS:
            lines.append(f"  … {len(self.rows) - MAX_ROWS:,} more")
        return "\n".join(line.rstrip() for line in lines)

    def to_html(self) -> str:
        """The same as a fragment of HTML, escaped."""
        facts = "".join(
            f"<tr><th style='text-align:left'>{escape(name)}</th><td style='text-align:left'>{escape(value)}</td></tr>"
            for name, value in self.facts.items()
        )
        head = "".join(f"<th>{escape(name.removeprefix('>'))}</th>" for name in self.header)
        body = "".join(_format_html_row(self.header, row) for row in self.rows[:MAX_ROWS])
        if len(self.rows) > MAX_ROWS:
            body += f"<tr><td colspan={len(self.header)}>… {len(self.rows) - MAX_ROWS:,} more</td></tr>"
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" if self.rows else ""
        return f"<div><strong>{escape(self.title)}</strong><table>{facts}</table>{table}</div>"


def show_text(shown: Displayable) -> str:
    """The text of an object: the `__repr__` of its class."""
    return shown.to_display().to_text()


def show_html(shown: Displayable) -> str:
    """The HTML of an object: the `_repr_html_` of its class, for notebooks."""
    return shown.to_display().to_html()


def _format_html_row(header: Sequence[str], row: Sequence[str]) -> str:
    sides = ["right" if name.startswith(">") else "left" for name in header]
    cells = zip(row, sides, strict=False)
    return f"<tr>{''.join(f'<td style=text-align:{side}>{escape(cell)}</td>' for cell, side in cells)}</tr>"


def align_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines of a table with aligned columns, the header first."""
    names = [name.removeprefix(">") for name in header]
    cells = [names, *([shorten_text(cell) for cell in row] + [""] * (len(names) - len(row)) for row in rows)]
    widths = [max(measure_width(row[column]) for row in cells) for column in range(len(names))]
    for row in cells:
        parts = zip(row, widths, header, strict=True)
        yield "  ".join(pad_text(cell, width, is_right=name.startswith(">")) for cell, width, name in parts).rstrip()


def measure_width(text: str) -> int:
    """Columns of a terminal that a text takes; a Chinese character takes two.

    >>> measure_width("mug"), measure_width("杯子")
    (3, 4)
    """
    from rich.cells import cell_len

    return cell_len(text)


def pad_text(text: str, width: int, is_right: bool = False) -> str:
    """A text with blanks up to a width in columns."""
    blanks = " " * max(0, width - measure_width(text))
    return blanks + text if is_right else text + blanks


def shorten_text(text: str, max_width: int = MAX_WIDTH) -> str:
    """A text in one line of at most this many columns.

    >>> shorten_text("red\\n mug", 20), shorten_text("a very long title", 8)
    ('red mug', 'a very …')
    """
    from rich.cells import set_cell_size

    line = " ".join(text.split())
    return line if measure_width(line) <= max_width else set_cell_size(line, max_width - 1) + "…"


def draw_sparkline(heights: Sequence[float]) -> str:
    """A curve as one line of blocks: means of neighbors where there are many; zero is a blank.

    >>> draw_sparkline([0, 1, 2, 4])
    ' ▂▄█'
    """
    step = max(1, -(-len(heights) // _MAX_BLOCKS))
    means = [statistics.fmean(heights[first : first + step]) for first in range(0, len(heights), step)]
    top = max(means, default=0.0) or 1.0
    return "".join(_BLOCKS[max(0, round(8 * mean / top) - 1)] if mean > 0 else " " for mean in means)


def format_period(first: int, last: int) -> str:
    """Two times in Unix seconds as days (UTC).

    >>> format_period(1318896000, 1325376000)
    '2011-10-18 to 2012-01-01'
    """
    days = [datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d") for time in (first, last)]
    return days[0] if days[0] == days[1] else " to ".join(days)
