"""Loads the lines of files into DuckDB, unchanged, with their line numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaven.errors import DataError
from leaven.ingest.file_access import MAX_LINE_BYTES, Text, fetch_file, is_remote, read_sample, stage_file
from leaven.ingest.format_sniffing import TextFormat, sniff_format
from leaven.ingest.source_config import CatalogSource, LogSource
from leaven.sql import quote_literal

if TYPE_CHECKING:
    import duckdb

_TEXT_ENDINGS = (".csv", ".tsv", ".txt", ".inter", ".csv.gz", ".tsv.gz", ".txt.gz", ".inter.gz")
_PARQUET_ENDINGS = (".parquet", ".pq")


@dataclass(frozen=True)
class RawTable:
    """A table or view of DuckDB: `line` BIGINT from 1, and the source's own columns.

    lines_before: header lines; record n is line n + lines_before of its file; None: unknown.
    """

    table: str
    names: tuple[str, ...]
    format: str
    lines_before: int | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    text_format: TextFormat | None = None

    def describe_line(self, line: int) -> str:
        """The name of a line in errors: its number in the file where that is known."""
        return f"record {line}" if self.lines_before is None else f"line {line + self.lines_before}"


def list_files(name: str) -> list[str]:
    """The files of a path, folder or glob, sorted by name.

    Raises DataError where there are none.
    """
    if is_remote(name):
        return _list_remote_files(name)
    path = Path(name.removeprefix("file://"))
    if any(wildcard in name for wildcard in "*?["):
        anchor = Path(path.anchor) if path.is_absolute() else Path()
        found = sorted(str(file) for file in anchor.glob(str(path.relative_to(path.anchor) if path.anchor else path)))
    elif path.is_dir():
        found = sorted(
            str(file) for file in path.rglob("*") if file.name.lower().endswith(_TEXT_ENDINGS + _PARQUET_ENDINGS)
        )
    else:
        return [str(path)]
    if not found:
        raise DataError(
            name, "files of events", "none", f"known endings: {', '.join(_PARQUET_ENDINGS + _TEXT_ENDINGS)}"
        )
    return found


def _list_remote_files(name: str) -> list[str]:
    import fsspec

    if not any(wildcard in name for wildcard in "*?[") and "." in name.rsplit("/", 1)[-1]:
        return [name]
    system, _, (inside,) = fsspec.get_fs_token_paths(name, expand=False)
    found = system.glob(inside) if any(wildcard in name for wildcard in "*?[") else system.find(inside)
    known = sorted(file for file in found if file.lower().endswith(_TEXT_ENDINGS + _PARQUET_ENDINGS))
    if not known:
        raise DataError(
            name, "files of events", "none", f"known endings: {', '.join(_PARQUET_ENDINGS + _TEXT_ENDINGS)}"
        )
    return [system.unstrip_protocol(file) for file in known]


def load_parquet(connection: duckdb.DuckDBPyConnection, table: str, names: list[str], folder: Path) -> RawTable:
    """A view of local files, which every query reads again, or a table of remote files.

    Raises DataError for broken Parquet files, or files with different columns.
    """
    import pyarrow.parquet as pq

    local = [str(fetch_file(name, folder)) if is_remote(name) else name for name in names]
    offsets = [0]
    for path, name in zip(local, names, strict=True):
        try:
            offsets.append(offsets[-1] + pq.read_metadata(path).num_rows)
        except FileNotFoundError as error:
            raise DataError(name, "a file", "nothing there", "check the path") from error
        except Exception as error:
            raise DataError(name, "a whole Parquet file", str(error)[:200], "write or copy it again") from error
    files = "[" + ", ".join(quote_literal(path) for path in local) + "]"
    line = "file_row_number + 1"
    if len(local) > 1:
        line += f" + ({offsets[:-1]})[CAST(file_index AS BIGINT) + 1]"
    lines = f"read_parquet({files}, file_row_number = true)"
    sql = f"SELECT CAST({line} AS BIGINT) AS line, * EXCLUDE (file_row_number) FROM {lines}"
    kind = "TABLE" if local != names else "VIEW"
    import duckdb

    try:
        connection.execute(f"CREATE OR REPLACE TEMP {kind} {table} AS {sql}")
    except duckdb.Error as error:
        fix = "give files of one table"
        raise DataError(names[0], "Parquet files with the same columns", str(error)[:300], fix) from error
    return RawTable(table, _column_names(connection, table), "parquet", None, {"files": len(names)})


def read_parquet_head(name: str) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """The columns and the first 1000 rows of local Parquet files."""
    import pyarrow.parquet as pq

    path = list_files(name)[0]
    table = next(pq.ParquetFile(path).iter_batches(batch_size=1000), None)
    names = tuple(pq.read_schema(path).names)
    return names, [] if table is None else [tuple(row.values()) for row in table.to_pylist()]


def load_text(
    connection: duckdb.DuckDBPyConnection, table: str, names: list[str], folder: Path, config: LogSource | CatalogSource
) -> RawTable:
    """A table of all lines of text files; every column is text.

    Raises DataError for a file that is empty, binary, truncated, or has lines of different widths.
    """
    text, guessed = read_sample(names[0], config.encoding)
    found = sniff_format(names[0], text, config.separator, config.header)
    if found.layout == "sequences" and not config.columns:
        return _load_sequences(connection, table, names[0], folder, guessed)
    if found.layout == "sequences":
        found = sniff_format(names[0], text, " ", config.header)
    newlines = 0
    for index, name in enumerate(names):
        staged = _stage_text(name, folder, config.encoding, guessed)
        used = staged.encoding
        newlines += staged.newlines
        _refuse_other_columns(name, names[0], found, used)
        _insert_lines(connection, table, staged.path, name, found, fresh=index == 0)
    plain = len(names) == 1 and newlines - connection.sql(f"FROM {table}").shape[0] in (0, 1, found.header)
    facts = {"files": len(names), "encoding": used, "separator": found.separator, "header": found.header}
    form = "inter" if names[0].endswith((".inter", ".inter.gz")) else "csv"
    return RawTable(table, found.names, form, int(found.header) if plain else None, facts, found)


def _stage_text(name: str, folder: Path, given: str | None, inferred: str) -> Text:
    """The staged file. Bytes that are not UTF-8 far down in a file make it latin-1, unless an encoding is given."""
    try:
        return stage_file(name, folder, given or inferred)
    except DataError as error:
        if given or inferred != "utf-8" or "text in utf-8" not in error.expected:
            raise
    return stage_file(name, folder, "latin-1")


def _refuse_other_columns(name: str, first: str, found: TextFormat, encoding: str) -> None:
    if name == first or not found.header:
        return
    other = sniff_format(name, read_sample(name, encoding)[0], found.separator, True)
    if other.names != found.names:
        got = ", ".join(other.names)
        raise DataError(
            f"{name}, line 1", f"the columns of {first}: {', '.join(found.names)}", got, "read them separately"
        )


def _insert_lines(
    connection: duckdb.DuckDBPyConnection, table: str, path: Path, name: str, found: TextFormat, fresh: bool
) -> None:
    import duckdb

    columns = "{" + ", ".join(f"{quote_literal(column)}: 'VARCHAR'" for column in found.names) + "}"
    # Atomic files of RecBole have no quoting: a quote character belongs to the text.
    quote = "''" if name.endswith((".inter", ".inter.gz")) else "'\"'"
    options = (
        f"auto_detect = false, header = {found.header}, delim = {quote_literal(found.separator)}, quote = {quote}, "
    )
    options += f"escape = {quote}, strict_mode = true, max_line_size = {4 * MAX_LINE_BYTES}, columns = {columns}"
    start = 0 if fresh else connection.sql(f"FROM {table}").shape[0]
    sql = f"SELECT row_number() OVER () + {start} AS line, * FROM read_csv({quote_literal(str(path))}, {options})"
    try:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS {sql}" if fresh else f"INSERT INTO {table} {sql}")
    except duckdb.Error as error:
        raise _describe_broken_line(name, found, str(error)) from error


def _describe_broken_line(name: str, found: TextFormat, message: str) -> DataError:
    """Our error for DuckDB's message about a broken line."""
    line = re.search(r"CSV Error on Line: (\d+)", message)
    where = f"{name}, line {line[1]}" if line else name
    widths = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", message)
    fix = "the line may be cut off, or an unquoted text contains the separator"
    if widths:
        return DataError(where, f"{widths[1]} columns ({', '.join(found.names)})", widths[2], fix)
    if "quote" in message:
        return DataError(
            where, "a closing quote", "none before the end", 'close the quote, or write "" for a quote in a text'
        )
    if "aximum line size" in message:
        return DataError(
            where, f"a line below {4 * MAX_LINE_BYTES:,} bytes", "a longer one", "look for a quote never closed"
        )
    return DataError(where, "a readable line", " ".join(message.split())[:200], fix)


