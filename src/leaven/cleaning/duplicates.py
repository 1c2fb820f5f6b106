"""Removes duplicated lines and gives each item one text."""

from __future__ import annotations

from dataclasses import replace

from leaven.cleaning.backends import fetch_scalar
from leaven.cleaning.cleaning_config import CleaningConfig
from leaven.cleaning.id_encoding import EncodedLog, Rules, build_rule_facts, fetch_examples
from leaven.cleaning.item_stats import create_main_texts
from leaven.sql import quote_identifier

_AGAIN_SQL = """
SELECT line, earliest FROM (
    SELECT line, min(line) OVER (PARTITION BY {cells}) AS earliest FROM {lines}) AS seen
WHERE line > earliest"""


def count_duplicates(log: EncodedLog) -> int:
    """The number of lines that equal an earlier one in every column; creates table clean_again of them."""
    candidates = log.backend.find_duplicate_candidates(log.lines, log.cells)
    log.backend.create_table("clean_again", _AGAIN_SQL.format(cells=", ".join(log.cells), lines=candidates))
    return fetch_scalar(log.backend, "SELECT count(*) FROM clean_again")


def fetch_duplicate_examples(log: EncodedLog) -> Rules:
    """Examples of duplicated lines, from table clean_again."""
    first = "SEMI JOIN clean_again AS again ON log.line = again.earliest"
    return fetch_examples(log, f"SELECT log.* FROM {log.lines} AS log {first}")


def drop_duplicates(log: EncodedLog, config: CleaningConfig, whole: EncodedLog) -> tuple[EncodedLog, Rules]:
    """The log with the first of equal lines; duplicates are counted in `whole`, the log before any dropping."""
    if not config.duplicates:
        return log, []
    touched = count_duplicates(whole)
    dropped = touched if whole.lines == log.lines else count_duplicates(log)
    note = "lines that equal an earlier one in every column read; the first is kept" if touched else ""
    facts = build_rule_facts("duplicates", touched, dropped, fetch_duplicate_examples(log) if dropped else [], note)
    if not dropped:
        return log, [facts]
    log.backend.remove_lines("clean_once", log.lines, "clean_again")
    return replace(log, lines="clean_once"), [facts]


def unify_texts(log: EncodedLog, config: CleaningConfig) -> tuple[EncodedLog, Rules]:
    """The log with one text per item: the most frequent one."""
    if not config.inconsistent_texts:
        return log, []
    if "text" not in log.extra_columns:
        return log, [build_rule_facts("inconsistent_texts", 0, 0, [], "skipped: the log has no column for 'text'")]
    texts = create_main_texts(log, "clean_texts")
    source = f"{log.lines} AS log JOIN {texts} AS texts ON log.item_code = texts.item_code WHERE log.text <> texts.text"
    touched, items = log.backend.fetch_rows(f"SELECT count(*), count(DISTINCT log.item_code) FROM {source}")[0]
    note = f"{items:,} items had several texts; each gets its most frequent one" if touched else ""
    facts = build_rule_facts(
        "inconsistent_texts", int(touched), 0, _fetch_text_examples(log, source) if touched else [], note
    )
    cells = [name for name in log.cells if name != quote_identifier("text")]
    cells = [*(f"log.{name} AS {name}" for name in ["line", *cells]), "coalesce(texts.text, log.text) AS text"]
    joined = f"{log.lines} AS log LEFT JOIN {texts} AS texts ON log.item_code = texts.item_code"
    log.backend.create_table("clean_named", f"SELECT {', '.join(cells)} FROM {joined}")
    return replace(log, lines="clean_named"), [facts]


def _fetch_text_examples(log: EncodedLog, source: str) -> Rules:
    """The items with the most lines of another text: the kept text, and the most frequent other one."""
    sql = f"""
        SELECT items.item, other.kept, other.text, other.times FROM (
            SELECT log.item_code AS item_code, texts.text AS kept, log.text AS text, count(*) AS times FROM {source}
            GROUP BY log.item_code, texts.text, log.text) AS other
        JOIN {log.items} AS items ON other.item_code = items.item_code ORDER BY other.times DESC, 1, 3 LIMIT 5"""
    rows = log.backend.fetch_rows(sql)
    return [{"item": item, "kept": kept, "other": other, "lines": int(times)} for item, kept, other, times in rows]
