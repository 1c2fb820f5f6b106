"""Which lines say the same thing twice, or the same item differently?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from leaven.data.clean.about import main_texts
from leaven.data.clean.coding import Coded, examples, rule
from leaven.data.clean.tables import scalar
from leaven.data.clean.wish import Clean
from leaven.data.dialect import quoted

Rules = list[dict[str, Any]]


def repeated(log: Coded) -> int:
    """Lines that equal an earlier line in every column."""
    cells = ", ".join(log.cells)
    return log.count() - scalar(log.tables, f"SELECT count(*) FROM (SELECT DISTINCT {cells} FROM {log.lines}) AS once")


def one_of_each(log: Coded, wish: Clean, whole: Coded) -> tuple[Coded, Rules]:
    """The log with the first of equal lines; `whole` is the log before any dropping, in which they are counted."""
    if not wish.duplicates:
        return log, []
    cells = ", ".join(log.cells)
    sql = f"SELECT min(line) AS line, {cells}, CAST(count(*) AS INTEGER) AS equals FROM {log.lines} GROUP BY {cells}"
    log.tables.make("clean_once", sql)
    once = replace(log, lines="clean_once")
    dropped = scalar(log.tables, "SELECT sum(equals - 1) FROM clean_once WHERE equals > 1")
    touched = dropped if whole.lines == log.lines else repeated(whole)
    shown = examples(once, "SELECT * FROM clean_once WHERE equals > 1") if dropped else []
    note = "lines that equal an earlier one in every column read; the first stays" if touched else ""
    return once, [rule("duplicates", touched, dropped, shown, note)]


def one_text(log: Coded, wish: Clean) -> tuple[Coded, Rules]:
    """The log with one text an item: the most frequent one."""
    if not wish.several_texts:
        return log, []
    if "text" not in log.others:
        return log, [rule("several_texts", 0, 0, [], "skipped: the log has no column for 'text'")]
    texts = main_texts(log, "clean_texts")
    source = f"{log.lines} AS log JOIN {texts} AS texts ON log.item_code = texts.item_code WHERE log.text <> texts.text"
    touched, items = log.tables.rows(f"SELECT count(*), count(DISTINCT log.item_code) FROM {source}")[0]
    found = rule("several_texts", int(touched), 0, _names(log, source) if touched else [])
    if touched:
        found["note"] = f"{items:,} items had several texts; each gets its most frequent one"
    cells = [name for name in log.cells if name != quoted("text")]
    cells = [*(f"log.{name} AS {name}" for name in ["line", *cells]), "coalesce(texts.text, log.text) AS text"]
    joined = f"{log.lines} AS log LEFT JOIN {texts} AS texts ON log.item_code = texts.item_code"
    log.tables.make("clean_named", f"SELECT {', '.join(cells)} FROM {joined}")
    return replace(log, lines="clean_named"), [found]


def _names(log: Coded, source: str) -> list[dict[str, Any]]:
    """The items with the most lines under another text: its text, and the most frequent other one."""
    sql = f"""
        SELECT items.item, other.kept, other.text, other.times FROM (
            SELECT log.item_code AS item_code, texts.text AS kept, log.text AS text, count(*) AS times FROM {source}
            GROUP BY log.item_code, texts.text, log.text) AS other
        JOIN {log.items} AS items ON other.item_code = items.item_code ORDER BY other.times DESC, 1, 3 LIMIT 5"""
    rows = log.tables.rows(sql)
    return [{"item": item, "kept": kept, "other": other, "lines": int(times)} for item, kept, other, times in rows]
