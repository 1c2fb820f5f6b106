"""Reads logs and tables of items into DuckDB: ids as text, times in seconds."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaven.datasets.events import Events
from leaven.errors import DataError, suggest_name
from leaven.ingest.column_inference import EVENT_COLUMN_NAMES, ITEM_COLUMN_NAMES, infer_columns_by_value, match_columns
from leaven.ingest.databases import find_column, is_database, load_database, load_frame, mask_password
from leaven.ingest.files import RawTable, list_files, load_parquet, load_text
from leaven.ingest.source_config import NUMBER_COLUMNS, REQUIRED_COLUMNS, CatalogSource, LogSource
from leaven.ingest.timestamps import TimestampParser
from leaven.sql import quote_identifier

if TYPE_CHECKING:
    import duckdb

_FLOAT_ID = r"^-?[0-9]+\.0+$"
_WHOLE_ID = r"^-?[0-9]+$"
_FLOAT_NOTE = "numbers with .0, read as whole numbers"


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


def read_events(
    source: LogSource | Any,
    columns: Mapping[str, str] | None = None,
    items: CatalogSource | None = None,
    connection: duckdb.DuckDBPyConnection | None = None,
) -> Events:
    """The events of a log: every line, nothing dropped.

    source is a `LogSource`, or a value of its field `interactions`. `items` is read into table `items`.

    >>> import pyarrow as pa
    >>> log = pa.table({"user_id": ["007", "7"], "item_id": ["a", "b"], "timestamp": [1318896000, 1318896001]})
    >>> read_events(log).connection.sql("SELECT user, time FROM events").fetchall()
    [('007', 1318896000), ('7', 1318896001)]

    Raises DataError with file, line or column for anything that cannot be read.
    """
    config = source if isinstance(source, LogSource) else LogSource(source, columns or {})
    database = connection or open_database()
    with tempfile.TemporaryDirectory(prefix="leaven-") as folder:
        raw = load_source(database, "leaven_raw", config.interactions, config, Path(folder))
        facts = _create_events_table(database, raw, config)
        if items is not None:
            facts["items"] = create_items_table(database, items, Path(folder))
    names = tuple(str(row[0]) for row in database.execute("DESCRIBE events").fetchall())
    return Events(database, "events", names, None if items is None else "items", facts, item_source=items)


def describe_source(source: Any) -> str:
    """The name of a source in errors and facts."""
    if isinstance(source, str | Path):
        return mask_password(str(source))
    return f"the {type(source).__module__.split('.')[0]} table"


def load_source(
    database: duckdb.DuckDBPyConnection, table: str, source: Any, config: LogSource | CatalogSource, folder: Path
) -> RawTable:
    """The columns of a source as it names them: a database, a frame, Parquet or text files."""
    if is_database(source):
        return load_database(database, table, source, config.table, config.query)
    if not isinstance(source, str | Path):
        return load_frame(database, table, source)
    names = list_files(str(source))
    if all(_is_parquet(name) for name in names):
        return load_parquet(database, table, names, folder)
    return load_text(database, table, names, folder, config)


def _is_parquet(name: str) -> bool:
    if name.lower().endswith((".parquet", ".pq")):
        return True
    path = Path(name.removeprefix("file://"))
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(4) == b"PAR1"


def _resolve_columns(raw: RawTable, name: str, given: Mapping[str, str]) -> dict[str, str]:
    """our name -> the file's column: those given, or inferred ones where none are given.

    Raises DataError where user, item or time is missing.
    """
    if raw.format == "sequences":
        return {word: word for word in REQUIRED_COLUMNS}
    if "line" in given:
        raise DataError(f"{name}, columns", "another name than 'line'", "'line'", "it is the line number in the file")
    columns = dict(given)
    if not columns:
        unnamed = raw.text_format is not None and not raw.text_format.header
        known = (
            infer_columns_by_value(raw.text_format)
            if raw.text_format is not None and unnamed
            else match_columns(raw.names, EVENT_COLUMN_NAMES)
        )
        columns = {
            word: column for word, column in known.items() if word in (*REQUIRED_COLUMNS, "kind", *NUMBER_COLUMNS)
        }
    for word in REQUIRED_COLUMNS:
        if word not in columns:
            hint = f"name it in columns; the file has: {', '.join(raw.names)}"
            raise DataError(f"{name}, columns", f"a column for {word!r}", "none", hint)
    return columns


class _ColumnSql:
    """SQL that converts the columns of one raw table. `notes` collects what was assumed, for the facts."""

    def __init__(
        self,
        database: duckdb.DuckDBPyConnection,
        raw: RawTable,
        name: str,
        columns: Mapping[str, str],
        time_format: str | None,
    ) -> None:
        self.database, self.raw, self.name = database, raw, name
        self.columns, self.time_format = dict(columns), time_format
        described = database.execute(f"DESCRIBE {raw.table}").fetchall()
        self.types = {str(row[0]): str(row[1]) for row in described}
        self.notes: dict[str, str] = {}

    def find(self, word: str) -> str:
        """The quoted column of one of our names. Raises DataError where the file lacks it."""
        return find_column(self.raw, self.name, self.columns, word)

    def convert_time(self, word: str) -> str:
        """BIGINT seconds since 1970 (UTC)."""
        column = self.find(word)
        times = TimestampParser(self.database, self.raw.table, column, self.name, self.raw.describe_line)
        rule = times.find_rule(self._type_of(word), self.time_format)
        self.notes["time"] = rule.description
        return rule.sql

    def convert_id(self, word: str) -> str:
        """Text. Whole numbers that passed through a float ("17850.0") lose the ".0" where all ids have it."""
        column, kind = self.find(word), self._type_of(word)
        if kind in ("DOUBLE", "FLOAT"):
            fraction = f"isfinite({column}) AND {column} <> floor({column})"
            self._refuse(word, fraction, "ids that are text or whole numbers")
            self.notes[f"{word}_ids"] = _FLOAT_NOTE
            return f"CASE WHEN isfinite({column}) THEN CAST(CAST({column} AS HUGEINT) AS VARCHAR) END"
        if kind != "VARCHAR":
            return f"CAST({column} AS VARCHAR)"
        # Few ids have blanks, and a search for one is cheaper than trimming.
        blank = f"{column} = '' OR contains({column}, ' ')"
        text = f"CASE WHEN {blank} THEN nullif(trim({column}), '') ELSE {column} END"
        if not self._are_float_ids(word, text):
            return text
        self.notes[f"{word}_ids"] = _FLOAT_NOTE
        return f"regexp_replace({text}, '\\.0+$', '')"

    def _are_float_ids(self, word: str, text: str) -> bool:
        """Whether all ids end in ".0". Raises DataError where some whole numbers have it and others do not."""
        floats = f"regexp_full_match({text}, '{_FLOAT_ID}')"
        # Ids with letters, the usual case, need no scan of all lines.
        head = f"SELECT {text} AS id FROM {self.raw.table} WHERE {text} IS NOT NULL LIMIT 1000"
        numeric = _scalar(self.database, f"SELECT count(*) FROM ({head}) WHERE TRY_CAST(id AS DOUBLE) IS NOT NULL")
        if not numeric or not self._find_line(f"{floats} LIMIT 1", "line"):
            return False
        if whole := self._find_line(f"regexp_full_match({text}, '{_WHOLE_ID}')", "min(line)"):
            first = self._find_line(floats, "min(line)")
            pair = [self._find_line(f"line = {line}", text) for line in (first, whole)]
            got = f"{pair[0]!r} in {self.raw.describe_line(first)} and {pair[1]!r} in {self.raw.describe_line(whole)}"
            raise DataError(self._where(word), "ids written in one way", got, "write all with .0 or all without")
        return not self._find_line(f"{text} IS NOT NULL AND NOT {floats} LIMIT 1", "line")

    def convert_number(self, word: str) -> str:
        """DOUBLE."""
        column = self.find(word)
        if self._type_of(word) != "VARCHAR":
            return f"CAST({column} AS DOUBLE)"
        text = f"nullif(trim({column}), '')"
        self._refuse(word, f"{text} IS NOT NULL AND TRY_CAST({text} AS DOUBLE) IS NULL", "a number with a point")
        return f"CAST({text} AS DOUBLE)"

    def _type_of(self, word: str) -> str:
        column = self.columns[word]
        return self.types[column if column in self.types else column.split(":")[0]]

    def _where(self, word: str) -> str:
        return f"{self.name}, column {self.columns[word]!r}"

    def _find_line(self, condition: str, cell: str) -> Any:
        return _scalar(self.database, f"SELECT {cell} FROM {self.raw.table} WHERE {condition}")

    def _refuse(self, word: str, condition: str, wanted: str) -> None:
        cells = f"line, CAST({self.find(word)} AS VARCHAR)"
        sql = f"SELECT {cells} FROM {self.raw.table} WHERE {condition} ORDER BY line LIMIT 1"
        if bad := self.database.execute(sql).fetchall():
            fix = "correct it, leave it empty where it is missing, or name another column"
            where = f"{self._where(word)}, {self.raw.describe_line(int(bad[0][0]))}"
            raise DataError(where, wanted, repr(bad[0][1]), fix)


def _create_events_table(database: duckdb.DuckDBPyConnection, raw: RawTable, config: LogSource) -> dict[str, Any]:
    """Creates table `events` from the raw lines; returns the facts. Local Parquet files become a view."""
    name = describe_source(config.interactions)
    columns = _resolve_columns(raw, name, config.columns)
    sql = _ColumnSql(database, raw, name, columns, config.time_format)
    found = {word: sql.find(word) for word in columns}
    cells = ["line"]
    for word, column in found.items():
        if word == "time":
            cell = column if raw.format == "sequences" else sql.convert_time(word)
        elif word in ("user", "item"):
            cell = sql.convert_id(word)
        elif word in NUMBER_COLUMNS:
            cell = sql.convert_number(word)
        else:
            cell = f"nullif(CAST({column} AS VARCHAR), '')"
        cells.append(f"{cell} AS {quote_identifier(word)}")
    kind = _relation_kind(database, raw.table)
    _drop_relation(database, "events")
    database.execute(f"CREATE TEMP {kind} events AS SELECT {', '.join(cells)} FROM {raw.table}")
    if kind == "TABLE":
        _drop_relation(database, raw.table)
    facts: dict[str, Any] = {"source": name, "format": raw.format, "columns": columns, **raw.facts, **sql.notes}
    facts["lines"] = _scalar(database, "SELECT count(*) FROM events")
    if not facts["lines"]:
        raise DataError(name, "at least one event", "a header and no lines", "check how the file was written")
    return facts


def create_items_table(database: duckdb.DuckDBPyConnection, config: CatalogSource, folder: Path) -> dict[str, Any]:
    """Creates table `items`; returns the facts. The item comes first, then the other named columns, then the texts.

    Raises DataError for a column that the file lacks, or an item without id or twice.
    """
    name = describe_source(config.items)
    raw = load_source(database, "leaven_raw_items", config.items, config, folder)
    columns = dict(config.columns)
    for word in columns:
        if word not in ITEM_COLUMN_NAMES or word == "text":
            known = suggest_name(word, [known for known in ITEM_COLUMN_NAMES if known != "text"])
            raise DataError(f"{name}, columns", "a known name of an item column", repr(word), known)
    if "item" not in columns:
        raise DataError(f"{name}, columns", "a column for 'item'", "none", f"name one of {', '.join(raw.names)}")
    sql = _ColumnSql(database, raw, name, columns, config.time_format)
    convert = {"item": sql.convert_id, "price": sql.convert_number, "born": sql.convert_time}
    cells = []
    for word in ("item", *(word for word in columns if word != "item")):
        cell = convert[word](word) if word in convert else _trim_column(sql.find(word))
        cells.append(f"{cell} AS {word}")
    for text in config.text:
        column = find_column(raw, name, {"text": text}, "text")
        cells.append(f"{_trim_column(column)} AS {column}")
    database.execute(f"CREATE OR REPLACE TEMP TABLE items AS SELECT {', '.join(cells)} FROM {raw.table} ORDER BY line")
    _drop_relation(database, raw.table)
    doubled = "SELECT item FROM items WHERE item IS NOT NULL GROUP BY item HAVING count(*) > 1 ORDER BY 1 LIMIT 1"
    twice = _scalar(database, doubled)
    if twice is not None:
        raise DataError(name, "each item once", f"{twice!r} more than once", "keep one line per item")
    return {"source": name, "lines": _scalar(database, "SELECT count(*) FROM items"), **raw.facts, **sql.notes}


def _trim_column(column: str) -> str:
    return f"coalesce(trim(CAST({column} AS VARCHAR)), '')"


def _relation_kind(database: duckdb.DuckDBPyConnection, table: str) -> str:
    """ "VIEW", "TABLE", or "" for an unknown name."""
    views = f"SELECT 'VIEW' FROM duckdb_views() WHERE view_name = '{table}'"
    tables = f"SELECT 'TABLE' FROM duckdb_tables() WHERE table_name = '{table}'"
    return str(_scalar(database, f"{views} UNION ALL {tables}") or "")


def _drop_relation(database: duckdb.DuckDBPyConnection, table: str) -> None:
    if kind := _relation_kind(database, table):
        database.execute(f"DROP {kind} {table}")


def _scalar(database: duckdb.DuckDBPyConnection, sql: str) -> Any:
    rows = database.execute(sql).fetchall()
    return rows[0][0] if rows else None