def _load_sequences(
    connection: duckdb.DuckDBPyConnection, table: str, name: str, folder: Path, encoding: str
) -> RawTable:
    """A table from lines of one user each, `user item item …`; times count 0, 1, 2 … within the line.

    Raises DataError for a line without items, or a user with two lines.
    """
    staged = _stage_text(name, folder, None, encoding)
    # The delimiter is a character that no text contains: each line stays whole.
    options = "auto_detect = false, header = false, delim = '\x01', quote = '', escape = '', "
    options += f"columns = {{'words': 'VARCHAR'}}, max_line_size = {4 * MAX_LINE_BYTES}"
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE {table}_lines AS
        SELECT row_number() OVER () AS row, string_split_regex(trim(words), '\\s+') AS words
        FROM read_csv({quote_literal(str(staged.path))}, {options}) WHERE trim(words) <> ''""")
    _refuse_odd_users(connection, f"{table}_lines", name)
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE {table} AS
        SELECT row_number() OVER (ORDER BY row, step) AS line, user, item, step AS time
        FROM (SELECT row, words[1] AS user, unnest(words[2:]) AS item, unnest(range(len(words) - 1)) AS step
              FROM {table}_lines)""")
    connection.execute(f"DROP TABLE {table}_lines")
    facts = {"files": 1, "encoding": staged.encoding, "times": "positions in the user's line, from 0: no clock"}
    return RawTable(table, ("user", "item", "time"), "sequences", None, facts)


def _refuse_odd_users(connection: duckdb.DuckDBPyConnection, lines: str, name: str) -> None:
    """Raises DataError for a user without items, or with two lines, whose order is unknown."""
    short = connection.execute(f"SELECT min(row) FROM {lines} WHERE len(words) < 2").fetchall()
    if short[0][0] is not None:
        fix = "complete or remove the line"
        raise DataError(f"{name}, line {short[0][0]}", "a user and at least one item", "a user alone", fix)
    twice = f"SELECT words[1], min(row), max(row) FROM {lines} GROUP BY ALL HAVING count(*) > 1 ORDER BY 2 LIMIT 1"
    if two := connection.execute(twice).fetchall():
        got = f"{two[0][0]!r} already in line {two[0][1]}"
        raise DataError(f"{name}, line {two[0][2]}", "one line per user", got, "join the two lines")


def _column_names(connection: duckdb.DuckDBPyConnection, table: str) -> tuple[str, ...]:
    columns = connection.execute(f"DESCRIBE {table}").fetchall()
    return tuple(str(row[0]) for row in columns if row[0] != "line")
