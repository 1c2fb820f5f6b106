"""Loads a source into DuckDB as it names its columns: files, databases and frames."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaven.errors import DataError
from leaven.ingest.databases import is_database, load_arrow, load_database, load_frame, mask_password
from leaven.ingest.files import RawTable, find_form, list_files, load_text
from leaven.ingest.other_formats import load_json, load_parquet, read_arrow_file, read_workbook
from leaven.ingest.source_config import CatalogSource, LogSource, UserSource

if TYPE_CHECKING:
    import duckdb


def open_database(memory: str = "2GB", threads: int | None = None) -> duckdb.DuckDBPyConnection:
    """An in-memory database that spills into the temporary folder and downloads nothing."""
    import duckdb

    spill = Path(tempfile.gettempdir()) / f"leaven-spill-{os.getpid()}"
    config: dict[str, Any] = {"memory_limit": memory, "temp_directory": str(spill)}
    config |= {"autoinstall_known_extensions": False, "autoload_known_extensions": False}
    # Codes are dense: up to this many bits, DuckDB counts in an array instead of a hash table.
    config["perfect_ht_threshold"] = 22
    if threads is not None:
        config["threads"] = threads
    database = duckdb.connect(config=config)
    database.execute("SET TimeZone = 'UTC'")
    # Streamed batches are processed while the next ones are read: with a buffer of 1 MB, the two wait for each other.
    database.execute("SET streaming_buffer_size = '64MB'")
    return database


def describe_source(source: Any) -> str:
    """The name of a source in errors and facts."""
    if isinstance(source, str | Path):
        return mask_password(str(source))
    return f"the {type(source).__module__.split('.')[0]} table"


def load_source(
    database: duckdb.DuckDBPyConnection, table: str, config: LogSource | CatalogSource | UserSource, folder: Path
) -> RawTable:
    """The columns of a source as it names them: a database, a frame, Parquet, JSON, Feather, Excel or text files."""
    source = config.location
    if is_database(source):
        return load_database(database, table, source, config.table, config.query)
    if not isinstance(source, str | Path):
        return load_frame(database, table, source)
    names = list_files(str(source))
    form = find_form(names[0])
    if other := next((name for name in names[1:] if find_form(name) != form), None):
        raise DataError(other, f"a {form} file, like {names[0]}", f"a {find_form(other)} file", "read them separately")
    if form == "parquet":
        return load_parquet(database, table, names, folder)
    if form == "json":
        return load_json(database, table, names, folder, config.options)
    if form in ("arrow", "workbook"):
        import pyarrow as pa

        read = read_arrow_file if form == "arrow" else read_workbook
        raw = load_arrow(database, table, pa.concat_tables([read(name, folder) for name in names]), names[0])
        return replace(raw, format=form, facts={"files": len(names)})
    options = config.options
    if config.columns and options.layout is None:  # columns that are named are columns of a table
        options = replace(options, layout="table")
    return load_text(database, table, names, folder, options)


def find_relation_kind(database: duckdb.DuckDBPyConnection, table: str) -> str:
    """ "VIEW", "TABLE", or "" for an unknown name."""
    views = f"SELECT 'VIEW' FROM duckdb_views() WHERE view_name = '{table}'"
    tables = f"SELECT 'TABLE' FROM duckdb_tables() WHERE table_name = '{table}'"
    return str(fetch_scalar(database, f"{views} UNION ALL {tables}") or "")


def drop_relation(database: duckdb.DuckDBPyConnection, table: str) -> None:
    if kind := find_relation_kind(database, table):
        database.execute(f"DROP {kind} {table}")


def fetch_scalar(database: duckdb.DuckDBPyConnection, sql: str) -> Any:
    rows = database.execute(sql).fetchall()
    return rows[0][0] if rows else None
