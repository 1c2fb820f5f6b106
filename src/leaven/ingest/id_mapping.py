"""Maps ids to dense ids and events to one history per user.

Dense ids follow the sorted original ids, as do the rows of users: neither depends on the order of the file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from leaven.datasets.events import OPTIONAL_COLUMNS, Events
from leaven.datasets.histories import Histories
from leaven.datasets.log_names import LogNames
from leaven.errors import DataError
from leaven.ingest.attribute_tables import fetch_attributes
from leaven.ingest.event_sorting import Columns, Ints, sort_events
from leaven.sql import quote_literal

if TYPE_CHECKING:
    import duckdb

ITEMS_SQL = "SELECT item, row_number() OVER (ORDER BY item) AS dense FROM (SELECT DISTINCT item FROM {events})"
USERS_SQL = "SELECT user, row_number() OVER (ORDER BY user) - 1 AS user_index FROM (SELECT DISTINCT user FROM {events})"
CODED_ITEMS_SQL = "SELECT item, item_code, row_number() OVER (ORDER BY item_code) AS dense FROM {items}"
CODED_USERS_SQL = 'SELECT "user", user_code, row_number() OVER (ORDER BY user_code) - 1 AS user_index FROM {users}'
PLACED_SQL = """
SELECT CAST(users.user_index AS INTEGER) AS user_index, CAST(items.dense AS INTEGER) AS dense, events.time AS time,
    events.line AS line{more}
FROM {events} AS events
JOIN {users} AS users ON events.{user} = users.{user}
JOIN {items} AS items ON events.{item} = items.{item}
"""
CODED_SQL = """
SELECT coalesce(events.user_code, 0) AS user_index, coalesce(events.item_code, 0) AS dense, events.time AS time,
    events.line AS line{more}
