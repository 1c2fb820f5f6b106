"""How do the lines of files come into DuckDB, as they are, with their place?"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaven.errors import DataError
from leaven.ingest.file_access import LONGEST_LINE, fetched, is_remote, sample, stage
from leaven.ingest.format_sniffing import Shape, shape
from leaven.sql import literal

if TYPE_CHECKING:
    import duckdb

_TEXTS = (".csv", ".tsv", ".txt", ".inter", ".csv.gz", ".tsv.gz", ".txt.gz", ".inter.gz")
_TABLES = (".parquet", ".pq")


@dataclass(frozen=True)
class Raw:
    """A table or view of DuckDB: `line` BIGINT from 1, and the source's own columns.

    lines_before: header lines, so that line n lies in line n + lines_before of its file; None: unknown.
    """

    table: str
    names: tuple[str, ...]
    format: str
    lines_before: int | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    shape: Shape | None = None

    def place(self, line: int) -> str:
        """How a line is named in an error: as an editor counts where that is known."""
        return f"record {line}" if self.lines_before is None else f"line {line + self.lines_before}"


def paths_of(name: str) -> list[str]:
    """The files that a path, folder or glob names, in the order of their names.

    Raises DataError where there is none.
    """
    if is_remote(name):
        return _remote_paths(name)
    path = Path(name.removeprefix("file://"))
    if any(mark in name for mark in "*?["):
        anchor = Path(path.anchor) if path.is_absolute() else Path()
        found = sorted(str(one) for one in anchor.glob(str(path.relative_to(path.anchor) if path.anchor else path)))
    elif path.is_dir():
        found = sorted(str(one) for one in path.rglob("*") if one.name.lower().endswith(_TEXTS + _TABLES))
    else:
        return [str(path)]
    if not found:
        raise DataError(name, "files of events", "none", f"known endings: {', '.join(_TABLES + _TEXTS)}")
    return found


def _remote_paths(name: str) -> list[str]:
    import fsspec

    if not any(mark in name for mark in "*?[") and "." in name.rsplit("/", 1)[-1]:
        return [name]
    system, _, (inside,) = fsspec.get_fs_token_paths(name, expand=False)
    found = system.glob(inside) if any(mark in name for mark in "*?[") else system.find(inside)
    known = sorted(one for one in found if one.lower().endswith(_TEXTS + _TABLES))
    if not known:
        raise DataError(name, "files of events", "none", f"known endings: {', '.join(_TABLES + _TEXTS)}")
    return [system.unstrip_protocol(one) for one in known]


def load_parquet(connection: duckdb.DuckDBPyConnection, table: str, names: list[str], folder: Path) -> Raw:
    """A view where the files are local (read again when asked again), a table where they were fetched.

    Raises DataError for files that are no whole Parquet files, or have different columns.
    """
    import pyarrow.parquet as pq

    local = [str(fetched(name, folder)) if is_remote(name) else name for name in names]
    offsets = [0]
    for path, name in zip(local, names, strict=True):
        try:
            offsets.append(offsets[-1] + pq.read_metadata(path).num_rows)
        except FileNotFoundError as error:
            raise DataError(name, "a file", "nothing there", "check the path") from error
        except Exception as error:
            raise DataError(name, "a whole Parquet file", str(error)[:200], "write or copy it again") from error
    files = "[" + ", ".join(literal(path) for path in local) + "]"
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
    return Raw(table, _names(connection, table), "parquet", None, {"files": len(names)})


def parquet_head(name: str) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """(columns, first 1000 rows) of local Parquet files."""
    import pyarrow.parquet as pq

    path = paths_of(name)[0]
    table = next(pq.ParquetFile(path).iter_batches(batch_size=1000), None)
    names = tuple(pq.read_schema(path).names)
    return names, [] if table is None else [tuple(row.values()) for row in table.to_pylist()]


def load_text(connection: duckdb.DuckDBPyConnection, table: str, names: list[str], folder: Path, wish: Any) -> Raw:
    """A table of all lines of text files, every column text.

    Raises DataError for a file that is empty, binary, cut short, or has lines of other widths.
    """
    text, guessed = sample(names[0], wish.encoding)
    found = shape(names[0], text, wish.separator, getattr(wish, "header", None))
    if found.form == "sequences" and not wish.columns:
        return _load_sequences(connection, table, names[0], folder, guessed)
    if found.form == "sequences":
        found = shape(names[0], text, " ", getattr(wish, "header", None))
    newlines = 0
    for index, name in enumerate(names):
        staged, used = _staged(name, folder, wish.encoding, guessed)
        newlines += staged.newlines
        _refuse_other_columns(name, names[0], found, used, wish)
        _insert(connection, table, staged.path, name, found, fresh=index == 0)
    plain = len(names) == 1 and newlines - connection.sql(f"FROM {table}").shape[0] in (0, 1, found.header)
    facts = {"files": len(names), "encoding": used, "separator": found.separator, "header": found.header}
    form = "inter" if names[0].endswith((".inter", ".inter.gz")) else "csv"
    return Raw(table, found.names, form, int(found.header) if plain else None, facts, found)


def _staged(name: str, folder: Path, wish: str | None, guessed: str) -> tuple[Any, str]:
    """(Text, encoding). Bytes that are no UTF-8 far down in a file make it latin-1, unless the user named one."""
    try:
        return stage(name, folder, wish or guessed), wish or guessed
    except DataError as error:
        if wish or guessed != "utf-8" or "text in utf-8" not in error.wanted:
            raise
    return stage(name, folder, "latin-1"), "latin-1"


def _refuse_other_columns(name: str, first: str, found: Shape, encoding: str, wish: Any) -> None:
    if name == first or not found.header:
        return
    other = shape(name, sample(name, encoding)[0], found.separator, True)
    if other.names != found.names:
        got = ", ".join(other.names)
        raise DataError(f"{name}, line 1", f"the columns of {first}: {', '.join(found.names)}", got, "read them apart")


def _insert(
    connection: duckdb.DuckDBPyConnection, table: str, path: Path, name: str, found: Shape, fresh: bool
) -> None:
    import duckdb

    columns = "{" + ", ".join(f"{literal(column)}: 'VARCHAR'" for column in found.names) + "}"
    # Atomic files of RecBole know no quotes: one at a word's start belongs to the word.
    quote = "''" if name.endswith((".inter", ".inter.gz")) else "'\"'"
    options = f"auto_detect = false, header = {found.header}, delim = {literal(found.separator)}, quote = {quote}, "
    options += f"escape = {quote}, strict_mode = true, max_line_size = {4 * LONGEST_LINE}, columns = {columns}"
    start = 0 if fresh else connection.sql(f"FROM {table}").shape[0]
    sql = f"SELECT row_number() OVER () + {start} AS line, * FROM read_csv({literal(str(path))}, {options})"
    try:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS {sql}" if fresh else f"INSERT INTO {table} {sql}")
    except duckdb.Error as error:
        raise _broken_line(name, found, str(error)) from error


def _broken_line(name: str, found: Shape, said: str) -> DataError:
    """DuckDB's words about a broken line, in ours."""
    line = re.search(r"CSV Error on Line: (\d+)", said)
    where = f"{name}, line {line[1]}" if line else name
    widths = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", said)
    fix = "the line may be cut off, or a separator stands in a text without quotes"
    if widths:
        return DataError(where, f"{widths[1]} columns ({', '.join(found.names)})", widths[2], fix)
    if "quote" in said:
        return DataError(
            where, "a closing quote", "none before the end", 'close the quote, or write "" for a quote in a text'
        )
    if "aximum line size" in said:
        return DataError(
            where, f"a line below {4 * LONGEST_LINE:,} bytes", "a longer one", "look for a quote never closed"
        )
    return DataError(where, "a readable line", " ".join(said.split())[:200], fix)


