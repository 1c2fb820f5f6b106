"""Encodes ids as integers before the rules that compare many lines.

Texts are compared once. Codes follow the sorted ids: sorting codes sorts ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from leaven.cleaning.backends import SqlBackend, fetch_scalar
from leaven.sql import quote_identifier

Rules = list[dict[str, Any]]
"""The facts of each rule, as `build_rule_facts` builds them."""

EXAMPLES = 5
_FIXED = ("line", "user", "item", "time")

CODES_SQL = """
SELECT {column}, CAST(row_number() OVER (ORDER BY {column}) AS INTEGER) AS {code}
FROM (SELECT DISTINCT {column} FROM {source} WHERE {column} IS NOT NULL) AS known"""
CODED_SQL = """
SELECT log.line AS line, users.user_code AS user_code, items.item_code AS item_code, log.time AS time{others}
FROM {source} AS log LEFT JOIN {users} AS users ON log."user" = users."user"
LEFT JOIN {items} AS items ON log.item = items.item"""
_DECODED_SQL = """
SELECT log.line AS line, users."user" AS "user", items.item AS item, log.time AS time{others}
FROM ({lines}) AS log {join} JOIN {users} AS users ON log.user_code = users.user_code
{join} JOIN {items} AS items ON log.item_code = items.item_code"""


@dataclass(frozen=True)
class EncodedLog:
    """A log with integers for ids.

    lines   table: line, user_code, item_code (NULL where missing), time, and the `extra_columns`
    users   table: user, user_code        items  table: item, item_code
    extra_columns     further columns of an event, as `Events.columns` names them
    catalog           table of the items' attributes (item first) with `catalog_columns`, or None
    incomplete_items  table of the items (item) that were dropped from the catalog for missing attributes, or None
    has_clock         whether `time` holds times, not places in an order
    has_sessions      whether users are sessions, named user#1, user#2 …
    n_events          lines whose user and item are listed, as the last rule counts them
    """

    backend: SqlBackend
    lines: str
    users: str
    items: str
    extra_columns: tuple[str, ...]
    catalog: str | None = None
    catalog_columns: tuple[str, ...] = ()
    incomplete_items: str | None = None
    n_events: int = 0
    has_clock: bool = True
    has_sessions: bool = False

    @property
    def cells(self) -> list[str]:
        """All columns but the line number, quoted."""
        return ["user_code", "item_code", "time", *(quote_identifier(name) for name in self.extra_columns)]

    def count_lines(self) -> int:
        """Number of lines."""
        return fetch_scalar(self.backend, f"SELECT count(*) FROM {self.lines}")


def encode_log(backend: SqlBackend, source: str, columns: Sequence[str]) -> EncodedLog:
    """All lines of `source`, with integers for ids."""
    extra = tuple(name for name in columns if name not in _FIXED)
    found = EncodedLog(backend, "clean_lines", "clean_users", "clean_items", extra)
    if backend.encode_ids(source, extra):
        return found
    for column, name in (('"user"', "user"), ("item", "item")):
        backend.create_table(f"clean_{name}s", CODES_SQL.format(column=column, code=f"{name}_code", source=source))
    more = "".join(f", log.{quote_identifier(name)} AS {quote_identifier(name)}" for name in extra)
    names = {"users": "clean_users", "items": "clean_items"}
    backend.create_table("clean_lines", CODED_SQL.format(source=source, others=more, **names))
    return found


def select_decoded(log: EncodedLog, lines: str, join: str = "LEFT") -> str:
    """A SELECT of lines with the original ids; `lines` is an encoded SELECT. INNER drops lines of unlisted ids."""
    more = "".join(f", log.{quote_identifier(name)} AS {quote_identifier(name)}" for name in log.extra_columns)
    return _DECODED_SQL.format(lines=lines, others=more, users=log.users, items=log.items, join=join)


def fetch_examples(log: EncodedLog, lines: str) -> Rules:
    """The first lines of an encoded SELECT, decoded and formatted; missing cells are left out."""
    first = f"{lines} ORDER BY line LIMIT {EXAMPLES}"
    names = [*_FIXED, *log.extra_columns]
    found = log.backend.fetch_rows(f"SELECT * FROM ({select_decoded(log, first)}) AS shown ORDER BY line")
    return [
        {name: _format_cell(name, cell) for name, cell in zip(names, row, strict=True) if cell is not None}
        for row in found
    ]


def _format_cell(name: str, cell: Any) -> Any:
    """Times as ISO 8601, whole numbers without a point."""
    if name == "time":
        return format_time(cell)
    return int(cell) if isinstance(cell, float) and cell.is_integer() else cell


def format_time(seconds: int) -> str:
    """Seconds since 1970 as ISO 8601 in UTC; outside the calendar, the number itself.

    >>> format_time(0)
    '1970-01-01 00:00:00'
    """
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return str(seconds)


def build_rule_facts(name: str, touched: int, dropped: int, examples: Rules, note: str = "") -> dict[str, Any]:
    """The facts of one rule."""
    return {"rule": name, "touched": touched, "dropped": dropped, "examples": examples, "note": note}
