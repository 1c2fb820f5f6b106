"""Running totals of users, items, user-item pairs and user-category pairs at each of their times, in DuckDB.

Events after `until` are removed before anything is counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from leaven.ctr_features.label_expression import LabelExpression
from leaven.datasets.events import Events
from leaven.errors import DataError, suggest_name
from leaven.ingest.attribute_tables import ATTRIBUTE, select_attributes
from leaven.ingest.source_config import NUMBER_COLUMNS
from leaven.sql import quote_identifier

if TYPE_CHECKING:
    import duckdb

REQUIRED_ROLES = ("line", "user", "item", "time", "nanosecond", "part")
"""Columns of events that cannot be labels."""
_CATEGORY_BITS = 1 << 20
_MONEY = "DECIMAL(38, 8)"
_TOTALS = {
    "events": "CAST(sum(events) OVER so_far AS BIGINT)",
    "moments": "row_number() OVER so_far",
    "first": "first_value(time) OVER so_far",
    "spent": "CAST(sum(spent) OVER so_far AS DOUBLE)",
    "prices": "CAST(sum(prices) OVER so_far AS DOUBLE)",
    "priced": "CAST(sum(priced) OVER so_far AS BIGINT)",
    "price": "CAST(prices AS DOUBLE) / nullif(priced, 0)",  # the mean of this second
}
_TOTALS_OF = {
    "user": ("events", "moments", "first", "spent", "prices", "priced"),
    "item": ("events", "first", "price"),
    "pair": ("events", "first"),
    "taste": ("events",),
}
TOTALS_OWNERS = {
    "user": "user_code",
    "item": "item_code",
    "pair": "user_code, item_code",
    "taste": "user_code, category_code",
}
"""table of running totals -> its owner columns"""


@dataclass(frozen=True)
class FeatureTables:
    """The tables of one period: click_events, click_users, click_items and those of running totals.

    has_category, has_price, attributes: of the items. user_attributes: columns of click_users -> whether they hold
    numbers. until: the last second that is read.
    """

    connection: duckdb.DuckDBPyConnection
    has_category: bool
    has_price: bool
    attributes: tuple[str, ...]
    until: int
    user_attributes: Mapping[str, bool] = field(default_factory=dict)


def create_tables(events: Events, until: int | None, label: str = "") -> FeatureTables:
    """Creates the tables from which rows and features are read. label: a condition of positives; "": all events.

    Raises DataError without events, and for a label whose column or kind the log does not have.
    """
    database = events.connection
    known = _item_columns(events)
    last = _scalar(database, f"SELECT max(time) FROM {events.table}")
    stop = int(last if until is None else min(until, last)) if last is not None else 0
    whole = f"{events.table} WHERE time <= {stop} AND user IS NOT NULL AND item IS NOT NULL AND time IS NOT NULL"
    user_attributes = _create_users(database, events, whole)
    _create_items(database, events, whole, known)
    condition = build_label_condition(events, label) if label else "true"
    _create_events(database, events, whole, "price" in known, condition)
    if not _scalar(database, "SELECT count(*) FROM click_events"):
        raise DataError("sampling", f"events up to second {stop}", "none", "check `until`, and the log's times")
    has_price = bool(_scalar(database, "SELECT count(price) FROM click_events"))
    for name, owner in TOTALS_OWNERS.items():
        _create_totals(database, name, owner)
    _create_favorites(database)
    attributes = tuple(name for name in ("category", "brand") if name in known)
    return FeatureTables(database, "category" in known, has_price, attributes, stop, user_attributes)


def _item_columns(events: Events) -> tuple[str, ...]:
    if events.item_table is None:
        return ()
    return tuple(str(row[0]) for row in events.connection.execute(f"DESCRIBE {events.item_table}").fetchall())


def _create_id_table(database: duckdb.DuckDBPyConnection, table: str, ids: str) -> None:
    """Creates a table of ids and their codes, from 1 in sorted order."""
    sql = f"SELECT id, CAST(row_number() OVER (ORDER BY id) AS INTEGER) AS code FROM ({ids})"
    database.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS {sql} ORDER BY code")


def _create_users(database: duckdb.DuckDBPyConnection, events: Events, whole: str) -> dict[str, bool]:
    """Creates click_users: id, code and the attributes of a table of users; their names -> whether they are numbers."""
    _create_id_table(database, "click_users", f"SELECT DISTINCT user AS id FROM {whole}")
    if events.user_table is None:
        return {}
    select = f"{select_attributes(events, 'click_user_ids')} ORDER BY code"
    database.execute("CREATE OR REPLACE TEMP TABLE click_user_ids AS FROM click_users")
    database.execute(f"CREATE OR REPLACE TEMP TABLE click_users AS {select}")
    described = database.execute("DESCRIBE click_users").fetchall()
    return {str(row[0]): str(row[1]) == "DOUBLE" for row in described if str(row[0]).startswith(ATTRIBUTE)}


def _create_items(database: duckdb.DuckDBPyConnection, events: Events, whole: str, known: tuple[str, ...]) -> None:
    """Creates click_items: id, code, category and its code, brand, price and release time of the catalog."""
    _create_id_table(database, "click_item_ids", f"SELECT DISTINCT item AS id FROM {whole}")
    cells = {name: f"nullif(CAST(known.{name} AS VARCHAR), '')" for name in ("category", "brand")}
    cells |= {"price": "known.price", "born": "known.born"}
    kinds = {"category": "VARCHAR", "brand": "VARCHAR", "price": "DOUBLE", "born": "BIGINT"}
    chosen = ", ".join(
        f"CAST({sql if name in known else 'NULL'} AS {kinds[name]}) AS {name}" for name, sql in cells.items()
    )
    join = f"LEFT JOIN {events.item_table} AS known ON known.item = ids.id" if events.item_table else ""
    named = f"SELECT ids.id, ids.code, {chosen} FROM click_item_ids AS ids {join}"
    code = "CAST(dense_rank() OVER (ORDER BY coalesce(CAST(category AS VARCHAR), '')) AS INTEGER) AS category_code"
    database.execute(f"CREATE OR REPLACE TEMP TABLE click_items AS SELECT *, {code} FROM ({named}) ORDER BY code")


def build_label_condition(events: Events, label: str) -> str:
    """SQL of a label for the events `log`, NULL for events without a value.

    Raises DataError for a column that the log does not have, and for a text that none of its cells holds.
    """
    expression = LabelExpression.parse(label)
    sources = {column: role for role, column in events.facts.get("columns", {}).items()}
    known = {name: name for name in events.columns if name not in REQUIRED_ROLES}
    roles = {**{column: role for column, role in sources.items() if role in known}, **known}
    role = roles.get(expression.column) or ("value" if expression.column == "rating" and "value" in known else "")
    where = f"label {label!r}"
    if not role:
        fix = f"name it in [data.columns]; {suggest_name(expression.column, [*roles])}"
        raise DataError(where, "a column of the log", repr(expression.column), fix)
    is_text = role not in NUMBER_COLUMNS
    if expression.compares_text and not is_text:
        raise DataError(where, f"a number, as {expression.column!r} holds", repr(expression.value), "give a number")
    if is_text:
        sql = f"SELECT DISTINCT CAST({quote_identifier(role)} AS VARCHAR) FROM {events.table}"
        held = sorted(str(row[0]) for row in events.connection.execute(f"{sql} LIMIT 1000").fetchall() if row[0])
        if expression.compares_text and expression.value not in held:
            raise DataError(
                where,
                f"a value of {expression.column!r}",
                repr(expression.value),
                suggest_name(expression.value, held[:30]),
            )
    return expression.build_condition(f"log.{quote_identifier(role)}", is_text)


def _create_events(
    database: duckdb.DuckDBPyConnection, events: Events, whole: str, catalog_price: bool, condition: str
) -> None:
    """Creates click_events: codes of user, item and category, time, kind, price (paid, else of the catalog), spent, and
    whether the event is a positive.
    """
    paid = "log.price" if "price" in events.columns else "NULL"
    price = f"CAST(coalesce({paid}, {'items.price' if catalog_price else 'NULL'}) AS DOUBLE)"
    quantity = "coalesce(log.quantity, 1)" if "quantity" in events.columns else "1"
    kind = "log.kind" if "kind" in events.columns else "NULL"
    database.execute(f"""
        CREATE OR REPLACE TEMP TABLE click_events AS
        SELECT users.code AS user_code, items.code AS item_code, items.category_code, log.time,
               CAST({kind} AS VARCHAR) AS kind, {price} AS price, {price} * {quantity} AS spent,
               {condition} AS is_positive
        FROM (SELECT * FROM {whole}) AS log
        JOIN click_users AS users ON users.id = log.user JOIN click_items AS items ON items.id = log.item""")


def _create_totals(database: duckdb.DuckDBPyConnection, name: str, owner: str) -> None:
    """Creates click_NAME: totals of an owner up to and including each of its times, as `features` needs them.

    Sums of money are decimals, since sums of DOUBLE depend on the order in which threads add. No aggregate needs all
    lines of a second together: a log that does not fit into memory spills.
    """
    totals, counted = _TOTALS_OF[name], "count(*) AS events"
    if {"spent", "prices", "price"} & set(totals):
        counted += f""", count(price) AS priced, sum(CAST(coalesce(price, 0) AS {_MONEY})) AS prices,
            sum(CAST(coalesce(spent, 0) AS {_MONEY})) AS spent"""
    cells = ", ".join(f"{_TOTALS[one]} AS {one}" for one in totals)
    database.execute(f"""
        CREATE OR REPLACE TEMP TABLE click_{name} AS SELECT {owner}, time, {cells}
        FROM (SELECT {owner}, time, {counted} FROM click_events GROUP BY {owner}, time)
        WINDOW so_far AS (PARTITION BY {owner} ORDER BY time ROWS UNBOUNDED PRECEDING)""")


def _create_favorites(database: duckdb.DuckDBPyConnection) -> None:
    """Creates click_favourite: each user's most frequent category at each time; ties go to the first by name.

    Counts never decrease, so the largest (count, category) so far is the current favorite.
    """
    rank = f"events * {_CATEGORY_BITS} + ({_CATEGORY_BITS - 1} - category_code)"
    best = f"max(max({rank})) OVER (PARTITION BY user_code ORDER BY time ROWS UNBOUNDED PRECEDING)"
    database.execute(f"""
        CREATE OR REPLACE TEMP TABLE click_favourite AS
        SELECT user_code, time, CAST({_CATEGORY_BITS - 1} - ({best}) % {_CATEGORY_BITS} AS INTEGER) AS category_code
        FROM click_taste GROUP BY user_code, time""")


def _scalar(database: duckdb.DuckDBPyConnection, sql: str) -> Any:
    return database.execute(sql).fetchall()[0][0]
