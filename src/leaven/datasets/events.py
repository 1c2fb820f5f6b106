"""What is a log of events before it becomes histories?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

OPTIONAL_COLUMNS = ("kind", "value", "quantity", "price")
"""Columns of an event that follow it into `Histories.extra`."""


@dataclass(frozen=True)
class Codes:
    """The same events with whole numbers for ids, which follow the sorted ids: sorting compares no texts.

    lines  table: line, user_code, item_code, time, and the other columns; it may hold further lines, whose
           user or item is not listed
    users  table: user, user_code, of the users there are      items  table: item, item_code
    count  number of events
    """

    lines: str
    users: str
    items: str
    count: int


@dataclass(frozen=True, eq=False)
class Events:
    """A table in DuckDB, one line an event, ids still as the user wrote them.

    The table `table` has the columns
        line BIGINT     place in the input, from 1: ties in time keep this order
        user VARCHAR, item VARCHAR     the original ids as text ('007' is not '7'), NULL where missing
        time BIGINT     seconds since 1970 (UTC), NULL where missing
    and, where the user named them, kind VARCHAR, value, quantity, price DOUBLE, and any further
    columns that cleaning rules read (order, description …) under the names in `columns`.

    facts: what reading saw (rows, source files, format guesses, examples), JSON-able.
    items: name of a table of the items (item VARCHAR first), or None.
    codes: the same events coded, where cleaning has done that; ordering is then faster.
    """

    connection: duckdb.DuckDBPyConnection
    table: str = "events"
    columns: tuple[str, ...] = ("line", "user", "item", "time")
    items: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    codes: Codes | None = None

    def count(self) -> int:
        """Number of events."""
        if self.codes is not None:
            return self.codes.count
        return int(self.connection.execute(f"SELECT count(*) FROM {self.table}").fetchall()[0][0])
