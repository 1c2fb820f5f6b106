"""Loads tables of databases and Python frames into DuckDB."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaven.errors import DataError, MissingExtra, SpecError, suggest_name
from leaven.ingest.files import RawTable, column_names
from leaven.ingest.format_sniffing import check_names
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
    if address.startswith("sqlite") and not Path(target).is_file():  # connecting would create an empty one
        raise DataError(shown, "the file of a database", "nothing there", f"check the path: {target}")
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
    return RawTable(table, column_names(connection, table), "database", None, {"database": shown, "query": sql})


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
        if isinstance(frame, pa.Table):
            arrow = frame
        elif hasattr(frame, "to_arrow"):
            arrow = frame.to_arrow()
        elif kind == "pandas.DataFrame":
            check_names(f"a {kind}", tuple(map(str, frame.columns)))
            arrow = pa.Table.from_pandas(frame, preserve_index=False)
        else:
            arrow = pa.table(frame)
    except DataError:
        raise
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError, ValueError) as error:
        fix = "make the column text: frame[column].astype(str)"
        raise DataError(f"a {kind}", "columns of one type each", str(error)[:200], fix) from error
    except (TypeError, AttributeError) as error:
        raise DataError("source", "a path, a URL, or a pandas, Polars or Arrow table", f"a {kind}", "") from error
    return load_arrow(connection, table, arrow, kind)


def load_arrow(connection: duckdb.DuckDBPyConnection, table: str, arrow: Any, kind: str) -> RawTable:
    """Loads an Arrow table. kind: what it came from, for errors and facts.

    Raises DataError for two columns of one name, and for types that the database does not know.
    """
    import duckdb
    import pyarrow as pa

    check_names(f"a {kind}", tuple(arrow.column_names))
    for column in arrow.schema:
        if isinstance(column.type, pa.BaseExtensionType):
            fix = "convert it to times or texts: frame[column].dt.to_timestamp(), or .astype(str)"
            raise DataError(f"a {kind}, column {column.name!r}", "a plain type", str(column.type)[:60], fix)
    arrow = arrow.rename_columns(["line_" if name == "line" else name for name in arrow.column_names])
    connection.register("leaven_frame", arrow)
    sql = "SELECT row_number() OVER () AS line, * FROM leaven_frame"
    try:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS {sql}")
    except duckdb.Error as error:
        fix = "leave the column out, or make it text"
        raise DataError(f"a {kind}", "columns of plain types", str(error)[:200], fix) from error
    finally:
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
