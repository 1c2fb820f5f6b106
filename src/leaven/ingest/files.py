"""Lists the files of a source, and loads the lines of text files into DuckDB with their line numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaven.errors import DataError
from leaven.ingest.file_access import (
    MAX_LINE_BYTES,
    Text,
    find_encoding,
    is_glob,
    is_hidden,
    is_remote,
    read_sample,
    read_start,
    stage_file,
)
from leaven.ingest.format_sniffing import ATOMIC_ENDINGS, TextFormat, matches_data, sniff_format
from leaven.ingest.source_config import ReadingOptions
from leaven.sql import quote_identifier, quote_literal

if TYPE_CHECKING:
    import duckdb

PACKED_ENDINGS = ("", ".gz", ".zip", ".bz2", ".xz", ".zst", ".zstd")
JSON_ENDINGS = (".json", ".jsonl", ".ndjson")
PARQUET_ENDINGS = (".parquet", ".pq")
ARROW_ENDINGS = (".feather", ".arrow")
WORKBOOK_ENDINGS = (".xlsx", ".xlsm")
_TEXT_ENDINGS = (".csv", ".tsv", ".txt", ".dat", ".data", ".inter", *JSON_ENDINGS)
_KNOWN_ENDINGS = (
    *PARQUET_ENDINGS, *ARROW_ENDINGS, *WORKBOOK_ENDINGS,
    *(ending + packed for ending in _TEXT_ENDINGS for packed in PACKED_ENDINGS),
)  # fmt: skip
_METADATA = ("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "schema.json")
"""Files of a Hugging Face dataset that hold no rows."""
_MAX_SHOWN = 5


@dataclass(frozen=True)
class RawTable:
    """A table or view of DuckDB: `line` BIGINT from 1, and the source's own columns.

    lines_before: lines before the first record; record n is line n + lines_before of its file; None: unknown.
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
    """The files of a path, folder or glob, sorted by name; hidden and empty ones of folders are left out.

    Raises DataError where there are none.
    """
    if is_remote(name):
        return _list_remote_files(name)
    path = Path(name.removeprefix("file://"))
    if is_glob(name):
        anchor = Path(path.anchor) if path.is_absolute() else Path()
        pattern = str(path.relative_to(path.anchor) if path.anchor else path)
        found = [str(file) for file in anchor.glob(pattern) if file.is_file() and not is_hidden(file.name)]
    elif path.is_dir():
        found = [str(file) for file in path.rglob("*") if _is_part(file, path)]
        atomic = [file for file in found if file.lower().endswith(".inter")]
        found = atomic or found
    else:
        return [str(path)]
    if not found:
        raise DataError(name, "files of events", "none", f"known endings: {', '.join(_KNOWN_ENDINGS[:12])} …")
    return sorted(found)


def _is_part(file: Path, folder: Path) -> bool:
    """Whether a file of a folder holds events, by its name and size."""
    inside = str(file.relative_to(folder))
    is_known = file.name.lower().endswith(_KNOWN_ENDINGS) and file.name not in _METADATA
    return is_known and not is_hidden(inside) and file.is_file() and file.stat().st_size > 0


def _list_remote_files(name: str) -> list[str]:
    import fsspec

    if not any(wildcard in name for wildcard in "*?[") and "." in name.rsplit("/", 1)[-1]:
        return [name]
    system, _, (inside,) = fsspec.get_fs_token_paths(name, expand=False)
    found = system.glob(inside) if any(wildcard in name for wildcard in "*?[") else system.find(inside)
    known = sorted(
        file for file in found if file.lower().endswith(_KNOWN_ENDINGS) and not is_hidden(file.rsplit("/", 1)[-1])
    )
    if not known:
        raise DataError(name, "files of events", "none", f"known endings: {', '.join(_KNOWN_ENDINGS[:12])} …")
    return [system.unstrip_protocol(file) for file in known]


