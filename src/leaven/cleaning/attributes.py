"""What is missing or misspelt in the table of the items?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from leaven.cleaning.cleaning_config import Clean
from leaven.cleaning.id_encoding import EXAMPLES, Coded, rule
from leaven.cleaning.typos import respelt
from leaven.sql import literal, quoted

Rules = list[dict[str, Any]]

NO_TEXT = ("item", "image", "price", "category", "brand", "born", "attributes")
"""Columns of the items that hold no words of their own; all others do."""
UNKNOWN = "unknown"


def clean_catalog(log: Coded, wish: Clean) -> tuple[Coded, Rules]:
    """The log with a catalogue that is respelt, and filled or shortened where the wish says so."""
    if log.catalog is None:
        return log, []
    log, found = _respell(log, wish)
    return _complete(log, wish, found)


def survey_catalog(log: Coded, wish: Clean) -> Rules:
    """What the rules would find in the catalogue as it was read."""
    return clean_catalog(log, replace(wish, missing_attributes="flag"))[1]


def _respell(log: Coded, wish: Clean) -> tuple[Coded, Rules]:
    if not wish.misspelt_categories or "category" not in log.catalog_columns:
        return log, []
    counted = f"SELECT category, count(*) FROM {log.catalog} WHERE category <> '' GROUP BY category"
    right = respelt({str(name): int(count) for name, count in log.tables.rows(counted)})
    if not right:
        return log, [rule("misspelt_category", 0, 0, [])]
    wrong = ", ".join(literal(name) for name in right)
    seen = f"SELECT item, category FROM {log.catalog} WHERE category IN ({wrong}) ORDER BY item"
    rows = log.tables.rows(seen)
    shown = [{"item": item, "category": name, "becomes": right[name]} for item, name in rows[:EXAMPLES]]
    whens = " ".join(f"WHEN {literal(name)} THEN {literal(other)}" for name, other in right.items())
    cells = _cells(log, {"category": f"CASE category {whens} ELSE category END"})
    log.tables.make("clean_respelt", f"SELECT {cells} FROM {log.catalog}")
    note = f"{len(right)} spellings, each one letter from one at least five times as frequent"
    return replace(log, catalog="clean_respelt"), [rule("misspelt_category", len(rows), 0, shown, note)]


def _cells(log: Coded, changed: Mapping[str, str]) -> str:
    """Every column of the catalogue, some of them changed."""
    cells = [f"{changed.get(name, quoted(name))} AS {quoted(name)}" for name in log.catalog_columns]
    return ", ".join(cells)


def _lacks(name: str) -> str:
    """Whether an item has no value there, as SQL."""
    return "price IS NULL OR NOT price > 0" if name == "price" else f"coalesce({quoted(name)}, '') = ''"


def _complete(log: Coded, wish: Clean, found: Rules) -> tuple[Coded, Rules]:
    texts = [name for name in log.catalog_columns if name not in NO_TEXT]
    names = [name for name in ("category", "price") if name in log.catalog_columns] + texts
    missing = {name: _missing(log, name, wish) for name in names}
    found += list(missing.values())
    lacking = [name for name, one in missing.items() if one["touched"]]
    if not lacking or wish.missing_attributes == "flag":
        return log, found
    if wish.missing_attributes == "drop":
        bad = " OR ".join(f"({_lacks(name)})" for name in lacking)
        log.tables.make("clean_dropped_items", f"SELECT item FROM {log.catalog} WHERE {bad}")
        log.tables.make("clean_complete", f"SELECT * FROM {log.catalog} WHERE NOT ({bad})")
        return replace(log, catalog="clean_complete", incomplete="clean_dropped_items"), found
    log.tables.make("clean_complete", _filled(log, lacking))
    return replace(log, catalog="clean_complete"), found


def _missing(log: Coded, name: str, wish: Clean) -> dict[str, Any]:
    rows = log.tables.rows(f"SELECT item FROM {log.catalog} WHERE {_lacks(name)} ORDER BY item")
    ways = {"flag": "kept as they are", "drop": "dropped with their lines", "fill": _filling(log, name)}
    note = f"items without {name}; {ways[wish.missing_attributes]}" if rows else ""
    return rule(f"missing_{name}", len(rows), 0, [{"item": row[0]} for row in rows[:EXAMPLES]], note)


def _filling(log: Coded, name: str) -> str:
    by = "its category" if "category" in log.catalog_columns else "all items"
    ways = {"category": f"filled with {UNKNOWN!r}", "price": f"filled with the median of {by}"}
    return ways.get(name, "filled with its category and brand")


def _filled(log: Coded, lacking: list[str]) -> str:
    """A SELECT of the catalogue with what is missing filled by rule."""
    category = f"CASE WHEN {_lacks('category')} THEN {literal(UNKNOWN)} ELSE category END"
    known = "category" in log.catalog_columns
    group = category if known else literal(UNKNOWN)
    words = [name for name in ("category", "brand") if name in log.catalog_columns]
    filling = "concat_ws(' ', " + ", ".join(f"nullif({quoted(name)}, '')" for name in words) + ")" if words else "''"
    changed = {name: f"CASE WHEN {_lacks(name)} THEN {filling} ELSE {quoted(name)} END" for name in lacking}
    if "category" in changed:
        changed["category"] = category
    if "price" in changed:
        median = f"median(CASE WHEN price > 0 THEN price END) OVER (PARTITION BY {group})"
        changed["price"] = f"CASE WHEN {_lacks('price')} THEN {median} ELSE price END"
    return f"SELECT {_cells(log, changed)} FROM {log.catalog}"
