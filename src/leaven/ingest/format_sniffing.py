"""Infers the layout of a text file: its separator, its header, and whether each line is one user's sequence."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass

from leaven.errors import DataError

_SEPARATORS = (",", "\t", ";", "|", "::", " ")
_TYPED_NAME = re.compile(r"^(.+):(token|float|token_seq|float_seq)$")
_DATA = re.compile(r"^[+-]?(\d+([.,]\d+)?([eE][+-]?\d+)?|\d{4}-\d\d-\d\d.*|\d{1,2}[/.]\d{1,2}[/.]\d{2,4}.*)$")
_MAX_RECORDS = 1000

Records = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class TextFormat:
    """form: "table" or "sequences"; names: of the columns; rows: the first records, without the header."""

    layout: str
    separator: str
    header: bool
    names: tuple[str, ...]
    rows: Records


def sniff_format(name: str, text: str, separator: str | None = None, header: bool | None = None) -> TextFormat:
    """The format of a file, inferred from its first lines; a given separator or header is not inferred.

    >>> sniff_format("x.csv", "user;item\\nu1;i1\\n").separator
    ';'

    Raises DataError where no separator splits the lines into equally many columns.
    """
    if separator is None and _is_sequences(text):
        rows = tuple(tuple(line.split()) for line in text.splitlines()[:_MAX_RECORDS] if line.strip())
        return TextFormat("sequences", " ", False, (), rows)
    separator = separator or _find_separator(name, text)
    rows = _read_records(text, separator)
    if header is None:  # no cell of a header is empty or reads as data
        header = all(cell.strip() and not _DATA.match(cell.strip()) for cell in rows[0])
    names = tuple(_strip_type(cell) for cell in rows[0]) if header else tuple(str(i + 1) for i in range(len(rows[0])))
    twice = [column for column, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"{name}, line 1", "a name for each column", f"{twice[0]!r} twice", "rename one of them")
    return TextFormat("table", separator, header, names, rows[header:])


def _strip_type(cell: str) -> str:
    """A column's name without RecBole's type: "user_id:token" is "user_id"."""
    found = _TYPED_NAME.match(cell.strip())
    return found[1] if found else cell.strip()


def _is_sequences(text: str) -> bool:
    """Whether each line is a user and the user's items: spaces only, unequal lengths, no quote, no other separator."""
    lines = [line for line in text.splitlines()[:_MAX_RECORDS] if line.strip()]
    if any(mark in line for line in lines for mark in ',\t;|"'):
        return False
    lengths = {len(line.split(" ")) for line in lines}
    return len(lengths) > 1 and min(lengths) >= 2


def _find_separator(name: str, text: str) -> str:
    """The separator that splits most records into the same number of columns, more than one.

    Raises DataError where there is none.
    """
    best_fit, best = (0.0, 0), ""
    for separator in _SEPARATORS:
        widths = Counter(len(row) for row in _read_records(text, separator))
        width, count = widths.most_common(1)[0]
        fit = (round(count / widths.total(), 1), width)
        if width > 1 and fit > best_fit:
            best_fit, best = fit, separator
    if best_fit[0] < 0.5:
        got = f"{text.splitlines()[0][:60]!r}, where none fits"
        raise DataError(f"{name}, line 1", "columns split by a separator", got, "name it: separator = ';'")
    return best


def _read_records(text: str, separator: str) -> Records:
    """The first records, at least one; reading stops at a broken one, which DuckDB names in the full read."""
    if len(separator) > 1:
        return tuple(tuple(line.split(separator)) for line in text.splitlines()[:_MAX_RECORDS] if line)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    rows: list[tuple[str, ...]] = []
    limit = csv.field_size_limit(1 << 24)
    try:
        for row in reader:
            if row:
                rows.append(tuple(row))
            if len(rows) >= _MAX_RECORDS:
                break
    except csv.Error:
        pass
    finally:
        csv.field_size_limit(limit)
    return tuple(rows) or ((text,),)