FROM {lines} AS events"""
_BATCH = 1 << 18
_WHOLE_TYPES = {"kind": "SMALLINT", "nanosecond": "INTEGER", "part": "TINYINT"}
"""Further columns of whole numbers; the others are DOUBLE, with NaN where they are missing."""


@dataclass(frozen=True, eq=False)
class IndexedHistories:
    """histories: one row per user, in the order of the sorted user ids.

    item_ids   original ids, sorted: dense id i is `item_ids[i - 1]`
    user_ids   original ids, sorted: row i of `histories` is `user_ids[i]`, with row id `keys[i]`
    kinds      names of the codes in `histories.extra["kind"]`, from code 0
    facts      users, items, events, times, ties; JSON-able
    """

    histories: Histories
    item_ids: Sequence[str]
    user_ids: Sequence[str]
    row_ids: npt.NDArray[np.uint64]
    kinds: Sequence[str] = ()
    facts: dict[str, Any] = field(default_factory=dict)


def build_histories(events: Events) -> IndexedHistories:
    """One history per user, in time order; ties in time keep the order of the file.

    >>> import pyarrow as pa
    >>> from leaven.ingest import read_events
    >>> log = pa.table({"user": ["b", "a", "b"], "item": ["y", "y", "x"], "time": [1318896005, 1318896003, 1318896001]})
    >>> done = build_histories(read_events(log))
    >>> done.item_ids, done.user_ids, done.histories.items.tolist()
    (['x', 'y'], ['a', 'b'], [2, 1, 2])

    Raises DataError where a user, item or time is missing, or without events.
    """
    database, table = events.connection, events.table
    count = _count_events(events)
    users, items = USERS_SQL.format(events=table), ITEMS_SQL.format(events=table)
    if events.encoded is not None:
        users = CODED_USERS_SQL.format(users=events.encoded.user_table)
        items = CODED_ITEMS_SQL.format(items=events.encoded.item_table)
    listed_items = _create_id_table(database, "leaven_items", items, "item", "dense")
    listed_users = _create_id_table(database, "leaven_users", users, "user", "user_index")
    kinds = _list_kinds(events)
    starts, columns = _fetch_columns(events, len(listed_users), kinds)
    if starts[-1] < count:  # the join drops lines without user or item
        _refuse_missing(events)
    database.execute("DROP TABLE leaven_items")
    database.execute("DROP TABLE leaven_users")
    keys, item_ids, user_ids = _hash_users(listed_users), listed_items.to_pylist(), listed_users.to_pylist()
    histories = Histories.from_arrays(columns.pop("dense"), columns.pop("time"), starts, keys, len(item_ids))
    histories = replace(histories, extra=columns, names=_collect_names(events, listed_users, keys, kinds))
    return IndexedHistories(histories, item_ids, user_ids, keys, kinds, _compute_facts(histories))


def _count_events(events: Events) -> int:
    """Returns the number of events. Raises DataError without events, or where a time is missing."""
    if events.encoded is not None:
        return events.encoded.n_events
    count, timed = events.connection.execute(f"SELECT count(*), count(time) FROM {events.table}").fetchall()[0]
    if not count:
        raise DataError("the log", "at least one event", "none", "loosen the cleaning rules")
    if timed < count:
        _refuse_missing(events)
    return int(count)


def _refuse_missing(events: Events) -> None:
    cells = ", ".join(f"count({word})" for word in ("user", "item", "time"))
    row = events.connection.execute(f"SELECT count(*), {cells} FROM {events.table}").fetchall()[0]
    for word, known in zip(("user", "item", "time"), row[1:], strict=True):
        if known < row[0]:
            fix = "clean the log first: the rule for missing ids drops and counts them"
            raise DataError(f"column {word!r}", "a value in each line", f"{row[0] - known:,} lines without", fix)


def _create_id_table(database: duckdb.DuckDBPyConnection, table: str, sql: str, column: str, rank: str) -> Any:
    """Creates the table; returns its ids as an Arrow array of texts, in order."""
    database.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS {sql}")
    found = database.sql(f"SELECT {column} FROM {table} ORDER BY {rank}").to_arrow_table()
    return found.column(0).combine_chunks()


def _hash_users(users: Any) -> npt.NDArray[np.uint64]:
    """`rng.derive_user_ids` of an Arrow array of texts."""
    from leaven.arrays.blake2b import hash_strings
    from leaven.arrays.codes import read_string_buffers

    starts, letters = read_string_buffers(users)
    return hash_strings(starts.astype(np.int64), letters)


def _collect_names(events: Events, users: Any, row_ids: npt.NDArray[np.uint64], kinds: Sequence[str]) -> LogNames:
    """The names that the histories keep, for output."""
    has_clock = events.facts.get("has_clock")
    unit = re.match(r"Unix time in (\w+)", str(events.facts.get("time", "")))
    columns = dict(events.facts.get("columns", {}))
    attributes = fetch_attributes(events, users)
    return LogNames(row_ids, users, kinds, columns, unit[1] if unit else "", has_clock, attributes=attributes)


def _list_kinds(events: Events) -> list[str]:
    if "kind" not in events.columns:
        return []
    table = events.encoded.event_table if events.encoded else events.table
    sql = f"SELECT DISTINCT coalesce(kind, '') FROM {table} ORDER BY 1"
    names = [str(row[0]) for row in events.connection.execute(sql).fetchall()]
    if len(names) > np.iinfo(np.int16).max:
        raise DataError("column 'kind'", "at most 32,767 kinds", f"{len(names):,}", "name the column that holds kinds")
    return names


def _fetch_columns(events: Events, users: int, kinds: list[str]) -> tuple[Ints, dict[str, npt.NDArray[Any]]]:
    """The starts and the sorted columns of the users' events."""
    carried = [word for word in OPTIONAL_COLUMNS if word in events.columns]
    more = "".join(
        f", coalesce(events.{word}, CAST('NaN' AS DOUBLE)) AS {word}" for word in carried if word not in _WHOLE_TYPES
    )
    for word, kind in _WHOLE_TYPES.items():
        if word in carried and word != "kind":
            more += f", CAST(coalesce(events.{word}, 0) AS {kind}) AS {word}"
    if "kind" in carried:
        # Kinds are few: a CASE is faster than a join, and reads the same in Spark.
        whens = " ".join(f"WHEN {quote_literal(name)} THEN {code}" for code, name in enumerate(kinds))
        more += f", CAST(CASE coalesce(events.kind, '') {whens} END AS SMALLINT) AS kind"
    if events.encoded is None:
        names = {"users": "leaven_users", "items": "leaven_items"}
        sql = PLACED_SQL.format(events=events.table, user="user", item="item", more=more, **names)
        return _sort_streamed(events, sql, users, dict)
    user_indices = _map_codes(events, "SELECT user_code, user_index FROM leaven_users")
    dense_ids = _map_codes(events, "SELECT item_code, dense FROM leaven_items")

    def map_codes(batch: Columns) -> Columns:
        """The batch with indices for codes, without the lines whose user or item is not listed."""
        found = dict(batch)
        for name, mapping in (("user", user_indices), ("dense", dense_ids)):
            found[name] = mapping[np.minimum(batch[name], len(mapping) - 1)]
        listed = (found["user"] >= 0) & (found["dense"] >= 0)
        return found if listed.all() else {name: column[listed] for name, column in found.items()}

    return _sort_streamed(events, CODED_SQL.format(lines=events.encoded.event_table, more=more), users, map_codes)


