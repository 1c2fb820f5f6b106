"""Where does a row come from, and how is a user taken out of a run?"""

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


def lineage(
    run: RunFolder,
    row: Annotated[str, typer.Argument(metavar="ROW", help="A user's id as in the log, or a row's key.")],
    json: Json = False,
) -> None:
    """How a row came to be: parents, steps, copies, filters, before and after."""
    from leaven.progress import shown

    with shown() as tell:
        from leaven.provenance import lineage as found_of

        tell(0, 0, "looking for the row")
        found = found_of(run, row)
        tell(1, 1, "looking for the row")
    output.as_json(found.as_dict()) if json else output.show(*_told(found))


def erase(
    run: RunFolder,
    user: Annotated[list[str], typer.Option(metavar="USER", help="An id as in the log; may be repeated.")],
    json: Json = False,
) -> None:
    """Take users out of a run: their rows, and all that was made of them."""
    from leaven.progress import shown

    with shown() as tell:
        from leaven.provenance import erase as erased_of

        tell(0, 0, "erasing")
        found = erased_of(run, user)
        tell(1, 1, "erasing")
    output.as_json(found.as_dict()) if json else output.show(*_erased(found))


def _told(found: Lineage) -> Iterator[Any]:
    title = f"user {found.user}, row {found.key}" if found.user else f"row {found.key}"
    yield Text(title, style="bold")
    if found.parts:
        yield f"real, in {', '.join(found.parts)}"
    for arm, links in found.chains.items():
        yield ""
        yield Text(f"arm {arm}", style="bold")
        for link in links:
            yield from _linked(link)
        if links[-1].made_from:
            yield Text(f"  real row {links[-1].made_from}", style="dim")
    if found.made:
        yield ""
        rows = [
            (arm, step, f"{told['rows']:,}", " ".join(told["keys"][:3]) + (" …" if told["rows"] > 3 else ""))
            for arm, steps in found.made.items()
            for step, told in steps.items()
        ]
        yield output.table(["arm", "step", ">rows made of it", "keys"], rows)


def _linked(link: Link) -> Iterator[Any]:
    from leaven.cli.row_tables import pair_lines

    yield Text(f"  {link.step}", style="cyan")
    how = "made of nothing" if not link.parent else f"from {link.made_from or 'a row that is gone'}"
    how += f", copy {link.copy + 1}" if link.mode == "add" and link.parent else ""
    how += f", part {link.part + 1}" if link.part else ""
    yield output.pairs([("    step", link.text), ("    row", f"{link.key} {how}, weight {link.weight:g}")])
    yield output.pairs(pair_lines(link.preview))
    if link.filters:
        yield output.pairs([(f"    {one.filter}", _verdict(one)) for one in link.filters])


def _verdict(one: Verdict) -> str:
    figures = ", ".join(f"{words} {value:g}" for words, value in one.measured.items() if value == value)
    said = "kept" if one.kept else f"refused: {one.why}"
    return f"{said} ({figures})" if figures else said


def _erased(found: Erased) -> Iterator[Any]:
    yield Text(f"erased: {', '.join(found.users)}", style="bold")
    yield ""
    rows = [(part, f"{count:,}", f"{found.borrowed.get(part, 0):,}") for part, count in found.rows.items()]
    yield output.table(["part or arm", ">rows that went", ">of them, mixed with others"], rows)
    if found.records:
        yield f"{found.records:,} values of single users went from the results"
    if found.trained:
        yield "still trained on them (run again to train without):"
        yield from (f"  {path}" for path in found.trained)
    for arm, steps in found.learned.items():
        yield f"other rows of “{arm}” were made by what had learned from them: {', '.join(steps)}"
    yield from (f"• {one}" for one in found.kept)
