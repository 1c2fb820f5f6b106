"""Infers the format of a file and the meaning of its columns."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path

from leaven.ingest.file_access import read_sample
from leaven.ingest.files import find_form, list_files
from leaven.ingest.format_sniffing import TextFormat, sniff_format
from leaven.ingest.known_columns import (
    EVENT_COLUMN_NAMES,
    ITEM_COLUMN_NAMES,
    USER_COLUMN_NAMES,
    match_columns,
    normalize_name,
)
from leaven.ingest.other_formats import read_head
from leaven.ingest.source_config import AUTOMATIC, ReadingOptions
from leaven.ingest.time_formats import infer_time_unit

_DECIMAL = re.compile(r"^[+-]?\d*\.\d+$")
_MULTI_VALUED = ("genre", "genres", "class", "classes", "keywords")
"""Columns of several words, which are read as texts next to their use as categories."""
_MAX_RATING = 10.0


@dataclass(frozen=True)
class InferredFormat:
    """The inferred format of a file.

    kind       "log", "items", "users", or "sequences"
    format     "csv", "json", "parquet", "arrow", "workbook", "inter" or "sequences"
    columns    our name -> the file's column, of a log or of a table of items (without the texts of items)
    time_unit  "s", "ms", "us", "ns", "%Y%m%d", "text"; "" without a time column
    header     whether the first line names the columns; names: all columns of the file; rows: the first records
    notes      what was assumed
    """

    kind: str
    format: str
    columns: dict[str, str]
    names: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    separator: str = ""
    encoding: str = ""
    header: bool = True
    time_unit: str = ""
    rows: tuple[tuple[str, ...], ...] = field(default=(), repr=False)
    notes: tuple[str, ...] = ()


def infer_format(path: str | Path, options: ReadingOptions = AUTOMATIC, given: Collection[str] = ()) -> InferredFormat:
    """The format of a file, inferred from its first lines. given: columns of a log that the user names.

    Raises DataError for a file that is missing, empty or binary.
    """
    name = list_files(str(path))[0]
    form = find_form(name)
    if form == "text":
        return _infer_text_format(name, options, given)
    head = read_head(name, form)
    rows = tuple(tuple("" if cell is None else str(cell) for cell in row) for row in head.rows)
    return infer_table_format(TextFormat("table", "", True, head.names, rows), "", form, name, given)


def _infer_text_format(name: str, options: ReadingOptions, given: Collection[str]) -> InferredFormat:
    sample = read_sample(name, options.encoding)
    if given and options.layout is None:  # columns that are named are columns of a table
        options = replace(options, layout="table")
    found = sniff_format(name, sample.text, options)
    if found.layout == "sequences":
        return InferredFormat(
            "sequences", "sequences", {}, (), (), found.separator, sample.encoding, False, "position", found.rows,
            found.notes,
        )  # fmt: skip
    form = "inter" if name.lower().endswith(".inter") else "csv"
    inferred = infer_table_format(found, sample.encoding, form, name, given)
    if not sample.is_sure:
        note = f"encoding {sample.encoding}, guessed: give encoding where texts look wrong"
        inferred = replace(inferred, notes=(*inferred.notes, note))
    return inferred


def infer_table_format(
    found: TextFormat, encoding: str, file_format: str, name: str = "", given: Collection[str] = ()
) -> InferredFormat:
    """The format of a table, inferred from its column names, or from its values where it has no header."""
    columns = match_columns(found.names, EVENT_COLUMN_NAMES) if found.header else infer_columns_by_value(found)
    kind = _find_kind(name, found, columns, given)
    text: tuple[str, ...] = ()
    notes = found.notes
    if kind == "items":
        columns = match_columns(found.names, ITEM_COLUMN_NAMES)
        columns.pop("text", None)
        text = tuple(one for one in found.names if _is_text_column(one, found, columns))
    elif kind == "log" and not found.header:
        shown = ", ".join(f"{word} = column {column}" for word, column in columns.items())
        notes = (*notes, f"guessed, no header: {shown}")
    unit = infer_time_unit(list_cells(found, columns["time"])) if "time" in columns else ""
    return InferredFormat(
        kind, file_format, columns, found.names, text, found.separator, encoding, found.header, unit, found.rows, notes
    )


def _find_kind(name: str, found: TextFormat, columns: dict[str, str], given: Collection[str]) -> str:
    """What a table holds: by the columns that the user names, by RecBole's endings, else by the columns found."""
    if given and set(given) <= set(found.names):
        return "log"
    for ending, kind in ((".inter", "log"), (".item", "items"), (".user", "users")):
        if name.lower().endswith(ending):
            return kind
    if not found.header or ("user" in columns and ("item" in columns or "time" in columns)):
        return "log"
    attributes = match_columns(found.names, {word: (word,) for word in USER_COLUMN_NAMES})
    if "user" in columns and "item" not in columns and attributes:
        return "users"
    return "log" if "user" in columns or ("time" in columns and "item" not in columns) else "items"


def _is_text_column(name: str, found: TextFormat, columns: dict[str, str]) -> bool:
    """Whether a column of a table of items holds titles, descriptions or several words."""
    if name == columns.get("item"):
        return False
    plain = normalize_name(name)
    if plain in map(normalize_name, ITEM_COLUMN_NAMES["text"]) or plain.endswith(("title", "description")):
        return True
    if plain in _MULTI_VALUED:
        return name not in ITEM_COLUMN_NAMES and not all(_DECIMAL.match(one) for one in list_cells(found, name))
    return found.types.get(name) == "token_seq"


def infer_columns_by_value(found: TextFormat) -> dict[str, str]:
    """Columns of a file without a header, by their cells.

    time: the last column of dates written as text, else of Unix times; user and item: the first other columns, without
    fractions; value: the next one, where it holds ratings.
    """
    units = {name: infer_time_unit(list_cells(found, name)) for name in found.names}
    texts = [name for name, unit in units.items() if unit == "text"]
    numbers = [name for name, unit in units.items() if unit not in ("", "text")]
    times = texts or (numbers if len(found.names) > 2 else [])
    columns = {"time": times[-1]} if times else {}
    others = [name for name in found.names if name not in columns.values()]
    ids = [name for name in others if not any(_DECIMAL.match(cell) for cell in list_cells(found, name))]
    columns |= dict(zip(("user", "item"), ids, strict=False))
    for name in others:
        if name not in columns.values() and _is_rating_column(list_cells(found, name)):
            columns["value"] = name
            break
    return columns


def _is_rating_column(cells: list[str]) -> bool:
    try:
        return bool(cells) and all(-1 <= float(cell) <= _MAX_RATING for cell in cells)
    except ValueError:
        return False


def find_unnamed_time(found: InferredFormat) -> str:
    """A column of a log that looks like times and has no role; "" where there is none."""
    for index, name in enumerate(found.names):
        cells = [row[index].strip() for row in found.rows[:100] if len(row) > index and row[index].strip()]
        if name not in found.columns.values() and infer_time_unit(cells):
            return name
    return ""


def list_cells(found: TextFormat, name: str) -> list[str]:
    """The cells of a column in the first records, without empty ones."""
    index = found.names.index(name)
    return [row[index].strip() for row in found.rows if len(row) > index and row[index].strip()]
