"""What would an operator on words make of the texts in a table of items?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from leaven.cli import output
from leaven.cli.info import Json

if TYPE_CHECKING:
    from rich.text import Text


def words(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A table of items, CSV or Parquet.")],
    column: Annotated[
        str, typer.Option(metavar="COLUMN", help="The texts; by default title, or the first like it.")
    ] = "",
    operator: Annotated[
        str, typer.Option(help="A kind: see `leaven list text_transforms` and `leaven list text_generators`.")
    ] = "synonyms",
    rows: Annotated[int, typer.Option(min=1, help="How many changed texts are shown.")] = 10,
    seed: Annotated[int, typer.Option(help="The same seed, the same words.")] = 7,
    strength: Annotated[float, typer.Option(min=0, max=1, help="How much, from 0 to 1.")] = 1.0,
    protect: Annotated[list[str] | None, typer.Option(help="A word or phrase that stays; may be given often.")] = None,
    brand: Annotated[str, typer.Option(metavar="COLUMN", help="Brands, which stay; by default brand.")] = "",
    fields: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A field of the operator; may be given often."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="What a language model would be asked, and how much; nothing is sent.")
    ] = False,
    price: Annotated[float, typer.Option(min=0, help="Of a million tokens, for --dry-run.")] = 0.0,
    json: Json = False,
) -> None:
    """Texts of your items before and after: changed words are marked, and what stayed is counted."""
    from leaven.cli.catalog_args import catalog_of
    from leaven.progress import shown

    with shown() as tell:
        from leaven.transforms.text.text_views import views

        wish = _wish(operator, fields or [], protect or [])
        tell(0, 0, f"reading {file}")
        catalog, named = catalog_of(file, column, brand)
        if dry_run:
            told = _estimate(wish, operator, catalog, named, price)
            output.as_json(told) if json else output.show(output.pairs(list(told.items())))
            return
        tell(0, 0, f"{operator} on {len(catalog):,} texts")
        found = views(catalog, wish, seed, (named,), strength=strength)
    if json:
        output.as_json(_facts(found, rows))
        return
    output.show(*_shown(found, rows))


def _wish(operator: str, fields: list[str], protect: list[str]) -> Any:
    """The operator with the fields that were set, checked as those of a spec."""
    from leaven.config.build import build, class_of
    from leaven.config.toml_source import from_text

    cls = class_of(operator, ("text_transforms", "text_generators"), "--operator")
    table = from_text("", "--set", fields).table
    return build(cls, table | ({"protect": protect} if protect else {}), lambda key: f"--set {key}")


def _estimate(wish: Any, operator: str, catalog: Any, column: str, price: float) -> dict[str, str]:
    """What a language model would be asked.

    Raises SpecError for an operator that asks nobody.
    """
    from leaven.errors import SpecError

    fitted = wish.fit(catalog)
    if not hasattr(fitted, "estimate"):
        raise SpecError("--dry-run", "an operator that asks a language model", operator, "leave --dry-run out")
    told = fitted.estimate(list(catalog.words[column]), price)
    facts = {"calls": f"{told.calls:,}", "tokens, about": f"{told.tokens:,}", "answers kept already": f"{told.known:,}"}
    return facts | ({"price, about": f"{told.price:,.2f}"} if price else {})


def _facts(found: Any, rows: int) -> dict[str, Any]:
    pairs = [{"before": a, "after": b} for a, b in _changed(found)]
    return {"texts": len(found.after), "changed": len(pairs), "unchanged": found.unchanged, "examples": pairs[:rows]}


def _changed(found: Any) -> Iterator[tuple[str, str]]:
    """Pairs of different texts, each pair once."""
    seen = set()
    for pair in zip(found.before, found.after, strict=True):
        if pair[0] != pair[1] and pair not in seen:
            seen.add(pair)
            yield pair


def _shown(found: Any, rows: int) -> Iterator[Any]:
    from itertools import islice

    from leaven.transforms.text.text_preview import marked

    for before, after in islice(_changed(found), rows):
        gone, new = marked(before, after)
        yield output.pairs([("before", _text(gone, "red", "")), ("after", _text(new, "bold green", "*"))])
        yield ""
    changed = len(found.after) - sum(found.unchanged.values())
    counts = {"texts": len(found.after), "changed": changed, **found.unchanged}
    yield output.table(["what", ">texts"], ((name, f"{count:,}") for name, count in counts.items()))


def _text(parts: Any, style: str, mark: str) -> Text:
    """A text with its marked parts in colour, and between stars where colours may be lost."""
    from rich.text import Text

    return Text.assemble(*((f"{mark}{part}{mark}", style) if new else (part, "") for part, new in parts))
