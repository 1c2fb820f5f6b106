"""Tables of rows before and after a plan, and of the numbers of synthetic rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.text import Text

from leaven.cli import output
from leaven.facts import Preview, ReuseFacts, StepFacts, VariantFacts
from leaven.report.row_previews import Chip, build_preview

_MAX_CHIPS = 12  # entries of a row; longer rows show the places that changed
_MAX_CHARACTERS = 32  # of an item name


def format_previews(previews: Mapping[str, Sequence[Preview]]) -> Iterator[Any]:
    """The previews of each variant: rows before and after. Removed events are in brackets, new ones between stars."""
    for variant, examples in previews.items():
        yield Text(variant, style="bold")
        if not examples:
            yield Text("  no row can change: the plan has no steps, or histories are too short", style="dim")
        for example in examples:
            yield Text(f"  {example.step}", style="cyan")
            yield output.build_pairs(format_preview(example))
        yield Text("")


def format_preview(preview: Preview) -> Iterator[tuple[str, Text]]:
    """The lines "before" and "after" of one preview."""
    view = build_preview(preview, _MAX_CHIPS)
    if view.before:
        yield "    before", _format_chips(view.before, "[", "]", "red")
    if view.is_unchanged:
        yield "    after", Text("unchanged by this step", style="dim")
    else:
        yield "    after" if view.before else "    new", _format_chips(view.after, "*", "*", "bold green")


def _format_chips(chips: Sequence[Chip], opening: str, closing: str, style: str) -> Text:
    """The entries of a row; the arrow between them is in no title."""
    line = Text()
    for position, chip in enumerate(chips):
        line.append(" → " if position else "", "dim")
        name = chip.text if len(chip.text) <= _MAX_CHARACTERS else chip.text[: _MAX_CHARACTERS - 1] + "…"
        if chip.hidden:
            line.append(name, "dim")
        else:
            line.append(f"{opening}{name}{closing}" if chip.mark else name, style if chip.mark else "")
    return line


def format_row_counts(variant: VariantFacts) -> Iterator[Any]:
    """The numbers of rows of a variant, and of those that each step created, left unchanged and rejected."""
    yield output.build_pairs(
        {
            "variant": variant.name,
            "real rows": f"{variant.real_rows:,}",
            "synthetic rows": f"{variant.synthetic_rows:,}",
        }
    )
    if variant.steps:
        yield ""
        yield output.build_table(["step", ">rows", "unchanged or rejected"], map(_format_step, variant.steps))


def format_tables(tables: Mapping[str, Any]) -> Iterator[str]:
    """Where the written tables are, and how many rows and lines they have."""
    if "map" in tables:
        yield f"rows: {tables['folder']}"
        yield f"ids: catalog.parquet (items, in the order of their codes) and names.parquet (users) in {tables['map']}"
        return
    yield f"{tables['rows']:,} rows with {tables['lines']:,} lines, your ids: {tables['folder']}"


def format_reuse(reuse: ReuseFacts | None) -> Iterator[str]:
    """The steps of a reduced plan whose rows were reused, and those that ran again."""
    if reuse is not None and reuse.reused:
        yield f"reused: {', '.join(reuse.reused)}"
    if reuse is not None and reuse.recreated:
        yield f"created again, since their input changed: {', '.join(reuse.recreated)}"


def _format_step(step: StepFacts) -> list[str]:
    reasons = {**step.unchanged, **step.rejected}
    counts = ", ".join(f"{rows:,} {reason}" for reason, rows in reasons.items() if rows)
    return [step.description or step.name, f"{step.synthetic:,}", counts]
