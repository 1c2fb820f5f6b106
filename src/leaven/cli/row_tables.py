"""Tables of rows before and after a plan, and of the numbers of synthetic rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.text import Text

from leaven.cli import output

_MAX_ITEM_NAMES = 12  # of a history, from its end
_MAX_CHARACTERS = 32  # of an item name


def format_previews(previews: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[Any]:
    """The previews of each variant: rows before and after. New events are marked by stars and color.

    A preview is an entry of the facts: step, before, after (item names), changed (positions in `after`).
    """
    for variant, examples in previews.items():
        yield Text(variant, style="bold")
        if not examples:
            yield Text("  no row can change: the plan has no steps, or histories are too short", style="dim")
        for example in examples:
            yield Text(f"  {example['step']}", style="cyan")
            yield output.build_pairs(format_preview(example))
        yield Text("")


def format_preview(preview: Mapping[str, Any]) -> Iterator[tuple[str, Text]]:
    """The lines "before" and "after" of one preview."""
    before, after = list(preview["before"]), list(preview["after"])
    if before:
        yield "    before", _format_items(before, ())
    if before == after:
        yield "    after", Text("unchanged by this step", style="dim")
    else:
        yield "    after" if before else "    new", _format_items(after, preview.get("changed") or ())


def _format_items(names: Sequence[Any], changed: Sequence[int]) -> Text:
    first = max(0, len(names) - _MAX_ITEM_NAMES)
    line = Text()
    if first:
        line.append(f"… {first} more, ", "dim")
    for position in range(first, len(names)):
        name = str(names[position])
        short = name if len(name) <= _MAX_CHARACTERS else name[: _MAX_CHARACTERS - 1] + "…"
        mark = "*" if position in changed else ""
        line.append(f"{mark}{short}{mark}", "bold green" if mark else "")
        if position + 1 < len(names):
            line.append(", ", "dim")
    return line


def format_row_counts(variant: Mapping[str, Any]) -> Iterator[Any]:
    """The numbers of rows of a variant, and of those that each step created, left unchanged and rejected."""
    yield output.build_pairs(
        {
            "variant": variant["name"],
            "real rows": f"{variant['rows_real']:,}",
            "synthetic rows": f"{variant['rows_new']:,}",
        }
    )
    if steps := variant.get("steps"):
        yield ""
        yield output.build_table(["step", ">rows", "unchanged or rejected"], map(_format_step, steps))


def format_kept_steps(reuse: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """The steps of a reduced plan whose rows were reused, and those that ran again."""
    if reuse.get("kept"):
        yield f"reused: {', '.join(reuse['kept'])}"
    if reuse.get("made"):
        yield f"created again, since their input changed: {', '.join(reuse['made'])}"


def _format_step(step: Mapping[str, Any]) -> list[str]:
    reasons = {**(step.get("unchanged") or {}), **(step.get("refused") or {})}
    counts = ", ".join(f"{rows:,} {reason}" for reason, rows in reasons.items() if rows)
    return [str(step.get("text") or step["use"]), f"{step['made']:,}", counts]
