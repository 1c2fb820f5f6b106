"""The commands `leaven lineage` and `leaven erase`: where a row comes from, removal of users from a run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from leaven.cli import output
from leaven.cli.info import Json

if TYPE_CHECKING:
    from leaven.provenance import ErasureResult, Lineage
    from leaven.provenance.row_lineage import FilterVerdict, LineageLink

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run, or of `leaven expand`.")]


def show_lineage(
    run: RunFolder,
    row: Annotated[str, typer.Argument(metavar="ROW", help="A user's id as in the log, or a row id.")],
    json: Json = False,
) -> None:
    """Where a row comes from: parents, steps, copies, filters, before and after."""
    from leaven.progress import show_progress

    with show_progress() as on_progress:
        from leaven.provenance import trace_lineage

        on_progress(0, 0, "searching the row")
        found = trace_lineage(run, row)
        on_progress(1, 1, "searching the row")
    output.print_json(found.as_dict()) if json else output.print_results(*_format_lineage(found))


def erase_from_run(
    run: RunFolder,
    user: Annotated[list[str], typer.Option(metavar="USER", help="An id as in the log; repeatable.")],
    json: Json = False,
) -> None:
    """Remove users from a run: their rows, and all rows derived from them."""
    from leaven.progress import show_progress

    with show_progress() as on_progress:
        from leaven.provenance import erase_users

        on_progress(0, 0, "erasing")
        result = erase_users(run, user)
        on_progress(1, 1, "erasing")
    output.print_json(result.as_dict()) if json else output.print_results(*_format_erasure(result))


def _format_lineage(lineage: Lineage) -> Iterator[Any]:
    title = f"user {lineage.user}, row {lineage.row_id}" if lineage.user else f"row {lineage.row_id}"
    yield Text(title, style="bold")
    if lineage.parts:
        yield f"real, in {', '.join(lineage.parts)}"
    for variant, links in lineage.chains.items():
        yield ""
        yield Text(f"variant {variant}", style="bold")
        for link in links:
            yield from _format_link(link)
        if links[-1].source_row:
            yield Text(f"  real row {links[-1].source_row}", style="dim")
    if lineage.descendants:
        yield ""
        rows = [
            (variant, step, f"{rows['rows']:,}", " ".join(rows["keys"][:3]) + (" …" if rows["rows"] > 3 else ""))
            for variant, steps in lineage.descendants.items()
            for step, rows in steps.items()
        ]
        yield output.build_table(["variant", "step", ">derived rows", "row ids"], rows)


def _format_link(link: LineageLink) -> Iterator[Any]:
    from leaven.augmentation.row_previews import PreviewedRow
    from leaven.cli.row_tables import format_preview

    yield Text(f"  {link.step}", style="cyan")
    source = "without a source row" if not link.parent else f"from {link.source_row or 'a row that no longer exists'}"
    source += f", copy {link.copy + 1}" if link.mode == "append" and link.parent else ""
    source += f", part {link.part + 1}" if link.part else ""
    yield output.build_pairs([("    step", link.text), ("    row", f"{link.row_id} {source}, weight {link.weight:g}")])
    yield from format_preview(PreviewedRow.from_facts(link.preview))
    if link.filters:
        yield output.build_pairs([(f"    {verdict.filter}", _format_verdict(verdict)) for verdict in link.filters])


def _format_verdict(verdict: FilterVerdict) -> str:
    figures = ", ".join(f"{name} {value:g}" for name, value in verdict.statistics.items() if value == value)
    text = "accepted" if verdict.accepted else f"rejected: {verdict.reason}"
    return f"{text} ({figures})" if figures else text


def _format_erasure(result: ErasureResult) -> Iterator[Any]:
    yield Text(f"erased: {', '.join(result.users)}", style="bold")
    yield ""
    rows = [(part, f"{count:,}", f"{result.mixed_rows.get(part, 0):,}") for part, count in result.removed_rows.items()]
    yield output.build_table(["part or variant", ">removed rows", ">of these, mixed with others"], rows)
    if result.removed_values:
        yield f"removed from the results: {result.removed_values:,} values of single users"
    if result.trained_models:
        yield "models still trained on them (run again to train without):"
        yield from (f"  {path}" for path in result.trained_models)
    for variant, steps in result.trained_steps.items():
        yield f"other rows of “{variant}” come from steps that were fitted on them: {', '.join(steps)}"
    yield from (f"• {remark}" for remark in result.remaining)
