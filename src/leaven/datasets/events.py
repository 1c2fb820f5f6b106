"""An event log in DuckDB, before it is converted to histories."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from leaven.datasets.row_displays import display_events
from leaven.display import Display, show_html, show_text

if TYPE_CHECKING:
    import duckdb

OPTIONAL_COLUMNS = ("kind", "value", "quantity", "price", "nanosecond", "part")
"""Event columns that are kept in `Histories.extra`."""


@dataclass(frozen=True)
class EncodedEvents:
    """The same events with integer ids in the order of the sorted ids, so that sorting compares no strings.

    event_table  table: line, user_code, item_code, time, and other columns; may hold further rows whose user or item
           is not listed
    user_table  table: user, user_code      items  table: item, item_code
    n_events  number of events
    """

    event_table: str
    user_table: str
    item_table: str
    n_events: int


@dataclass(frozen=True, eq=False)
class Events:
    """A DuckDB table with one row per event and the original ids.

    The table `table` has the columns
        line BIGINT     row number in the input, from 1: ties in time keep this order
        user VARCHAR, item VARCHAR     original ids as text ('007' is not '7'), NULL where missing
        time BIGINT     seconds since 1970 (UTC), NULL where missing; without a clock, the place of the event among
                        the events of its user, from 0
    and, where configured, kind VARCHAR, value, quantity, price DOUBLE, and further columns that cleaning
    rules read (order, description ...) under the names in `columns`. Two further columns exist only where a source
    has them: nanosecond INTEGER, the part of the time below a second, and part TINYINT, 0, 1, 2 for given training,
    validation and test events.

    facts: statistics of reading (rows, source files, detected formats, examples), JSON-serializable.
    item_table: name of an item table (first column: item VARCHAR), or None.
    item_source: config of the table of items (`leaven.CatalogSource`), or None.
    has_clock: whether `time` holds times; rules and splits that need times do not apply without.
    user_table: name of a table of users (first column: user VARCHAR, then `user_NAME` of each attribute), or None.
    has_sessions: whether users are sessions, which cleaning names user#1, user#2 …
    encoded: the same events with integer ids, where cleaning has computed them; sorting is then faster.
    """

    connection: duckdb.DuckDBPyConnection
    table: str = "events"
    columns: tuple[str, ...] = ("line", "user", "item", "time")
    item_table: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    encoded: EncodedEvents | None = None
    item_source: Any = None
    has_clock: bool = True
    user_table: str | None = None
    has_sessions: bool = False

    def to_display(self) -> Display:
        """What a shell and a notebook show."""
        return display_events(self)

    __repr__ = show_text
    _repr_html_ = show_html

    def count_events(self) -> int:
        """Number of events."""
        if self.encoded is not None:
            return self.encoded.n_events
        return int(self.connection.execute(f"SELECT count(*) FROM {self.table}").fetchall()[0][0])
