"""Reads tables of items and tables of users into DuckDB, with their ids as text like those of logs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaven.datasets.events import Events
from leaven.errors import DataError, suggest_name
from leaven.ingest.cell_parsing import parse_text
from leaven.ingest.column_sql import ColumnSql
from leaven.ingest.databases import find_column
from leaven.ingest.files import RawTable
from leaven.ingest.known_columns import EVENT_COLUMN_NAMES, ITEM_COLUMN_NAMES, match_columns
from leaven.ingest.source_config import CatalogSource, UserSource
from leaven.ingest.source_loading import describe_source, drop_relation, fetch_scalar, load_source
from leaven.sql import quote_identifier

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

USER_TABLE, ATTRIBUTE = "users", "user_"
"""Name of the table of users, and the prefix of its columns of attributes."""
_LEADING_ZERO = r"^[+-]?0[0-9].*"
_SESSION = "#[0-9]+$"
_SHOWN = 3


def create_items_table(database: duckdb.DuckDBPyConnection, config: CatalogSource, folder: Path) -> dict[str, Any]:
    """Creates table `items`; returns the facts. The item comes first, then the other named columns, then the texts.

    Lines that repeat an item word for word are dropped and counted. Raises DataError for a column that the file lacks,
    or an item on two different lines.
    """
    name = describe_source(config.items)
    raw = load_source(database, "leaven_raw_items", config, folder)
    columns = dict(config.columns)
    for word in columns:
        if word not in ITEM_COLUMN_NAMES or word == "text":
            known = suggest_name(word, [known for known in ITEM_COLUMN_NAMES if known != "text"])
            raise DataError(f"{name}, columns", "a known name of an item column", repr(word), known)
    if "item" not in columns:
        raise DataError(f"{name}, columns", "a column for 'item'", "none", f"name one of {', '.join(raw.names)}")
    sql = ColumnSql(database, raw, name, columns, config.options)
    cells = []
    for word in ("item", *(word for word in columns if word != "item")):
        if word == "item":
            cell = sql.convert_id(word)
        elif word == "born":
            cell = sql.convert_time(word).seconds
        else:
            cell = sql.convert_number(word) if word == "price" else _trim_column(sql.find(word))
        cells.append(f"{cell} AS {word}")
    for text in config.text:
        column = find_column(raw, name, {"text": text}, "text")
        cells.append(f"{_trim_column(column)} AS {column}")
    database.execute(f"CREATE OR REPLACE TEMP TABLE items AS SELECT {', '.join(cells)} FROM {raw.table} ORDER BY line")
    drop_relation(database, raw.table)
    repeated = _drop_repeated_lines(database, "items", "item", name)
    facts = {"source": name, "lines": fetch_scalar(database, "SELECT count(*) FROM items"), **raw.facts, **sql.notes}
    return facts | ({"repeated_lines": repeated} if repeated else {})


def create_users_table(database: duckdb.DuckDBPyConnection, config: UserSource, folder: Path) -> dict[str, Any]:
    """Creates table `users`: user, and `user_NAME` of each attribute (DOUBLE or VARCHAR); returns the facts.

    A column of numbers is a number, unless it is named in `categorical`, a RecBole file declares it a token, or some of
    its numbers begin with 0. Lines that repeat a user word for word are dropped and counted, lines without a user too.
    Raises DataError for a column that the file lacks, a user on two different lines, and a table without attributes.
    """
    name = describe_source(config.users)
    config = replace(config, options=replace(config.options, layout="table"))
    raw = load_source(database, "leaven_raw_users", config, folder)
    columns = _name_attributes(raw, name, config)
    sql = ColumnSql(database, raw, name, columns, config.options)
    cells, kinds = [f'{sql.convert_id("user")} AS "user"'], dict[str, str]()
    for word in columns:
        if word != "user":
            is_number = word not in config.categorical and _holds_numbers(database, raw, sql, word)
            kinds[word] = "number" if is_number else "category"
            cell = sql.convert_number(word) if is_number else sql.convert_text(word)
            cells.append(f"{cell} AS {quote_identifier(ATTRIBUTE + word)}")
    for word in config.categorical:
        if word not in kinds:
            where = f"{name}, user_columns.categorical"
            raise DataError(where, "an attribute of the users", repr(word), suggest_name(word, kinds))
    select = f"SELECT {', '.join(cells)} FROM {raw.table} ORDER BY line"
    database.execute(f"CREATE OR REPLACE TEMP TABLE {USER_TABLE} AS {select}")
    drop_relation(database, raw.table)
    nameless = fetch_scalar(database, f'SELECT count(*) FROM {USER_TABLE} WHERE "user" IS NULL')
    database.execute(f'DELETE FROM {USER_TABLE} WHERE "user" IS NULL')
    repeated = _drop_repeated_lines(database, USER_TABLE, "user", name)
    facts = {"source": name, "lines": fetch_scalar(database, f"SELECT count(*) FROM {USER_TABLE}"), "attributes": kinds}
    counts = {"repeated_lines": repeated, "lines_without_user": nameless}
    return {**raw.facts, **sql.notes, **facts, **{word: count for word, count in counts.items() if count}}


def _name_attributes(raw: RawTable, name: str, config: UserSource) -> dict[str, str]:
    """ "user" and the name of each attribute -> its column."""
    given = dict(config.columns)
    user = given.pop("user", "") or match_columns(raw.names, {"user": EVENT_COLUMN_NAMES["user"]}).get("user", "")
    if not user:
        raise DataError(f"{name}, columns", "a column for 'user'", "none", f"name one of {', '.join(raw.names)}")
    own = given or {one: one for one in raw.names if one not in (user, user.split(":")[0])}
    if not own:
        fix = "leave the table out, or name its columns in user_columns"
        raise DataError(name, "attributes of users next to their ids", "ids alone", fix)
    return {"user": user, **{("user_" if word == "user" else word): column for word, column in own.items()}}


def _holds_numbers(database: duckdb.DuckDBPyConnection, raw: RawTable, sql: ColumnSql, word: str) -> bool:
    """Whether an attribute is a number: by RecBole's type, by the type of the column, else by all of its cells."""
    column = sql.columns[word]
    declared = raw.text_format.types.get(column, "") if raw.text_format is not None else ""
    if declared:
        return declared == "float"
    kind = sql.types[column if column in sql.types else column.split(":")[0]]
    if kind != "VARCHAR":
        return kind.startswith(("DOUBLE", "FLOAT", "DECIMAL", "REAL")) or kind.endswith(("INT", "INTEGER"))
    cell = sql.find(word)
    padded = f"SELECT line FROM {raw.table} WHERE regexp_full_match(trim({cell}), '{_LEADING_ZERO}') LIMIT 1"
    filled = f"SELECT count({parse_text(cell, sql.options.missing)}) FROM {raw.table}"
    return bool(
        sql.measure_numbers(word) == 1.0 and fetch_scalar(database, filled) and fetch_scalar(database, padded) is None
    )


