"""How does the health of a log look on a terminal?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from leaven.cli import output
from leaven.report.number_format import label, line, named, number, scalars

_BLOCKS = "▁▂▃▄▅▆▇█"
_WIDEST = 40  # blocks of a drawing: it stands beside words on a line of 80
_LONGEST = 76  # characters of an example; `--json` holds it whole, and four more
_PLOTS = {
    "length_histogram": "events of a history",
    "popularity": "items by popularity",
    "per_day": "events a day",
    "hours": "hours of the day",
}
_LEAK = "leave_one_out_leak_share"


def profiled(found: Mapping[str, Any]) -> Iterator[Any]:
    """What `profile` found: how it was read, its health before and after cleaning, the rules, what ways of
    splitting aim at, advice.
    """
    yield output.pairs(_reading(found["reading"]), "Read")
    yield ""
    yield output.table(["health", ">as read", ">cleaned"], _both(found["raw"], found["health"]))
    yield ""
    yield output.pairs(_drawings(found["health"]))
    yield ""
    yield output.table(["cleaning", ">touches", ">drops", "such as"], _rules(found))
    yield ""
    split = {_LEAK: found[_LEAK], **found["split"]}
    yield output.pairs(scalars({name: value for name, value in split.items() if value != 0}), "Split by time")
    if rules := found.get("targets", {}).get("rules"):
        yield ""
        yield output.table(["targets of", ">rows", ">nats", ">behind", "", "as a step"], map(_aimed, rules))
    if found.get("advice"):
        yield ""
        yield from (f"• {sentence}" for sentence in found["advice"])


def _reading(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield from scalars(facts, skip=("columns", "items", "files"))
    if columns := facts.get("columns"):
        yield "Columns", ", ".join(f"{word} = {column}" for word, column in columns.items())


def _both(raw: Mapping[str, Any], cleaned: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Figures that are one number, before and after."""
    for key, value in cleaned.items():
        if key not in _PLOTS:
            yield label(key), named(key, raw.get(key)), named(key, value)


def _rules(found: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    """Rules that found something, those that take most first; then those that found nothing, in one line."""
    rules = sorted(found["cleaning"], key=lambda one: (-one["dropped"], -one["touched"]))
    for rule in rules:
        if rule["touched"]:
            yield _rule(rule)
    if idle := [label(str(rule["rule"])).lower() for rule in rules if not rule["touched"]]:
        yield "nothing of", "", "", ", ".join(idle)


def _rule(rule: Mapping[str, Any]) -> Sequence[str]:
    examples = [line(one) for one in (rule.get("examples") or [])[:1]]
    said = examples[0] if examples else str(rule.get("note") or "")
    short = said if len(said) <= _LONGEST else said[: _LONGEST - 1] + "…"
    return label(str(rule["rule"])), number(rule.get("touched")), number(rule.get("dropped")), short


def _aimed(rule: Mapping[str, Any]) -> Sequence[str]:
    """How far one way of splitting aims from what validation asks for."""
    behind = "" if rule["best"] else f"{rule['behind']:.3f} ± {2 * rule['error']:.3f}"
    mark = "recommended" if rule["recommended"] else ""
    return rule["rule"], number(rule["windows"]), f"{rule['nats']:.3f}", behind, mark, rule["wish"]


def _drawings(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, title in _PLOTS.items():
        pairs = _pairs(found.get(key) or [])
        if len(pairs) > 1:
            heights = [float(height) for _, height in pairs]
            yield title, sparkline(heights)
            yield "", f"{pairs[0][0]} … {pairs[-1][0]}, at most {number(int(max(heights)))}"


def _pairs(curve: Any) -> list[tuple[Any, Any]]:
    """(place, height) of a mapping, of pairs, or of plain heights, which are numbered from 1."""
    if isinstance(curve, Mapping):
        return list(curve.items())
    return [(one[0], one[1]) if isinstance(one, list | tuple) else (place, one) for place, one in enumerate(curve, 1)]


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
