"""Rows before and after a step as aligned lines: what stayed, left and came."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from operator import attrgetter
from typing import Literal

from leaven.display import measure_width, pad_text, shorten_text
from leaven.facts import Preview

Mark = Literal["", "-", "+", "~", "…"]
"""Of a line: the same in both; removed; new; replaced; entries that are left out here."""
_MAX_LINES = 14  # longer rows show the places that changed
_NEAR = 2  # unchanged entries that are shown next to a change
_COLORS: dict[Mark, str] = {"": "", "-": "#c33", "+": "#283", "~": "#a60", "…": "#888"}


@dataclass(frozen=True)
class PreviewLine:
    """One entry before and the one after that it is aligned with; "" where there is none."""

    mark: Mark
    before: str
    after: str


@dataclass(frozen=True)
class PreviewedRow:
    """One row before and after one step.

    before, after  titles of the items of a history, or cells of a sample; `before` is empty for a new row without a
                   source row
    changed        indices into `after` of entries that do not come from `before`
    user           the user's own id; "" where it is not known
    before_ids, after_ids  the items' own ids; empty for samples

    >>> print(PreviewedRow("mask", ["mug", "lamp", "bag"], ["mug", "[mask]", "bag"], [1], "ann"))
    mask · ann
        before  after
        mug     mug
      ~ lamp    [mask]
        bag     bag
    """

    step: str
    before: Sequence[str]
    after: Sequence[str]
    changed: Sequence[int]
    user: str = ""
    before_ids: Sequence[str] = ()
    after_ids: Sequence[str] = ()

    @classmethod
    def from_facts(cls, preview: Preview) -> PreviewedRow:
        """A row of the facts of a run, which hold no ids."""
        return cls(preview.step, preview.before, preview.after, preview.changed)

    def to_facts(self) -> Preview:
        """Without ids, for the facts of a run."""
        return Preview(self.step, self.before, self.after, self.changed)

    def to_dict(self) -> dict[str, str | list[str] | list[int]]:
        """Plain values for JSON."""
        return {name: value if isinstance(value, str) else list(value) for name, value in vars(self).items()}

    @property
    def is_unchanged(self) -> bool:
        """Whether the step left the row as it was."""
        return list(self.before) == list(self.after)

    @property
    def heading(self) -> str:
        """Step and user."""
        return f"{self.step} · {self.user}" if self.user else self.step

    @property
    def lines(self) -> list[PreviewLine]:
        """Aligned entries; runs without a change are shortened in long rows."""
        return align_entries(self.before, self.after)

    def format_lines(self) -> Iterator[tuple[Mark, str]]:
        """(mark, text) of each line, the entries before and after in two columns below their names."""
        if self.is_unchanged:
            yield "…", "    unchanged by this step"
        names = PreviewLine("", "before", "after") if self.before else PreviewLine("", "", "new")
        cells = [(line.mark, shorten_text(line.before), shorten_text(line.after)) for line in (names, *self.lines)]
        width = max(measure_width(before) for _, before, _ in cells)
        for mark, before, after in cells:
            yield mark, f"  {mark or ' '} {pad_text(before, width)}{'  ' if width else ''}{after}".rstrip()

    def __str__(self) -> str:
        return "\n".join([self.heading, *(text for _, text in self.format_lines())])


@dataclass(frozen=True, repr=False)
class RowPreviews:
    """Some rows before and after each step of a plan; `print` shows them aligned."""

    rows: tuple[PreviewedRow, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[PreviewedRow]:
        return iter(self.rows)

    def __getitem__(self, index: int) -> PreviewedRow:
        return self.rows[index]

    def __repr__(self) -> str:
        return "\n\n".join(map(str, self.rows)) or "no row can change: the plan has no steps, or the rows are too short"

    def _repr_html_(self) -> str:
        return "".join(
            f"<p><strong>{escape(row.heading)}</strong></p><table><tr><th></th><th>before</th><th>after</th></tr>"
            f"{''.join(_format_html_line(line) for line in row.lines)}</table>"
            for row in self.rows
        )


def _format_html_line(line: PreviewLine) -> str:
    cells = "".join(f"<td style='text-align:left'>{escape(text)}</td>" for text in (line.mark, line.before, line.after))
    return f"<tr style='color:{_COLORS[line.mark]}'>{cells}</tr>" if line.mark else f"<tr>{cells}</tr>"


def align_entries(before: Sequence[str], after: Sequence[str], max_lines: int = _MAX_LINES) -> list[PreviewLine]:
    """Lines with the entries before and after next to each other.

    >>> [(line.mark, line.before, line.after) for line in align_entries(["a", "b"], ["b", "c"])]
    [('-', 'a', ''), ('', 'b', 'b'), ('+', '', 'c')]
    """
    old, new = list(before), list(after)
    lines: list[PreviewLine] = []
    for kind, low, high, start, stop in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        pairs = min(high - low, stop - start)
        mark: Mark = "" if kind == "equal" else "~"
        lines += [PreviewLine(mark, old[low + place], new[start + place]) for place in range(pairs)]
        lines += [PreviewLine("-", one, "") for one in old[low + pairs : high]]
        lines += [PreviewLine("+", "", one) for one in new[start + pairs : stop]]
    return lines if len(lines) <= max_lines else list(_shorten_runs(lines, max_lines))


def _shorten_runs(lines: list[PreviewLine], max_lines: int) -> Iterator[PreviewLine]:
    """The lines with each long run of one mark cut to its ends."""
    words: dict[Mark, str] = {"": "the same", "-": "removed", "+": "new", "~": "replaced"}
    runs = [(mark, list(run)) for mark, run in groupby(lines, key=attrgetter("mark"))]
    for index, (mark, run) in enumerate(runs):
        head = 0 if index == 0 and not mark else _NEAR
        tail = 0 if index == len(runs) - 1 and not mark else _NEAR
        if len(runs) == 1:
            head = tail = max_lines // 2
        n_hidden = len(run) - head - tail
        if n_hidden <= 1:
            yield from run
        else:
            yield from (*run[:head], PreviewLine("…", f"{n_hidden} more {words[mark]}", ""), *run[len(run) - tail :])