def match_users(database: duckdb.DuckDBPyConnection, events: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of table `users` with the numbers of users of the log that it has and lacks, and of its other users.

    Raises DataError where it has none of them.
    """
    ids = f'SELECT DISTINCT "user" FROM {events} WHERE "user" IS NOT NULL'
    join = f'FROM ({ids}) AS ids LEFT JOIN {USER_TABLE} AS known ON known."user" = ids."user"'
    every, matched = database.execute(f'SELECT count(*), count(known."user") {join}').fetchall()[0]
    if every and not matched:
        shown = [
            ", ".join(repr(row[0]) for row in database.execute(f"{one} ORDER BY 1 LIMIT {_SHOWN}").fetchall())
            for one in (ids, f'SELECT "user" FROM {USER_TABLE}')
        ]
        fix = "name the column with the ids that the log uses: user_columns = { user = … }"
        raise DataError(facts["source"], f"users of the log, such as {shown[0]}", f"others: {shown[1]}", fix)
    counts = {"matched": matched, "unmatched": every - matched, "without_events": facts["lines"] - matched}
    return {**facts, **counts}


def describe_unmatched(facts: Mapping[str, Any]) -> str:
    """A note on users of the log that are not in the table of users; "" where all are."""
    unmatched, every = facts["unmatched"], facts["unmatched"] + facts["matched"]
    return f"{facts['source']}: {unmatched:,} of {every:,} users of the log are not in it" if unmatched else ""


def select_attributes(events: Events, ids: str) -> str:
    """A SELECT of the rows of a relation with a column `id`, with the attributes of these users, NULL where unknown.

    Sessions, which cleaning names user#1, user#2 …, have the attributes of their user.
    """
    user = f"regexp_replace(ids.id, '{_SESSION}', '')" if events.has_sessions else "ids.id"
    known = f'{events.user_table} AS known ON known."user" = {user}'
    return f'SELECT ids.*, known.* EXCLUDE ("user") FROM {ids} AS ids LEFT JOIN {known}'


def fetch_attributes(events: Events, users: pa.Array) -> dict[str, pa.Array]:
    """name -> Arrow strings or float64 (users,): the attributes of these original ids; null where unknown."""
    if events.user_table is None:
        return {}
    import pyarrow as pa

    database = events.connection
    database.register("leaven_ids", pa.table({"id": users, "place": range(len(users))}))
    found = database.sql(f"{select_attributes(events, 'leaven_ids')} ORDER BY place").to_arrow_table()
    database.unregister("leaven_ids")
    return collect_attributes(found)


def collect_attributes(table: pa.Table) -> dict[str, pa.Array]:
    """name -> column of the attributes in an answer of `select_attributes`."""
    names = [name for name in table.column_names if name.startswith(ATTRIBUTE)]
    return {name.removeprefix(ATTRIBUTE): table.column(name).combine_chunks() for name in names}


def _drop_repeated_lines(database: duckdb.DuckDBPyConnection, table: str, key: str, name: str) -> int:
    """Drops lines of a table that equal another one; returns their number.

    Raises DataError for a key on lines that differ.
    """
    doubled = f'SELECT "{key}" FROM {table} WHERE "{key}" IS NOT NULL GROUP BY "{key}" HAVING count(*) > 1'
    if fetch_scalar(database, f"{doubled} LIMIT 1") is None:
        return 0
    before = fetch_scalar(database, f"SELECT count(*) FROM {table}")
    names = ", ".join(quote_identifier(str(row[0])) for row in database.execute(f"DESCRIBE {table}").fetchall())
    firsts = f'SELECT min(rowid) FROM {table} WHERE "{key}" IS NOT NULL GROUP BY {names}'
    database.execute(f'DELETE FROM {table} WHERE "{key}" IS NOT NULL AND rowid NOT IN ({firsts})')
    twice = fetch_scalar(database, f"{doubled} ORDER BY 1 LIMIT 1")
    if twice is not None:
        raise DataError(name, f"each {key} once", f"{twice!r} on lines that differ", f"keep one line per {key}")
    return int(before - fetch_scalar(database, f"SELECT count(*) FROM {table}"))


def _trim_column(column: str) -> str:
    return f"coalesce(trim(CAST({column} AS VARCHAR)), '')"
