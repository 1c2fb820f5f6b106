"""Which lines say the same thing twice, or the same item differently?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from leaven.cleaning.backends import scalar
from leaven.cleaning.cleaning_config import Clean
from leaven.cleaning.id_encoding import Coded, examples, rule
from leaven.cleaning.item_stats import main_texts
from leaven.sql import quoted

Rules = list[dict[str, Any]]

AGAIN_SQL = """
SELECT line, earliest FROM (
    SELECT line, min(line) OVER (PARTITION BY {cells}) AS earliest FROM {lines}) AS seen
WHERE line > earliest"""


def repeated(log: Coded) -> int:
    """How many lines equal an earlier one in every column; table clean_again has them, and the first of each."""
    suspects = log.tables.suspects(log.lines, log.cells)
    log.tables.make("clean_again", AGAIN_SQL.format(cells=", ".join(log.cells), lines=suspects))
    return scalar(log.tables, "SELECT count(*) FROM clean_again")


def repeated_lines(log: Coded) -> list[dict[str, Any]]:
    """Examples of the lines that come again, by table clean_again."""
    first = "SEMI JOIN clean_again AS again ON log.line = again.earliest"
    return examples(log, f"SELECT log.* FROM {log.lines} AS log {first}")


def one_of_each(log: Coded, wish: Clean, whole: Coded) -> tuple[Coded, Rules]:
    """The log with the first of equal lines; `whole` is the log before any dropping, in which they are counted."""
    if not wish.duplicates:
        return log, []
    touched = repeated(whole)
    dropped = touched if whole.lines == log.lines else repeated(log)
    note = "lines that equal an earlier one in every column read; the first stays" if touched else ""
    found = rule("duplicates", touched, dropped, repeated_lines(log) if dropped else [], note)
    if not dropped:
        return log, [found]
    log.tables.keep("clean_once", log.lines, "clean_again")
    return replace(log, lines="clean_once"), [found]


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
