"""How does the health of a log look on a terminal?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from leaven.cli import printing
from leaven.report.figures import label, line, number, scalars

_BLOCKS = "▁▂▃▄▅▆▇█"
_WIDEST = 40  # blocks of a drawing: it stands beside words on a line of 80
_PLOTS = {
    "length_histogram": "events of a history",
    "popularity": "items by popularity",
    "per_day": "events a day",
    "hours": "hours of the day",
}


def health(found: Mapping[str, Any]) -> Iterator[Any]:
    """What was read, the figures, drawings of the curves, and what each cleaning rule would touch.

    `found` is what the facts of a run hold under `data`: reading, health, cleaning, split; none is needed.
    """
    for key, title in (("reading", "Read"), ("health", "Health"), ("split", "Split")):
        if figures := scalars(found.get(key) or {}, skip=tuple(_PLOTS)):
            yield printing.pairs(figures, title)
            yield ""
    if drawings := list(_drawings(found.get("health") or {})):
        yield printing.pairs(drawings, "Shape")
        yield ""
    if rules := found.get("cleaning"):
        yield printing.table(["cleaning would", ">touch", ">drop", "such as"], map(_rule, rules))


def _rule(rule: Mapping[str, Any]) -> Sequence[str]:
    examples = [line(one) for one in (rule.get("examples") or [])[:1]]
    said = examples[0] if examples else str(rule.get("note") or "")
    return label(str(rule["rule"])), number(rule.get("touched")), number(rule.get("dropped")), said


def _drawings(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, title in _PLOTS.items():
        table = _points(found.get(key))
        if len(table) > 1:
            heights = [float(height) for _, height in table]
            yield title, sparkline(heights)
            yield "", f"{table[0][0]} … {table[-1][0]}, at most {number(int(max(heights)))}"


def _points(curve: Any) -> list[tuple[Any, float]]:
    """(place, height) of a mapping, of pairs, or of plain heights, which are numbered from 1."""
    if isinstance(curve, Mapping):
        return [(place, float(height)) for place, height in curve.items()]
    pairs = list(curve or [])
    if pairs and not isinstance(pairs[0], list | tuple):
        pairs = list(enumerate(pairs, 1))
    return [(place, float(height)) for place, height in pairs]


def sparkline(heights: Sequence[float]) -> str:
    """A curve as one line of blocks: the mean of neighbours where there are many; an empty place is a blank.

    >>> sparkline([0, 1, 2, 4])
    ' ▂▄█'
    """
    step = max(1, -(-len(heights) // _WIDEST))
    means = [_mean(heights[first : first + step]) for first in range(0, len(heights), step)]
    top = max(means, default=0.0) or 1.0
    return "".join(_BLOCKS[max(0, round(8 * mean / top) - 1)] if mean > 0 else " " for mean in means)


def _mean(values: Iterable[float]) -> float:
    held = list(values)
    return sum(held) / len(held)
