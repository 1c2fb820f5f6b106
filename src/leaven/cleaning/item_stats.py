"""Statistics of items that the rules on events need: medians, texts and catalog entries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from leaven.cleaning.cleaning_config import CleaningConfig
from leaven.cleaning.id_encoding import EncodedLog
from leaven.sql import quote_literal

_TEXTS_SQL = """
SELECT item_code, text, times FROM (
    SELECT item_code, text, count(*) AS times,
        row_number() OVER (PARTITION BY item_code ORDER BY count(*) DESC, text) AS rank
    FROM {lines} WHERE text IS NOT NULL AND item_code IS NOT NULL GROUP BY item_code, text) AS ranked
WHERE rank = 1"""
_MEDIANS_SQL = """
SELECT item_code, count(*) AS times, median({column}) AS middle FROM {lines}
WHERE {column} > 0 AND item_code IS NOT NULL GROUP BY item_code"""


def compute_upper_bound(log: EncodedLog, column: str) -> float | None:
    """The 99th percentile of the values above 0; None without such values."""
    share = f"percentile_cont(0.99) WITHIN GROUP (ORDER BY {column})"
    found = log.backend.fetch_rows(f"SELECT {share} FROM {log.lines} WHERE {column} > 0")[0][0]
    return None if found is None else float(found)


def create_main_texts(log: EncodedLog, name: str) -> str:
    """Creates a table item_code, text, times of the most frequent text of each item; ties go to the first in order."""
    log.backend.create_table(name, _TEXTS_SQL.format(lines=log.lines))
    return name


def join_item_stats(log: EncodedLog, config: CleaningConfig, rules: Sequence[Any]) -> str:
    """A FROM clause: the lines as `log` and, where a rule needs them, `stats` (one row per item) and `bots`."""
    needed = " ".join(event_rule.when for event_rule in rules)
    cells, joins = ["items.item_code AS item_code"], []
    for column, count in (("price", "prices"), ("quantity", "quantities")):
        if f"stats.{column}" in needed:
            log.backend.create_table(f"clean_{count}", _MEDIANS_SQL.format(column=column, lines=log.lines))
            cells += [f"{count}.times AS {count}", f"{count}.middle AS {column}"]
            joins.append(f"LEFT JOIN clean_{count} AS {count} ON items.item_code = {count}.item_code")
    if "stats.product" in needed:
        cells.append(_select_product(log, config, joins))
    if "stats.listed" in needed or "stats.born" in needed:
        cells += ["catalog.item AS listed", *(["catalog.born AS born"] if "stats.born" in needed else [])]
        joins.append(f"LEFT JOIN {log.catalog} AS catalog ON items.item = catalog.item")
    if "stats.incomplete" in needed:
        cells.append("incomplete.item AS incomplete")
        joins.append(f"LEFT JOIN {log.incomplete_items} AS incomplete ON items.item = incomplete.item")
    source = f"{log.lines} AS log"
    if "bots." in needed:
        source += " LEFT JOIN clean_bots AS bots ON log.user_code = bots.user_code"
    if len(cells) == 1:
        return source
    log.backend.create_table(
        "clean_item_stats", f"SELECT {', '.join(cells)} FROM {log.items} AS items {' '.join(joins)}"
    )
    return f"{source} LEFT JOIN clean_item_stats AS stats ON log.item_code = stats.item_code"


def _select_product(log: EncodedLog, config: CleaningConfig, joins: list[str]) -> str:
    patterns = []
    if config.non_product_ids:
        patterns.append(f"regexp_matches(items.item, {format_pattern(config.non_product_ids)})")
    if config.non_product_texts and "text" in log.extra_columns:
        texts = create_main_texts(log, "clean_texts")
        patterns.append(f"regexp_matches(texts.text, {format_pattern(config.non_product_texts)})")
        joins.append(f"LEFT JOIN {texts} AS texts ON items.item_code = texts.item_code")
    return f"CASE WHEN {' OR '.join(patterns) or 'false'} THEN 0 ELSE 1 END AS product"


def format_pattern(text: str) -> str:
    """A case-insensitive regular expression as an SQL literal.

    >>> format_pattern("^post$")
    "'(?i)^post$'"
    """
    return quote_literal(f"(?i){text}")
