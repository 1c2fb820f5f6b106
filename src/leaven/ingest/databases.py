"""Loads tables of databases and Python frames into DuckDB."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from leaven.errors import DataError, MissingExtra, SpecError, suggest_name
from leaven.ingest.files import RawTable
from leaven.sql import quote_identifier

if TYPE_CHECKING:
    import duckdb

_DATABASE = re.compile(r"^(sqlite|postgres|postgresql)://")
_PASSWORD = re.compile(r"//([^:/@]+):[^@]*@")


def is_database(source: Any) -> bool:
    """Whether a source is the URL of a database."""
    return isinstance(source, str) and _DATABASE.match(source) is not None


def mask_password(url: str) -> str:
    """A URL with its password masked.

    >>> mask_password("postgresql://me:secret@host/shop")
    'postgresql://me:…@host/shop'
    """
    return _PASSWORD.sub(r"//\1:…@", url)


def load_database(
    connection: duckdb.DuckDBPyConnection, table: str, url: str, wanted: str | None, query: str | None
) -> RawTable:
    """Loads a table or the answer of a query; `line` counts the rows in their order of arrival.

    Raises SpecError where neither a table nor a query is named; DataError for an error of the database.
    """
    address, _, in_url = url.partition("?table=")
    name = wanted or in_url or None
    shown = mask_password(address)
    if not name and not query:
        raise SpecError(shown, "a table or a query", "none", 'give table = "purchases", or add ?table=purchases')
    sql = query or "SELECT * FROM " + ".".join(quote_identifier(part) for part in str(name).split("."))
    driver = _import_driver(address)
    target = address.removeprefix("sqlite:///") if address.startswith("sqlite") else address
    try:
        with driver.connect(target) as database, database.cursor() as cursor:
            cursor.execute(sql)
            reader = cursor.fetch_record_batch()
            connection.register("leaven_reader", reader)
            connection.execute(
                f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT row_number() OVER () AS line, * FROM leaven_reader"
            )
            connection.unregister("leaven_reader")
    except driver.Error as error:
        fix = f"check the address, your rights and the name of the table: {sql}"
        raise DataError(shown, "an answer of the database", _PASSWORD.sub("//…@", str(error))[:300], fix) from error
    return RawTable(table, _column_names(connection, table), "database", None, {"database": shown, "query": sql})


def _import_driver(url: str) -> Any:
    try:
        if url.startswith("sqlite"):
            import adbc_driver_sqlite.dbapi as sqlite

            return sqlite
        import adbc_driver_postgresql.dbapi as postgresql

        return postgresql
    except ImportError as error:
        raise MissingExtra(str(error.name), "databases") from error


def load_frame(connection: duckdb.DuckDBPyConnection, table: str, frame: Any) -> RawTable:
    """Loads a pandas, Polars or Arrow table.

    Raises DataError for another object, or a column of mixed types.
    """
    import pyarrow as pa

    kind = f"{type(frame).__module__.split('.')[0]}.{type(frame).__name__}"
    try:
        if hasattr(frame, "to_arrow"):
            arrow = frame.to_arrow()
        elif kind == "pandas.DataFrame":
            arrow = pa.Table.from_pandas(frame, preserve_index=False)
        else:
            arrow = pa.table(frame)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        fix = "make the column text: frame[column].astype(str)"
        raise DataError(f"a {kind}", "columns of one type each", str(error)[:200], fix) from error
    except TypeError as error:
        raise DataError("source", "a path, a URL, or a pandas, Polars or Arrow table", f"a {kind}", "") from error
    connection.register("leaven_frame", arrow)
    sql = "SELECT row_number() OVER () AS line, * FROM leaven_frame"
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS {sql}")
    connection.unregister("leaven_frame")
    return RawTable(table, tuple(arrow.column_names), "frame", None, {"frame": kind})


def find_column(raw: RawTable, name: str, columns: dict[str, str], word: str) -> str:
    """The quoted column of the file for one of our names.

    Raises DataError that suggests the nearest column.
    """
    wanted = columns[word]
    if wanted in raw.names:
        return quote_identifier(wanted)
    typeless = wanted.split(":")[0]
    if raw.format == "inter" and typeless in raw.names:
        return quote_identifier(typeless)
    hint = suggest_name(wanted, raw.names)
    raise DataError(f"{name}, column {wanted!r} ({word})", "a column of that name", "none", hint)


def _column_names(connection: duckdb.DuckDBPyConnection, table: str) -> tuple[str, ...]:
    columns = connection.execute(f"DESCRIBE {table}").fetchall()
    return tuple(str(row[0]) for row in columns if row[0] != "line")
