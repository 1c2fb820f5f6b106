"""What is known of an item, that a rule on its lines needs?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from leaven.cleaning.cleaning_config import Clean
from leaven.cleaning.id_encoding import Coded
from leaven.sql import literal

TEXTS_SQL = """
SELECT item_code, text, times FROM (
    SELECT item_code, text, count(*) AS times,
        row_number() OVER (PARTITION BY item_code ORDER BY count(*) DESC, text) AS place
    FROM {lines} WHERE text IS NOT NULL AND item_code IS NOT NULL GROUP BY item_code, text) AS ranked
WHERE place = 1"""
MEDIANS_SQL = """
SELECT item_code, count(*) AS times, median({column}) AS middle FROM {lines}
WHERE {column} > 0 AND item_code IS NOT NULL GROUP BY item_code"""


def bound_of(log: Coded, column: str) -> float | None:
    """What 99 % of the values above 0 stay under; None where there is none."""
    share = f"percentile_cont(0.99) WITHIN GROUP (ORDER BY {column})"
    found = log.tables.rows(f"SELECT {share} FROM {log.lines} WHERE {column} > 0")[0][0]
    return None if found is None else float(found)


def main_texts(log: Coded, name: str) -> str:
    """A table item_code, text, times: the most frequent text of each item, the first by the alphabet of equals."""
    log.tables.make(name, TEXTS_SQL.format(lines=log.lines))
    return name


def about_items(log: Coded, wish: Clean, rules: Sequence[Any]) -> str:
    """A FROM clause: the lines as `log` and, where a rule asks for them, `about` (one row an item) and `bots`."""
    needed = " ".join(one.when for one in rules)
    cells, joins = ["items.item_code AS item_code"], []
    for column, count in (("price", "prices"), ("quantity", "quantities")):
        if f"about.{column}" in needed:
            log.tables.make(f"clean_{count}", MEDIANS_SQL.format(column=column, lines=log.lines))
            cells += [f"{count}.times AS {count}", f"{count}.middle AS {column}"]
            joins.append(f"LEFT JOIN clean_{count} AS {count} ON items.item_code = {count}.item_code")
    if "about.product" in needed:
        cells.append(_product(log, wish, joins))
    if "about.listed" in needed or "about.born" in needed:
        cells += ["catalog.item AS listed", *(["catalog.born AS born"] if "about.born" in needed else [])]
        joins.append(f"LEFT JOIN {log.catalog} AS catalog ON items.item = catalog.item")
    if "about.incomplete" in needed:
        cells.append("incomplete.item AS incomplete")
        joins.append(f"LEFT JOIN {log.incomplete} AS incomplete ON items.item = incomplete.item")
    source = f"{log.lines} AS log"
    if "bots." in needed:
        source += " LEFT JOIN clean_bots AS bots ON log.user_code = bots.user_code"
    if len(cells) == 1:
        return source
    log.tables.make("clean_about", f"SELECT {', '.join(cells)} FROM {log.items} AS items {' '.join(joins)}")
    return f"{source} LEFT JOIN clean_about AS about ON log.item_code = about.item_code"


def _product(log: Coded, wish: Clean, joins: list[str]) -> str:
    bad = []
    if wish.non_product_ids:
        bad.append(f"regexp_matches(items.item, {pattern(wish.non_product_ids)})")
    if wish.non_product_texts and "text" in log.others:
        texts = main_texts(log, "clean_texts")
        bad.append(f"regexp_matches(texts.text, {pattern(wish.non_product_texts)})")
        joins.append(f"LEFT JOIN {texts} AS texts ON items.item_code = texts.item_code")
    return f"CASE WHEN {' OR '.join(bad) or 'false'} THEN 0 ELSE 1 END AS product"


def pattern(text: str) -> str:
    """A regular expression as SQL writes it, letters of either case alike.

    >>> pattern("^post$")
    "'(?i)^post$'"
    """
    return literal(f"(?i){text}")
