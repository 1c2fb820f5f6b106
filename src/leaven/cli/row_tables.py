"""Tables of rows before and after a plan, and of the numbers of synthetic rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.text import Text

from leaven.augmentation.row_previews import Mark, PreviewedRow, RowPreviews
from leaven.cli import output
from leaven.facts import ReuseFacts, StepFacts, VariantFacts

_STYLES: Mapping[Mark, str] = {"": "", "-": "red", "+": "bold green", "~": "yellow", "…": "dim"}


def format_previews(previews: Mapping[str, RowPreviews]) -> Iterator[Any]:
    """The previews of each variant: rows before and after, aligned. "-" removed, "+" new, "~" replaced."""
    for variant, shown in previews.items():
        yield Text(variant, style="bold")
        if not len(shown):
            yield Text("  no row can change: the plan has no steps, or histories are too short", style="dim")
        for row in shown:
            yield Text(f"  {row.heading}", style="cyan")
            yield from format_preview(row)
        yield Text("")


def format_preview(row: PreviewedRow) -> Iterator[Text]:
    """The lines of one row, the entries before and after next to each other."""
    for mark, text in row.format_lines():
        yield Text(text, style=_STYLES[mark], no_wrap=True)


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
