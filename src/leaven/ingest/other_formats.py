"""Loads Parquet, JSON, Feather and Excel files into DuckDB, with the number of each row."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaven.errors import DataError, MissingExtra
from leaven.ingest.file_access import fetch_file, is_remote, link_plainly, read_sample
from leaven.ingest.files import RawTable, column_names, load_lines, stage_text
from leaven.ingest.format_sniffing import check_names
from leaven.ingest.source_config import ReadingOptions
from leaven.sql import quote_identifier, quote_literal

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_ROW_NUMBER = "file_row_number"
_HEAD_ROWS = 1000


def load_parquet(connection: duckdb.DuckDBPyConnection, table: str, names: list[str], folder: Path) -> RawTable:
    """A view of local files, which every query reads again, or a table of remote files.

    Raises DataError for broken Parquet files, or files with different columns.
    """
    import duckdb
    import pyarrow.parquet as pq

    local = [str(fetch_file(name, folder)) if is_remote(name) else name for name in names]
    offsets = [0]
    columns: list[str] = []
    for path, name in zip(local, names, strict=True):
        try:
            metadata = pq.ParquetFile(path)
            offsets.append(offsets[-1] + metadata.metadata.num_rows)
            columns = columns or list(metadata.schema_arrow.names)
        except FileNotFoundError as error:
            raise DataError(name, "a file", "nothing there", "check the path") from error
        except Exception as error:
            raise DataError(name, "a whole Parquet file", str(error)[:200], "write or copy it again") from error
    check_names(names[0], tuple(columns))
    is_linked = any(mark in path for path in local for mark in "*?[")
    local = [str(link_plainly(Path(path), folder)) for path in local]
    files = "[" + ", ".join(quote_literal(path) for path in local) + "]"
    renamed = "RENAME (line AS line_)" if "line" in columns else ""
    if _ROW_NUMBER in columns:
        sql = f"SELECT row_number() OVER () AS line, * {renamed} FROM read_parquet({files})"
    else:
        line = f"{_ROW_NUMBER} + 1"
        if len(local) > 1:
            line += f" + ({offsets[:-1]})[CAST(file_index AS BIGINT) + 1]"
        lines = f"read_parquet({files}, {_ROW_NUMBER} = true)"
        sql = f"SELECT CAST({line} AS BIGINT) AS line, * EXCLUDE ({_ROW_NUMBER}) {renamed} FROM {lines}"
    # Links and copies vanish with the folder; row numbers that are counted must not be counted twice.
    kind = "TABLE" if is_linked or any(map(is_remote, names)) or _ROW_NUMBER in columns else "VIEW"
    try:
        connection.execute(f"CREATE OR REPLACE TEMP {kind} {table} AS {sql}")
    except duckdb.Error as error:
        fix = "give files of one table"
        raise DataError(names[0], "Parquet files with the same columns", str(error)[:300], fix) from error
    return RawTable(table, column_names(connection, table), "parquet", None, {"files": len(names)})


@dataclass(frozen=True)
class Head:
    """The columns and the first 1000 rows of a file."""

    names: tuple[str, ...]
    rows: list[tuple[Any, ...]]


def read_head(name: str, form: str) -> Head:
    """The columns and the first rows of a file of one of the forms "parquet", "json", "arrow" and "workbook"."""
    if form == "json":
        return _read_json_head(name)
    with tempfile.TemporaryDirectory(prefix="leaven-") as folder:
        if form == "parquet":
            import pyarrow.parquet as pq

            path = fetch_file(name, Path(folder)) if is_remote(name) else name
            table = next(pq.ParquetFile(path).iter_batches(batch_size=_HEAD_ROWS), None)
            if table is None:
                return Head(tuple(pq.read_schema(path).names), [])
        else:
            table = (read_arrow_file if form == "arrow" else read_workbook)(name, Path(folder)).slice(0, _HEAD_ROWS)
    return Head(tuple(table.schema.names), [tuple(row.values()) for row in table.to_pylist()])


def load_json(
    connection: duckdb.DuckDBPyConnection, table: str, names: list[str], folder: Path, options: ReadingOptions
) -> RawTable:
    """A table of JSON objects, one a line or in one array; every column is text, as the file writes it.

    Raises DataError with the line for text that is no JSON object.
    """
    staged = [stage_text(name, folder, options, read_sample(name, options.encoding).encoding) for name in names]
    paths = [_spread_array(one.path, one.name, folder) for one in staged]
    raw = f"{table}_lines"
    load_lines(connection, raw, paths)
    connection.execute(f"DELETE FROM {raw} WHERE trim(coalesce(words, '')) = ''")
    is_object = "json_valid(words) AND json_type(CASE WHEN json_valid(words) THEN words END) = 'OBJECT'"
    bad = connection.execute(f"SELECT line, words FROM {raw} WHERE NOT ({is_object}) ORDER BY line").fetchall()
    facts: dict[str, Any] = {"files": len(names), "encoding": staged[0].encoding}
    if bad and not options.drops_bad_lines:
        fix = "write one object a line with double quotes, or on_bad_line = 'drop'"
        raise DataError(f"{names[0]}, line {bad[0][0]}", "a JSON object", repr(bad[0][1][:60]), fix)
    if bad:
        connection.execute(f"DELETE FROM {raw} WHERE NOT ({is_object})")
        shown = [f"{names[0]}, line {line}: {words[:60]}" for line, words in bad[:5]]
        facts["dropped_lines"] = {"count": len(bad), "examples": shown}
    sql = f"SELECT key, min(row) FROM (SELECT unnest(json_keys(words)) AS key, line AS row FROM {raw}) GROUP BY key"
    found = [str(row[0]) for row in connection.execute(f"{sql} ORDER BY 2, 1").fetchall()]
    first = connection.execute(f"SELECT json_keys(words) FROM {raw} ORDER BY line LIMIT 1").fetchall()
    keys = list(dict.fromkeys([*(map(str, first[0][0]) if first else ()), *found]))
    check_names(names[0], tuple(keys))
    if not keys:
        raise DataError(names[0], "objects with user, item and time", "no keys", "check how the file was written")
    names_of = {key: "line_" if key == "line" else key for key in keys}
    cells = ", ".join(
        f"json_extract_string(words, {quote_literal(_json_path(key))}) AS {quote_identifier(own)}"
        for key, own in names_of.items()
    )
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT line, {cells} FROM {raw} ORDER BY line")
    connection.execute(f"DROP TABLE {raw}")
    return RawTable(table, tuple(names_of.values()), "json", 0 if len(names) == 1 else None, facts)


def _json_path(key: str) -> str:
    return '$."' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _read_json_head(name: str) -> Head:
    rows: list[Any] = []
    sample = read_sample(name)
    text = sample.text.lstrip("\ufeff").strip()
    try:
        held = json.loads(text)
        rows = held if isinstance(held, list) else [held]
    except ValueError:
        decoder, text = json.JSONDecoder(), text.removeprefix("[")
        while text and len(rows) < _HEAD_ROWS:
            try:
                row, end = decoder.raw_decode(text)
            except ValueError:
                break
            rows.append(row)
            text = text[end:].lstrip(" \r\n\t,")
    rows = [row for row in rows if isinstance(row, dict)]
    names = tuple(dict.fromkeys(key for row in rows for key in row))
    return Head(names, [tuple(row.get(key) for key in names) for row in rows[:_HEAD_ROWS]])


def _spread_array(path: Path, name: str, folder: Path) -> Path:
    """The path of a file with one object a line, where a file holds one array or one object over several lines."""
    with path.open(encoding="utf-8-sig") as stream:
        first = next((line for line in stream if line.strip()), "")
    try:
        if isinstance(json.loads(first), dict):
            return path
    except ValueError:
        pass
    try:
        held = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError:
        if first.lstrip().startswith("["):
            fix = "write it again, or one object a line"
            raise DataError(name, "a whole JSON array", "one that breaks off or is no JSON", fix) from None
        return path  # the bad line is named by the caller
    lists = [one for one in held.values() if isinstance(one, list)] if isinstance(held, dict) else [held]
    if len(lists) != 1 or not all(isinstance(row, dict) for row in lists[0]):
        fix = "write one object a line: frame.to_json(path, orient='records', lines=True)"
        raise DataError(name, "an array of JSON objects", "another structure", fix)
    target = folder / f"{len(list(folder.iterdir()))}.jsonl"
    with target.open("w", encoding="utf-8") as out:
        out.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in lists[0])
    return target


def read_arrow_file(name: str, folder: Path) -> pa.Table:
    """A Feather or Arrow file. Raises DataError for a broken one."""
    import pyarrow as pa

    path = str(fetch_file(name, folder)) if is_remote(name) else name.removeprefix("file://")
    try:
        with pa.OSFile(path) as stream:
            start = stream.read(6)
        with pa.OSFile(path) as stream:
            reader = pa.ipc.open_file(stream) if start == b"ARROW1" else pa.ipc.open_stream(stream)
            return reader.read_all()
    except FileNotFoundError as error:
        raise DataError(name, "a file", "nothing there", "check the path") from error
    except (pa.ArrowException, OSError) as error:
        raise DataError(name, "a whole Feather file", str(error)[:200], "write or copy it again") from error


def read_workbook(name: str, folder: Path) -> pa.Table:
    """The first sheet with rows of an Excel workbook; every column is text, dates are ISO 8601.

    Raises MissingExtra without openpyxl, DataError for a broken workbook or an empty one.
    """
    import pyarrow as pa

    try:
        import openpyxl
    except ImportError as error:
        raise MissingExtra("openpyxl", "excel") from error
    path = fetch_file(name, folder) if is_remote(name) else Path(name.removeprefix("file://"))
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except FileNotFoundError as error:
        raise DataError(name, "a file", "nothing there", "check the path") from error
    except Exception as error:
        raise DataError(name, "a whole workbook", str(error)[:200], "save it again, or as CSV") from error
    for sheet in book.worksheets:
        rows = [row for row in sheet.iter_rows(values_only=True) if any(cell is not None for cell in row)]
        if len(rows) > 1:
            names = tuple("" if cell is None else str(cell).strip() for cell in rows[0])
            names = tuple(cell or f"unnamed_{index + 1}" for index, cell in enumerate(names))
            check_names(f"{name}, sheet {sheet.title}", names)
            columns = zip(*([_write_cell(cell) for cell in row] for row in rows[1:]), strict=True)
            return pa.table(
                {key: pa.array(list(cells), pa.string()) for key, cells in zip(names, columns, strict=True)}
            )
    raise DataError(name, "a sheet with a header and rows", "none", "save the sheet of the log first")


def _write_cell(cell: Any) -> str | None:
    if cell is None:
        return None
    if hasattr(cell, "isoformat"):
        return str(cell.isoformat())
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)
