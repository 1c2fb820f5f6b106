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
    from leaven.provenance import Erased, Lineage
    from leaven.provenance.row_lineage import Link, Verdict

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run, or of `leaven expand`.")]


def show_lineage(
    run: RunFolder,
    row: Annotated[str, typer.Argument(metavar="ROW", help="A user's id as in the log, or a row id.")],
    json: Json = False,
) -> None:
    """Where a row comes from: parents, steps, copies, filters, before and after."""
    from leaven.progress import shown

    with shown() as on_progress:
        from leaven.provenance import lineage

        on_progress(0, 0, "searching the row")
        found = lineage(run, row)
        on_progress(1, 1, "searching the row")
    output.as_json(found.as_dict()) if json else output.show(*_format_lineage(found))


def erase_from_run(
    run: RunFolder,
    user: Annotated[list[str], typer.Option(metavar="USER", help="An id as in the log; repeatable.")],
    json: Json = False,
) -> None:
    """Remove users from a run: their rows, and all rows derived from them."""
    from leaven.progress import shown

    with shown() as on_progress:
        from leaven.provenance import erase

        on_progress(0, 0, "erasing")
        result = erase(run, user)
        on_progress(1, 1, "erasing")
    output.as_json(result.as_dict()) if json else output.show(*_format_erasure(result))


def _format_lineage(lineage: Lineage) -> Iterator[Any]:
    title = f"user {lineage.user}, row {lineage.key}" if lineage.user else f"row {lineage.key}"
    yield Text(title, style="bold")
    if lineage.parts:
        yield f"real, in {', '.join(lineage.parts)}"
    for variant, links in lineage.chains.items():
        yield ""
        yield Text(f"variant {variant}", style="bold")
        for link in links:
            yield from _format_link(link)
        if links[-1].made_from:
            yield Text(f"  real row {links[-1].made_from}", style="dim")
    if lineage.made:
        yield ""
        rows = [
            (variant, step, f"{rows['rows']:,}", " ".join(rows["keys"][:3]) + (" …" if rows["rows"] > 3 else ""))
            for variant, steps in lineage.made.items()
            for step, rows in steps.items()
        ]
        yield output.table(["variant", "step", ">derived rows", "row ids"], rows)


def _format_link(link: Link) -> Iterator[Any]:
    from leaven.cli.row_tables import pair_lines

    yield Text(f"  {link.step}", style="cyan")
    source = "without a source row" if not link.parent else f"from {link.made_from or 'a row that no longer exists'}"
    source += f", copy {link.copy + 1}" if link.mode == "add" and link.parent else ""
    source += f", part {link.part + 1}" if link.part else ""
    yield output.pairs([("    step", link.text), ("    row", f"{link.key} {source}, weight {link.weight:g}")])
    yield output.pairs(pair_lines(link.preview))
    if link.filters:
        yield output.pairs([(f"    {verdict.filter}", _format_verdict(verdict)) for verdict in link.filters])


def _format_verdict(verdict: Verdict) -> str:
    figures = ", ".join(f"{name} {value:g}" for name, value in verdict.measured.items() if value == value)
    text = "accepted" if verdict.kept else f"rejected: {verdict.why}"
    return f"{text} ({figures})" if figures else text


def _format_erasure(result: Erased) -> Iterator[Any]:
    yield Text(f"erased: {', '.join(result.users)}", style="bold")
    yield ""
    rows = [(part, f"{count:,}", f"{result.borrowed.get(part, 0):,}") for part, count in result.rows.items()]
    yield output.table(["part or variant", ">removed rows", ">of these, mixed with others"], rows)
    if result.records:
        yield f"removed from the results: {result.records:,} values of single users"
    if result.trained:
        yield "models still trained on them (run again to train without):"
        yield from (f"  {path}" for path in result.trained)
    for variant, steps in result.learned.items():
        yield f"other rows of “{variant}” come from steps that were fitted on them: {', '.join(steps)}"
    yield from (f"• {remark}" for remark in result.kept)
