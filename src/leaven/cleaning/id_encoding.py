"""How do ids become whole numbers before the rules that compare many lines?

Texts are compared once. Codes follow the sorted ids, so that sorting codes sorts ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from leaven.cleaning.backends import Tables, scalar
from leaven.sql import quoted

EXAMPLES = 5
FIXED = ("line", "user", "item", "time")

CODES_SQL = """
SELECT {column}, CAST(row_number() OVER (ORDER BY {column}) AS INTEGER) AS {code}
FROM (SELECT DISTINCT {column} FROM {source} WHERE {column} IS NOT NULL) AS known"""
CODED_SQL = """
SELECT log.line AS line, users.user_code AS user_code, items.item_code AS item_code, log.time AS time{others}
FROM {source} AS log LEFT JOIN {users} AS users ON log."user" = users."user"
LEFT JOIN {items} AS items ON log.item = items.item"""
READABLE_SQL = """
SELECT log.line AS line, users."user" AS "user", items.item AS item, log.time AS time{others}
FROM ({lines}) AS log {join} JOIN {users} AS users ON log.user_code = users.user_code
{join} JOIN {items} AS items ON log.item_code = items.item_code"""


@dataclass(frozen=True)
class Coded:
    """A log with whole numbers for ids.

    lines   table: line, user_code, item_code (NULL where missing), time, and the columns of `others`
    users   table: user, user_code        items  table: item, item_code
    others  further columns of an event, as `Events.columns` names them
    catalog table of the items' attributes (item first) with `catalog_columns`, or None
    incomplete  table of the items (item) that left the catalogue because they lack something, or None
    total   lines whose user and item are listed, once the last rule has counted them
    """

    tables: Tables
    lines: str
    users: str
    items: str
    others: tuple[str, ...]
    catalog: str | None = None
    catalog_columns: tuple[str, ...] = ()
    incomplete: str | None = None
    total: int = 0

    @property
    def cells(self) -> list[str]:
        """Every column but the line's number, as SQL writes them."""
        return ["user_code", "item_code", "time", *(quoted(name) for name in self.others)]

    def count(self) -> int:
        """Number of lines."""
        return scalar(self.tables, f"SELECT count(*) FROM {self.lines}")


def code(tables: Tables, source: str, columns: Sequence[str]) -> Coded:
    """Every line of `source`, coded."""
    others = tuple(name for name in columns if name not in FIXED)
    found = Coded(tables, "clean_lines", "clean_users", "clean_items", others)
    if tables.code(source, others):
        return found
    for column, name in (('"user"', "user"), ("item", "item")):
        tables.make(f"clean_{name}s", CODES_SQL.format(column=column, code=f"{name}_code", source=source))
    more = "".join(f", log.{quoted(name)} AS {quoted(name)}" for name in others)
    names = {"users": "clean_users", "items": "clean_items"}
    tables.make("clean_lines", CODED_SQL.format(source=source, others=more, **names))
    return found


def readable(log: Coded, lines: str, join: str = "LEFT") -> str:
    """A SELECT of lines with the original ids; `lines` is a SELECT of coded ones. INNER drops lines of unlisted ids."""
    more = "".join(f", log.{quoted(name)} AS {quoted(name)}" for name in log.others)
    return READABLE_SQL.format(lines=lines, others=more, users=log.users, items=log.items, join=join)


def examples(log: Coded, lines: str) -> list[dict[str, Any]]:
    """The first lines of a SELECT of coded lines, as a person reads them: what is missing is left out."""
    first = f"{lines} ORDER BY line LIMIT {EXAMPLES}"
    names = [*FIXED, *log.others]
    found = log.tables.rows(f"SELECT * FROM ({readable(log, first)}) AS shown ORDER BY line")
    return [
        {name: shown(name, cell) for name, cell in zip(names, row, strict=True) if cell is not None} for row in found
    ]


def shown(name: str, cell: Any) -> Any:
    """A cell as a person reads it: times as ISO 8601, whole numbers without a point.

    >>> shown("time", 1318896000), shown("quantity", 6.0)
    ('2011-10-18 00:00:00', 6)
    """
    if name == "time":
        return iso(cell)
    return int(cell) if isinstance(cell, float) and cell.is_integer() else cell


def iso(seconds: int) -> str:
    """Seconds since 1970 as ISO 8601 in UTC; the number itself beyond the calendar.

    >>> iso(0)
    '1970-01-01 00:00:00'
    """
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return str(seconds)


def rule(name: str, touched: int, dropped: int, shown: list[dict[str, Any]], note: str = "") -> dict[str, Any]:
    """What one rule did, for the facts."""
    return {"rule": name, "touched": touched, "dropped": dropped, "examples": shown, "note": note}
