"""The command `leaven text`: previews a text transform or generator on a table of items."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from leaven.cli import output
from leaven.cli.info import Json

if TYPE_CHECKING:
    from rich.text import Text


def preview_text(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A table of items, CSV or Parquet.")],
    column: Annotated[
        str, typer.Option(metavar="COLUMN", help="The texts; by default title, or the first column like it.")
    ] = "",
    operator: Annotated[
        str, typer.Option(help="A kind: see `leaven list text_transforms` and `leaven list text_generators`.")
    ] = "synonyms",
    rows: Annotated[int, typer.Option(min=1, help="Number of changed texts to show.")] = 10,
    seed: Annotated[int, typer.Option(help="Seed of all random draws.")] = 7,
    strength: Annotated[float, typer.Option(min=0, max=1, help="Strength of the change, from 0 to 1.")] = 1.0,
    protect: Annotated[list[str] | None, typer.Option(help="A word or phrase to keep; repeatable.")] = None,
    brand: Annotated[str, typer.Option(metavar="COLUMN", help="Brands, which are kept; by default brand.")] = "",
    fields: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A field of the operator; repeatable.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Estimate the calls to a language model; nothing is sent.")
    ] = False,
    price: Annotated[float, typer.Option(min=0, help="Price of a million tokens, for --dry-run.")] = 0.0,
    json: Json = False,
) -> None:
    """Texts of your items before and after a transform: changes marked, unchanged texts counted."""
    from leaven.cli.catalog_args import load_text_catalog
    from leaven.progress import show_progress

    with show_progress() as on_progress:
        from leaven.transforms.text.text_views import build_text_views

        config = _build_operator(operator, fields or [], protect or [])
        on_progress(0, 0, f"reading {file}")
        catalog, column = load_text_catalog(file, column, brand)
        if dry_run:
            estimate = _estimate_calls(config, operator, catalog, column, price)
            output.print_json(estimate) if json else output.print_results(output.build_pairs(estimate))
            return
        on_progress(0, 0, f"{operator} on {len(catalog):,} texts")
        changes = build_text_views(catalog, config, seed, (column,), strength=strength)
    output.print_json(_to_facts(changes, rows)) if json else output.print_results(*_format_changes(changes, rows))


def _build_operator(operator: str, fields: list[str], protect: list[str]) -> Any:
    """The config of an operator with the given fields, checked like those of a spec."""
    from leaven.config.build import build_config, find_class
    from leaven.config.toml_source import parse_source

    cls = find_class(operator, ("text_transforms", "text_generators"), "--operator")
    table = parse_source("", "--set", fields).table
    return build_config(cls, table | ({"protect": protect} if protect else {}), lambda key: f"--set {key}")


def _estimate_calls(config: Any, operator: str, catalog: Any, column: str, price: float) -> dict[str, str]:
    """Calls and tokens that a language model would need.

    Raises SpecError for an operator without a language model.
    """
    from leaven.errors import SpecError

    fitted = config.fit(catalog)
    if not hasattr(fitted, "estimate_cost"):
        raise SpecError("--dry-run", "an operator with a language model", operator, "leave --dry-run out")
    cost = fitted.estimate_cost(list(catalog.texts[column]), price)
    rows = {"calls": f"{cost.calls:,}", "tokens, about": f"{cost.tokens:,}", "cached responses": f"{cost.n_cached:,}"}
    return rows | ({"price, about": f"{cost.price:,.2f}"} if price else {})


def _to_facts(changes: Any, rows: int) -> dict[str, Any]:
    pairs = [{"before": before, "after": after} for before, after in _list_changes(changes)]
    return {
        "texts": len(changes.after),
        "changed": len(pairs),
        "unchanged": changes.unchanged,
        "examples": pairs[:rows],
    }


def _list_changes(changes: Any) -> list[tuple[str, str]]:
    """Pairs of different texts, each pair once."""
    pairs = zip(changes.before, changes.after, strict=True)
    return list(dict.fromkeys(pair for pair in pairs if pair[0] != pair[1]))


def _format_changes(changes: Any, rows: int) -> Iterator[Any]:
    from leaven.transforms.text.text_views import mark_changes

    for before, after in _list_changes(changes)[:rows]:
        removed, added = mark_changes(before, after)
        yield output.build_pairs(
            [("before", _mark_parts(removed, "red", "")), ("after", _mark_parts(added, "bold green", "*"))]
        )
        yield ""
    n_changed = len(changes.after) - sum(changes.unchanged.values())
    counts = {"texts": len(changes.after), "changed": n_changed, **changes.unchanged}
    yield output.build_table(["what", ">texts"], ((name, f"{count:,}") for name, count in counts.items()))


def _mark_parts(parts: Any, style: str, mark: str) -> Text:
    """A text with its marked parts in color, and between stars where colors may be lost."""
    from rich.text import Text

    return Text.assemble(*((f"{mark}{part}{mark}", style) if is_new else (part, "") for part, is_new in parts))