def find_form(name: str) -> str:
    """ "parquet", "arrow", "workbook", "json" or "text": by the ending, else by the first bytes of a file."""
    lower = name.lower()
    if lower.endswith(PARQUET_ENDINGS):
        return "parquet"
    if lower.endswith(ARROW_ENDINGS):
        return "arrow"
    if lower.endswith(WORKBOOK_ENDINGS):
        return "workbook"
    if lower.endswith(tuple(ending + packed for ending in JSON_ENDINGS for packed in PACKED_ENDINGS)):
        return "json"
    start = read_start(name, 64).removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"PAR1"):
        return "parquet"
    if start.startswith(b"ARROW1"):
        return "arrow"
    is_json = start.startswith((b'{"', b"{'")) or start.replace(b" ", b"").replace(b"\n", b"").startswith(b'[{"')
    return "json" if is_json else "text"


def stage_text(name: str, folder: Path, options: ReadingOptions, encoding: str) -> Text:
    """The staged file. Where the first lines looked like UTF-8 and later ones are none, the encoding is found again.

    Raises DataError with the line for bytes that no encoding explains.
    """
    drops = options.drops_bad_lines
    try:
        return stage_file(name, folder, options.encoding or encoding, drops and options.encoding is not None)
    except DataError as error:
        if options.encoding or encoding != "utf-8" or "text in utf-8" not in error.expected:
            raise
        try:
            found = find_encoding(name)[0]
        except DataError:
            if not drops:
                raise
            found = "utf-8"
        if found == "utf-8" and not drops:
            raise
    return stage_file(name, folder, found, drops)


def load_text(
    connection: duckdb.DuckDBPyConnection, table: str, names: list[str], folder: Path, options: ReadingOptions
) -> RawTable:
    """A table of all lines of text files; every column is text.

    Raises DataError for a file that is empty, binary, truncated, or has lines of different widths.
    """
    sample = read_sample(names[0], options.encoding)
    found = sniff_format(names[0], sample.text, options)
    if found.layout == "sequences":
        return _load_sequences(connection, table, names, folder, options, found)
    loader = _LineLoader(connection, table, found, options)
    encodings = []
    for index, name in enumerate(names):
        part = sample if index == 0 else read_sample(name, options.encoding)
        staged = stage_text(name, folder, options, part.encoding)
        encodings.append(staged.encoding)
        layout = found if index == 0 else _match_columns(name, names[0], found, part.text, options)
        loader.insert(staged, layout)
    form = "inter" if names[0].endswith((".inter", ".inter.gz")) else "csv"
    facts = {"files": len(names), "encoding": encodings[0], "separator": found.separator, "header": found.header}
    facts |= {"quote": found.quote} if found.quote != '"' else {}
    facts |= {"escape": found.escape} if found.escape != found.quote else {}
    facts |= loader.facts
    notes = list(found.notes)
    if not sample.is_sure or encodings[0] not in ("utf-8", sample.encoding):
        notes.append(f"encoding {encodings[0]}, guessed: give encoding where texts look wrong")
    if notes:
        facts["notes"] = notes
    before = int(found.header) + found.skip_rows if loader.is_plain and len(names) == 1 else None
    return RawTable(table, found.names, form, before, facts, found)


def _match_columns(name: str, first: str, found: TextFormat, text: str, options: ReadingOptions) -> TextFormat:
    """The format of a further file. Raises DataError where its columns are others."""
    given = replace(options, separator=found.separator, header=found.header, layout="table")
    other = sniff_format(name, text, given)
    if other.names != found.names:
        where, got = f"{name}, line {other.skip_rows + 1}", ", ".join(other.names)
        raise DataError(where, f"the columns of {first}: {', '.join(found.names)}", got, "read them separately")
    return replace(found, skip_rows=other.skip_rows)