class _OutOfOrder(Exception):
    """Lines arrive in another order than in the file."""


def _sort_streamed(
    events: Events, sql: str, users: int, prepare: Callable[[Columns], Columns]
) -> tuple[Ints, dict[str, npt.NDArray[Any]]]:
    """As `sort_events`; the database sorts by line first where it does not keep the lines in order anyway."""
    threads = int(events.connection.execute("SELECT current_setting('threads')").fetchall()[0][0])
    with suppress(_OutOfOrder):
        return sort_events(_stream_batches(events, sql), users, threads, prepare)
    return sort_events(_stream_batches(events, f"{sql} ORDER BY line"), users, threads, prepare)


def _stream_batches(events: Events, sql: str) -> Iterator[Columns]:
    """Batches without line numbers. Raises _OutOfOrder where these do not ascend."""
    reader: Any = events.connection.sql(sql).to_arrow_reader(_BATCH)
    last = -1
    for batch in reader:
        columns = {word: np.from_dlpack(batch.column(word)) for word in batch.schema.names}
        line, columns["user"] = columns.pop("line"), columns.pop("user_index")
        if len(line):
            if line[0] <= last or (line[1:] <= line[:-1]).any():
                raise _OutOfOrder
            last = int(line[-1])
        yield columns


def _map_codes(events: Events, sql: str) -> npt.NDArray[np.int32]:
    """int32 (codes + 2,): the index of each code, from 1; -1 for none, and for codes beyond the listed ones."""
    code, index = events.connection.sql(sql).fetchnumpy().values()
    found = np.full(int(code.max(initial=0)) + 2, -1, np.int32)
    found[code] = index
    return found


def _compute_facts(histories: Histories) -> dict[str, Any]:
    inside = np.ones(max(histories.n_events - 1, 0), bool)
    inside[histories.starts[1:-1] - 1] = False
    tied = inside & (histories.times[1:] == histories.times[:-1])
    last = histories.starts[1:][histories.lengths > 1] - 2
    return {
        "users": len(histories),
        "items": histories.n_items,
        "events": histories.n_events,
        "first_time": int(histories.times.min()),
        "last_time": int(histories.times.max()),
        "tied_events": int(tied.sum()),
        "users_whose_last_two_tie": int(tied[last].sum()),
        "longest_history": int(histories.lengths.max()),
        "median_history": float(np.median(histories.lengths)),
    }
