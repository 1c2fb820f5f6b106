"""What had each user, item, pair and category done by each of its moments? Running totals, in DuckDB.

Events after `until` are left out before anything is counted: nothing here can know them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from leaven.datasets.events import Events
from leaven.errors import DataError

if TYPE_CHECKING:
    import duckdb

_CATEGORY_BITS = 1 << 20
_MONEY = "DECIMAL(38, 8)"
_TOTALS = {
    "events": "CAST(sum(events) OVER so_far AS BIGINT)",
    "moments": "row_number() OVER so_far",
    "first": "first_value(time) OVER so_far",
    "spent": "CAST(sum(spent) OVER so_far AS DOUBLE)",
    "prices": "CAST(sum(prices) OVER so_far AS DOUBLE)",
    "priced": "CAST(sum(priced) OVER so_far AS BIGINT)",
    "price": "CAST(prices AS DOUBLE) / nullif(priced, 0)",  # the mean of this moment alone
}
_TOLD = {
    "user": ("events", "moments", "first", "spent", "prices", "priced"),
    "item": ("events", "first", "price"),
    "pair": ("events", "first"),
    "taste": ("events",),
}
RUNNING = {
    "user": "user_code",
    "item": "item_code",
    "pair": "user_code, item_code",
    "taste": "user_code, category_code",
}
"""running table -> whose totals it holds"""


@dataclass(frozen=True)
class Staged:
    """Tables of one period: click_events, click_users, click_items and the running ones.

    has_category, has_price, attributes: what is known of the items. until: the last second that counts.
    """

    connection: duckdb.DuckDBPyConnection
    has_category: bool
    has_price: bool
    attributes: tuple[str, ...]
    until: int


def stage(events: Events, until: int | None) -> Staged:
    """The tables from which rows and features are made.

    Raises DataError where no event is left.
    """
    database = events.connection
    known = _item_columns(events)
    last = _scalar(database, f"SELECT max(time) FROM {events.table}")
    stop = int(last if until is None else min(until, last)) if last is not None else 0
    whole = f"{events.table} WHERE time <= {stop} AND user IS NOT NULL AND item IS NOT NULL AND time IS NOT NULL"
    _numbered(database, "click_users", f"SELECT DISTINCT user AS id FROM {whole}")
    _items(database, events, whole, known)
    _events(database, events, whole, "price" in known)
    if not _scalar(database, "SELECT count(*) FROM click_events"):
        raise DataError("sampling", f"events up to second {stop}", "none", "check `until`, and the log's times")
    has_price = bool(_scalar(database, "SELECT count(price) FROM click_events"))
    for name, owner in RUNNING.items():
        _running(database, name, owner)
    _favourites(database)
    attributes = tuple(name for name in ("category", "brand") if name in known)
    return Staged(database, "category" in known, has_price, attributes, stop)


def _item_columns(events: Events) -> tuple[str, ...]:
    if events.items is None:
        return ()
    return tuple(str(row[0]) for row in events.connection.execute(f"DESCRIBE {events.items}").fetchall())


def _numbered(database: duckdb.DuckDBPyConnection, table: str, ids: str) -> None:
    """Codes from 1 that follow the sorted ids."""
    sql = f"SELECT id, CAST(row_number() OVER (ORDER BY id) AS INTEGER) AS code FROM ({ids})"
    database.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS {sql} ORDER BY code")


def _items(database: duckdb.DuckDBPyConnection, events: Events, whole: str, known: tuple[str, ...]) -> None:
    """click_items: id, code, category and its code, brand, price and birth as the catalogue says."""
    _numbered(database, "click_item_ids", f"SELECT DISTINCT item AS id FROM {whole}")
    cells = {name: f"nullif(CAST(known.{name} AS VARCHAR), '')" for name in ("category", "brand")}
    cells |= {"price": "known.price", "born": "known.born"}
    kinds = {"category": "VARCHAR", "brand": "VARCHAR", "price": "DOUBLE", "born": "BIGINT"}
    chosen = ", ".join(
        f"CAST({sql if name in known else 'NULL'} AS {kinds[name]}) AS {name}" for name, sql in cells.items()
    )
    join = f"LEFT JOIN {events.items} AS known ON known.item = ids.id" if events.items else ""
    named = f"SELECT ids.id, ids.code, {chosen} FROM click_item_ids AS ids {join}"
    code = "CAST(dense_rank() OVER (ORDER BY coalesce(CAST(category AS VARCHAR), '')) AS INTEGER) AS category_code"
    database.execute(f"CREATE OR REPLACE TEMP TABLE click_items AS SELECT *, {code} FROM ({named}) ORDER BY code")


def _events(database: duckdb.DuckDBPyConnection, events: Events, whole: str, catalog_price: bool) -> None:
    """click_events: codes of user, item and category, time, kind, price, spent; the price paid, else the listed one."""
    paid = "log.price" if "price" in events.columns else "NULL"
    price = f"CAST(coalesce({paid}, {'items.price' if catalog_price else 'NULL'}) AS DOUBLE)"
    quantity = "coalesce(log.quantity, 1)" if "quantity" in events.columns else "1"
    kind = "log.kind" if "kind" in events.columns else "NULL"
    database.execute(f"""
        CREATE OR REPLACE TEMP TABLE click_events AS
        SELECT users.code AS user_code, items.code AS item_code, items.category_code, log.time,
               CAST({kind} AS VARCHAR) AS kind, {price} AS price, {price} * {quantity} AS spent
        FROM (SELECT * FROM {whole}) AS log
        JOIN click_users AS users ON users.id = log.user JOIN click_items AS items ON items.id = log.item""")


def _running(database: duckdb.DuckDBPyConnection, name: str, owner: str) -> None:
    """click_NAME: totals of an owner up to and including each of its moments, those that `features` reads.

    Of money they are exact, as sums of DOUBLE would hang on the order in which threads add. Nothing is counted that
    needs all lines of a moment at once: a log that does not fit into memory spills.
    """
    told, counted = _TOLD[name], "count(*) AS events"
    if {"spent", "prices", "price"} & set(told):
        counted += f""", count(price) AS priced, sum(CAST(coalesce(price, 0) AS {_MONEY})) AS prices,
            sum(CAST(coalesce(spent, 0) AS {_MONEY})) AS spent"""
    cells = ", ".join(f"{_TOTALS[one]} AS {one}" for one in told)
    database.execute(f"""
        CREATE OR REPLACE TEMP TABLE click_{name} AS SELECT {owner}, time, {cells}
        FROM (SELECT {owner}, time, {counted} FROM click_events GROUP BY {owner}, time)
        WINDOW so_far AS (PARTITION BY {owner} ORDER BY time ROWS UNBOUNDED PRECEDING)""")


def _favourites(database: duckdb.DuckDBPyConnection) -> None:
    """click_favourite: the category that a user has taken most by each moment; of equals the first by name.

    Counts never fall, so the largest (count, category) seen so far is the present favourite.
    """
    rank = f"events * {_CATEGORY_BITS} + ({_CATEGORY_BITS - 1} - category_code)"
    best = f"max(max({rank})) OVER (PARTITION BY user_code ORDER BY time ROWS UNBOUNDED PRECEDING)"
    database.execute(f"""
        CREATE OR REPLACE TEMP TABLE click_favourite AS
        SELECT user_code, time, CAST({_CATEGORY_BITS - 1} - ({best}) % {_CATEGORY_BITS} AS INTEGER) AS category_code
        FROM click_taste GROUP BY user_code, time""")


def _scalar(database: duckdb.DuckDBPyConnection, sql: str) -> Any:
    return database.execute(sql).fetchall()[0][0]
