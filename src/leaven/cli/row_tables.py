"""How do rows look before and after, and how many were made?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.text import Text

from leaven.cli import output

_MOST_NAMES = 12  # of a history, from its end
_LONGEST = 32  # characters of a name


def before_after(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[Any]:
    """For each arm its previews: what a row was, what it became. New events stand between stars and in colour.

    A preview is what the facts hold: step, before, after (names), changed (places in `after`).
    """
    for arm, previews in found.items():
        yield Text(arm, style="bold")
        if not previews:
            yield Text("  no row can change: the plan has no steps, or histories are too short", style="dim")
        for one in previews:
            yield Text(f"  {one['step']}", style="cyan")
            yield output.pairs(pair_lines(one))
        yield Text("")


def pair_lines(one: Mapping[str, Any]) -> Iterator[tuple[str, Text]]:
    """The lines of one preview: what stood there, what stands there now."""
    before, after = list(one["before"]), list(one["after"])
    if before:
        yield "    before", Text.assemble(*_names(before, ()))
    if before == after:
        yield "    after", Text("the same: this step leaves this row as it is", style="dim")
    else:
        yield "    after" if before else "    made", Text.assemble(*_names(after, one.get("changed") or ()))


def _names(names: Sequence[Any], changed: Sequence[int]) -> Iterator[tuple[str, str]]:
    first = max(0, len(names) - _MOST_NAMES)
    if first:
        yield f"… {first} more, ", "dim"
    for place in range(first, len(names)):
        name = str(names[place])
        short = name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…"
        mark = "*" if place in changed else ""
        yield f"{mark}{short}{mark}", "bold green" if mark else ""
        if place + 1 < len(names):
            yield ", ", "dim"


def made_rows(arm: Mapping[str, Any]) -> Iterator[Any]:
    """How many rows an arm has, and what each of its steps made, left alone and refused."""
    yield output.pairs({"arm": arm["name"], "real rows": _count(arm["rows_real"]), "new rows": _count(arm["rows_new"])})
    if steps := arm.get("steps"):
        yield ""
        yield output.table(["step", ">made", "unchanged or refused"], map(_step, steps))


def kept_rows(kept: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Which steps of a lessened plan kept their rows, and which had to make theirs again."""
    if kept.get("kept"):
        yield f"kept as they were: {', '.join(kept['kept'])}"
    if kept.get("made"):
        yield f"made again, as they read what went: {', '.join(kept['made'])}"


def _step(step: Mapping[str, Any]) -> tuple[str, str, str]:
    reasons = {**(step.get("unchanged") or {}), **(step.get("refused") or {})}
    said = ", ".join(f"{_count(rows)} {reason}" for reason, rows in reasons.items() if rows)
    return str(step.get("text") or step["use"]), _count(step["made"]), said


def _count(rows: int) -> str:
    return f"{rows:,}"