class _LineLoader:
    """Inserts the lines of files into one table. `is_plain`: each record is one line so far."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, table: str, found: TextFormat, options: ReadingOptions
    ) -> None:
        self.connection, self.table, self.found, self.options = connection, table, found, options
        self.is_plain, self.facts, self.lines = True, dict[str, Any](), 0

    def insert(self, staged: Text, found: TextFormat) -> None:
        """Raises DataError for a line that cannot be read, where these are not dropped."""
        import duckdb

        sql = f"SELECT row_number() OVER () + {self.lines} AS line, * FROM read_csv({quote_literal(str(staged.path))}, "
        sql += f"{self._build_options(found)})"
        verb = f"INSERT INTO {self.table}" if self.lines else f"CREATE OR REPLACE TEMP TABLE {self.table} AS"
        try:
            self.connection.execute(f"{verb} {sql}")
        except duckdb.Error as error:
            raise _describe_broken_line(staged.name, found, str(error)) from error
        before = self.lines
        self.lines = int(self.connection.execute(f"SELECT count(*) FROM {self.table}").fetchall()[0][0])
        if self.options.drops_bad_lines:
            self._count_dropped(staged)
            return
        expected = self.lines - before + int(found.header) + found.skip_rows
        if staged.newlines - expected not in (0, -1):
            self.is_plain = False
            if self.options.quote is None and found.quote:
                self._refuse_swallowed(staged.name, found, before)

    def _build_options(self, found: TextFormat) -> str:
        columns = "{" + ", ".join(f"{quote_literal(column)}: 'VARCHAR'" for column in found.names) + "}"
        options = {
            "auto_detect": "false", "header": str(found.header), "delim": quote_literal(found.separator),
            "quote": quote_literal(found.quote), "escape": quote_literal(found.escape), "skip": str(found.skip_rows),
            "max_line_size": str(4 * MAX_LINE_BYTES), "columns": columns, "strict_mode": "true",
        }  # fmt: skip
        if self.options.comment:
            options["comment"] = quote_literal(self.options.comment)
        if self.options.drops_bad_lines:
            options |= {"store_rejects": "true", "rejects_table": "'leaven_rejects'", "rejects_scan": "'leaven_scans'"}
        return ", ".join(f"{name} = {value}" for name, value in options.items())

    def _count_dropped(self, staged: Text) -> None:
        sql = "SELECT DISTINCT line, first(error_message) FROM leaven_rejects GROUP BY line ORDER BY line"
        rejected = self.connection.execute(sql).fetchall()
        count = len(rejected) + staged.dropped
        self.is_plain = self.is_plain and not count
        for name in ("leaven_rejects", "leaven_scans"):
            self.connection.execute(f"DROP TABLE IF EXISTS {name}")
        if count:
            found = self.facts.setdefault("dropped_lines", {"count": 0, "examples": []})
            found["count"] += count
            shown = [f"{staged.name}, line {line}: {str(text)[:80]}" for line, text in rejected[:_MAX_SHOWN]]
            found["examples"] = [*found["examples"], *shown][:_MAX_SHOWN]

    def _refuse_swallowed(self, name: str, found: TextFormat, before: int) -> None:
        """Raises DataError for a quoted cell that holds whole lines of the table: its quote was never meant as one."""
        cells = " || chr(0) || ".join(f"coalesce({quote_identifier(column)}, '')" for column in found.names)
        sql = (
            f"SELECT line, {cells} FROM {self.table} WHERE line > {before} AND contains({cells}, chr(10)) ORDER BY line"
        )
        earlier = 0
        for line, text in self.connection.execute(sql).fetchall():
            for cell in str(text).split("\x00"):
                if any(matches_data(part, found) for part in cell.split("\n")[1:]):
                    number = int(line) - before + found.skip_rows + int(found.header) + earlier
                    fix = "give quote = '' where quotes belong to the text, or quote = '\"' where the cell is right"
                    got = f"a cell over several lines that read as records: {cell[:60]!r}"
                    raise DataError(f"{name}, line {number}", "a record on each line", got, fix)
            earlier += str(text).count("\n")


def _describe_broken_line(name: str, found: TextFormat, message: str) -> DataError:
    """Our error for DuckDB's message about a broken line."""
    line = re.search(r"CSV Error on Line: (\d+)", message)
    where = f"{name}, line {line[1]}" if line else name
    widths = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", message)
    fix = "the line may be cut off, or an unquoted text contains the separator; on_bad_line = 'drop' leaves it out"
    if widths:
        return DataError(where, f"{widths[1]} columns ({', '.join(found.names)})", widths[2], fix)
    if "quote" in message:
        fix = (
            "close the quote, write \"\" for a quote in a text, give escape = '\\', or quote = '' for text with quotes"
        )
        return DataError(where, "a closing quote", "none before the end", fix)
    if "aximum line size" in message:
        return DataError(
            where, f"a line below {4 * MAX_LINE_BYTES:,} bytes", "a longer one", "look for a quote never closed"
        )
    return DataError(where, "a readable line", " ".join(message.split())[:200], fix)


