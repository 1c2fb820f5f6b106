"""Corrects misspelled categories and completes missing attributes in the table of items."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from leaven.cleaning.cleaning_config import CleaningConfig
from leaven.cleaning.id_encoding import EXAMPLES, EncodedLog, Rules, build_rule_facts
from leaven.cleaning.typos import find_corrections
from leaven.sql import quote_identifier, quote_literal

_NON_TEXT_COLUMNS = ("item", "image", "price", "category", "brand", "born", "attributes")
"""Columns of the items that are not text columns."""
_UNKNOWN = "unknown"


def clean_catalog(log: EncodedLog, config: CleaningConfig) -> tuple[EncodedLog, Rules]:
    """The log with a corrected catalog: misspellings, and missing attributes as the config treats them."""
    if log.catalog is None:
        return log, []
    log, found = _correct_categories(log, config)
    return _treat_missing(log, config, found)


def survey_catalog(log: EncodedLog, config: CleaningConfig) -> Rules:
    """What the rules find in the catalog as it was read."""
    return clean_catalog(log, replace(config, missing_attributes="flag"))[1]


def _correct_categories(log: EncodedLog, config: CleaningConfig) -> tuple[EncodedLog, Rules]:
    if not config.misspelled_categories or "category" not in log.catalog_columns:
        return log, []
    counts = f"SELECT category, count(*) FROM {log.catalog} WHERE category <> '' GROUP BY category"
    corrections = find_corrections({str(name): int(count) for name, count in log.backend.fetch_rows(counts)})
    if not corrections:
        return log, [build_rule_facts("misspelled_category", 0, 0, [])]
    wrong = ", ".join(quote_literal(name) for name in corrections)
    sql = f"SELECT item, category FROM {log.catalog} WHERE category IN ({wrong}) ORDER BY item"
    rows = log.backend.fetch_rows(sql)
    shown = [{"item": item, "category": name, "becomes": corrections[name]} for item, name in rows[:EXAMPLES]]
    whens = " ".join(f"WHEN {quote_literal(name)} THEN {quote_literal(other)}" for name, other in corrections.items())
    cells = _select_with(log, {"category": f"CASE category {whens} ELSE category END"})
    log.backend.create_table("clean_corrected", f"SELECT {cells} FROM {log.catalog}")
    note = f"{len(corrections)} spellings, each one edit from one at least five times as frequent"
    return replace(log, catalog="clean_corrected"), [build_rule_facts("misspelled_category", len(rows), 0, shown, note)]


def _select_with(log: EncodedLog, changed: Mapping[str, str]) -> str:
    """Every column of the catalog, some of them replaced by SQL."""
    cells = [f"{changed.get(name, quote_identifier(name))} AS {quote_identifier(name)}" for name in log.catalog_columns]
    return ", ".join(cells)


def _is_missing(name: str) -> str:
    """SQL: whether an item has no value in a column."""
    return "price IS NULL OR NOT price > 0" if name == "price" else f"coalesce({quote_identifier(name)}, '') = ''"


def _treat_missing(log: EncodedLog, config: CleaningConfig, found: Rules) -> tuple[EncodedLog, Rules]:
    texts = [name for name in log.catalog_columns if name not in _NON_TEXT_COLUMNS]
    names = [name for name in ("category", "price") if name in log.catalog_columns] + texts
    missing = {name: _count_missing(log, name, config) for name in names}
    found += list(missing.values())
    lacking = [name for name, facts in missing.items() if facts["touched"]]
    if not lacking or config.missing_attributes == "flag":
        return log, found
    if config.missing_attributes == "drop":
        bad = " OR ".join(f"({_is_missing(name)})" for name in lacking)
        log.backend.create_table("clean_dropped_items", f"SELECT item FROM {log.catalog} WHERE {bad}")
        log.backend.create_table("clean_complete", f"SELECT * FROM {log.catalog} WHERE NOT ({bad})")
        return replace(log, catalog="clean_complete", incomplete_items="clean_dropped_items"), found
    log.backend.create_table("clean_complete", _select_filled(log, lacking))
    return replace(log, catalog="clean_complete"), found


def _count_missing(log: EncodedLog, name: str, config: CleaningConfig) -> dict[str, Any]:
    rows = log.backend.fetch_rows(f"SELECT item FROM {log.catalog} WHERE {_is_missing(name)} ORDER BY item")
    treatments = {"flag": "kept as they are", "drop": "dropped with their lines", "fill": _describe_fill(log, name)}
    note = f"items without {name}; {treatments[config.missing_attributes]}" if rows else ""
    return build_rule_facts(f"missing_{name}", len(rows), 0, [{"item": row[0]} for row in rows[:EXAMPLES]], note)


def _describe_fill(log: EncodedLog, name: str) -> str:
    group = "its category" if "category" in log.catalog_columns else "all items"
    treatments = {"category": f"filled with {_UNKNOWN!r}", "price": f"filled with the median of {group}"}
    return treatments.get(name, "filled with its category and brand")


def _select_filled(log: EncodedLog, lacking: list[str]) -> str:
    """A SELECT of the catalog with missing values filled."""
    category = f"CASE WHEN {_is_missing('category')} THEN {quote_literal(_UNKNOWN)} ELSE category END"
    group = category if "category" in log.catalog_columns else quote_literal(_UNKNOWN)
    parts = [name for name in ("category", "brand") if name in log.catalog_columns]
    filling = (
        "concat_ws(' ', " + ", ".join(f"nullif({quote_identifier(name)}, '')" for name in parts) + ")"
        if parts
        else "''"
    )
    changed = {
        name: f"CASE WHEN {_is_missing(name)} THEN {filling} ELSE {quote_identifier(name)} END" for name in lacking
    }
    if "category" in changed:
        changed["category"] = category
    if "price" in changed:
        median = f"median(CASE WHEN price > 0 THEN price END) OVER (PARTITION BY {group})"
        changed["price"] = f"CASE WHEN {_is_missing('price')} THEN {median} ELSE price END"
    return f"SELECT {_select_with(log, changed)} FROM {log.catalog}"