def _load_sequences(connection: duckdb.DuckDBPyConnection, table: str, name: str, folder: Path, encoding: str) -> Raw:
    """One line a user, `user item item …`: times count 0, 1, 2 … inside the line.

    Raises DataError for a line with a user and no item, or a user who has two lines.
    """
    staged, used = _staged(name, folder, None, encoding)
    # A character that no text has parts the columns: each line stays whole.
    options = "auto_detect = false, header = false, delim = '\x01', quote = '', escape = '', "
    options += f"columns = {{'words': 'VARCHAR'}}, max_line_size = {4 * LONGEST_LINE}"
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE {table}_lines AS
        SELECT row_number() OVER () AS place, string_split_regex(trim(words), '\\s+') AS words
        FROM read_csv({literal(str(staged.path))}, {options}) WHERE trim(words) <> ''""")
    _refuse_odd_users(connection, f"{table}_lines", name)
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE {table} AS
        SELECT row_number() OVER (ORDER BY place, step) AS line, user, item, step AS time
        FROM (SELECT place, words[1] AS user, unnest(words[2:]) AS item, unnest(range(len(words) - 1)) AS step
              FROM {table}_lines)""")
    connection.execute(f"DROP TABLE {table}_lines")
    facts = {"files": 1, "encoding": used, "times": "places in the user's line, counting from 0: no clock"}
    return Raw(table, ("user", "item", "time"), "sequences", None, facts)


def _refuse_odd_users(connection: duckdb.DuckDBPyConnection, lines: str, name: str) -> None:
    """A user without items has nothing to say; a user with two lines has no order."""
    short = connection.execute(f"SELECT min(place) FROM {lines} WHERE len(words) < 2").fetchall()
    if short[0][0] is not None:
        fix = "complete or remove the line"
        raise DataError(f"{name}, line {short[0][0]}", "a user and at least one item", "one word", fix)
    twice = f"SELECT words[1], min(place), max(place) FROM {lines} GROUP BY ALL HAVING count(*) > 1 ORDER BY 2 LIMIT 1"
    if two := connection.execute(twice).fetchall():
        got = f"{two[0][0]!r} already in line {two[0][1]}"
        raise DataError(f"{name}, line {two[0][2]}", "one line a user", got, "join the two lines")


def _names(connection: duckdb.DuckDBPyConnection, table: str) -> tuple[str, ...]:
    columns = connection.execute(f"DESCRIBE {table}").fetchall()
    return tuple(str(row[0]) for row in columns if row[0] != "line")