def load_lines(connection: duckdb.DuckDBPyConnection, table: str, paths: Sequence[Path]) -> None:
    """A table of whole lines: `line` BIGINT from 1, `words` VARCHAR."""
    for index, path in enumerate(paths):
        # The delimiter is a character that no text contains: each line stays whole.
        options = "auto_detect = false, header = false, delim = '\x02', quote = '', escape = '', null_padding = true, "
        options += f"columns = {{'words': 'VARCHAR'}}, max_line_size = {4 * MAX_LINE_BYTES}"
        start = 0 if not index else connection.sql(f"FROM {table}").shape[0]
        sql = (
            f"SELECT row_number() OVER () + {start} AS line, words FROM read_csv({quote_literal(str(path))}, {options})"
        )
        connection.execute(f"INSERT INTO {table} {sql}" if index else f"CREATE OR REPLACE TEMP TABLE {table} AS {sql}")


def _load_sequences(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    names: list[str],
    folder: Path,
    options: ReadingOptions,
    found: TextFormat,
) -> RawTable:
    """A table from lines of one user each, `user item item …`; times count 0, 1, 2 … within the line.

    Users without items are left out and counted. Raises DataError for a user with two lines.
    """
    staged = [stage_text(name, folder, options, read_sample(name, options.encoding).encoding) for name in names]
    load_lines(connection, f"{table}_lines", [one.path for one in staged])
    pattern = r"\s+" if found.separator == " " else rf"\s*{re.escape(found.separator)}\s*"
    cells = f"string_split_regex(trim(words), {quote_literal(pattern)})"
    where = f"trim(coalesce(words, '')) <> '' AND line > {found.skip_rows}"
    if options.comment:
        where += f" AND NOT starts_with(words, {quote_literal(options.comment)})"
    sql = f"SELECT line AS row, list_filter({cells}, lambda word: word <> '') AS words FROM {table}_lines WHERE {where}"
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {table}_users AS {sql}")
    twice = (
        f"SELECT words[1], min(row), max(row) FROM {table}_users GROUP BY ALL HAVING count(*) > 1 ORDER BY 2 LIMIT 1"
    )
    if two := connection.execute(twice.replace("GROUP BY ALL", "GROUP BY words[1]")).fetchall():
        got = f"{two[0][0]!r} already in line {two[0][1]}"
        raise DataError(f"{names[0]}, line {two[0][2]}", "one line per user", got, "join the two lines")
    empty = connection.execute(f"SELECT count(*) FROM {table}_users WHERE len(words) < 2").fetchall()[0][0]
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE {table} AS
        SELECT row_number() OVER (ORDER BY row, step) AS line, user, item, step AS time
        FROM (SELECT row, words[1] AS user, unnest(words[2:]) AS item, unnest(range(len(words) - 1)) AS step
              FROM {table}_users)""")
    for part in ("lines", "users"):
        connection.execute(f"DROP TABLE {table}_{part}")
    times = "positions in the user's line, from 0: no clock"
    facts: dict[str, Any] = {"files": len(names), "encoding": staged[0].encoding, "times": times}
    facts |= {"users_without_items": int(empty)} if empty else {}
    return RawTable(table, ("user", "item", "time"), "sequences", None, facts)


def is_atomic(name: str) -> bool:
    """Whether a file has the ending of RecBole's atomic files."""
    return name.lower().endswith(ATOMIC_ENDINGS)


def column_names(connection: duckdb.DuckDBPyConnection, table: str) -> tuple[str, ...]:
    """The columns of a raw table without the line number."""
    columns = connection.execute(f"DESCRIBE {table}").fetchall()
    return tuple(str(row[0]) for row in columns if row[0] != "line")
