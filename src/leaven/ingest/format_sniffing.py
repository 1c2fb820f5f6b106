"""What form does a text file have: which separator, is there a header, is a line a user?"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass

from leaven.errors import DataError

SEPARATORS = (",", "\t", ";", "|", "::", " ")
_TYPED = re.compile(r"^(.+):(token|float|token_seq|float_seq)$")
_DATA = re.compile(r"^[+-]?(\d+([.,]\d+)?([eE][+-]?\d+)?|\d{4}-\d\d-\d\d.*|\d{1,2}[/.]\d{1,2}[/.]\d{2,4}.*)$")
_LOOK = 1000


@dataclass(frozen=True)
class Shape:
    """form: "table" or "sequences"; names: the columns'; rows: the first records, without the header."""

    form: str
    separator: str
    header: bool
    names: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def shape(name: str, text: str, separator: str | None = None, header: bool | None = None) -> Shape:
    """The form of a file, from its first lines; what is given is taken as it is.

    >>> shape("x.csv", "user;item\\nu1;i1\\n").separator
    ';'

    Raises DataError where no separator cuts the lines into equal columns.
    """
    if separator is None and is_sequences(text):
        rows = tuple(tuple(line.split()) for line in text.splitlines()[:_LOOK] if line.strip())
        return Shape("sequences", " ", False, (), rows)
    mark = separator or find_separator(name, text)
    rows = _records(text, mark)
    named = _is_header(rows) if header is None else header
    names = tuple(plain_name(cell) for cell in rows[0]) if named else tuple(str(i + 1) for i in range(len(rows[0])))
    _refuse_twins(name, names)
    return Shape("table", mark, named, names, rows[named:])


def plain_name(cell: str) -> str:
    """A column's name without RecBole's type.

    >>> plain_name("user_id:token")
    'user_id'
    """
    found = _TYPED.match(cell.strip())
    return found[1] if found else cell.strip()


def is_sequences(text: str) -> bool:
    """Whether a line is a user and their items: blanks only, unequal lengths, no quote or other separator.

    >>> is_sequences("1 10 11 12\\n2 13\\n")
    True
    """
    lines = [line for line in text.splitlines()[:_LOOK] if line.strip()]
    if any(mark in line for line in lines for mark in ',\t;|"'):
        return False
    lengths = {len(line.split(" ")) for line in lines}
    return len(lengths) > 1 and min(lengths) >= 2


def find_separator(name: str, text: str) -> str:
    """The separator that cuts most records into the same number of columns, more than one.

    Raises DataError where there is none.
    """
    best = (0.0, 0, "")
    for mark in SEPARATORS:
        counts = Counter(len(row) for row in _records(text, mark))
        width, often = counts.most_common(1)[0]
        share = often / counts.total()
        if width > 1 and (round(share, 1), width) > best[:2]:
            best = (round(share, 1), width, mark)
    if not best[2] or best[0] < 0.5:
        first = text.splitlines()[0][:60]
        fix = "name it: separator = ';'"
        raise DataError(f"{name}, line 1", "columns cut by a separator", f"{first!r}, and none that fits", fix)
    return best[2]


def _records(text: str, mark: str) -> tuple[tuple[str, ...], ...]:
    if len(mark) > 1:
        return tuple(tuple(line.split(mark)) for line in text.splitlines()[:_LOOK] if line)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark)
    rows: list[tuple[str, ...]] = []
    limit = csv.field_size_limit(1 << 24)
    try:
        for row in reader:
            if row:
                rows.append(tuple(row))
            if len(rows) >= _LOOK:
                break
    except csv.Error:
        pass  # DuckDB names the line when it reads the whole file
    finally:
        csv.field_size_limit(limit)
    return tuple(rows) or ((text,),)


def _is_header(rows: tuple[tuple[str, ...], ...]) -> bool:
    """No cell of the first line looks like data, and it has no empty cell."""
    return all(cell.strip() and not _DATA.match(cell.strip()) for cell in rows[0])


def _refuse_twins(name: str, names: tuple[str, ...]) -> None:
    twice = [word for word, often in Counter(names).items() if often > 1]
    if twice:
        raise DataError(f"{name}, line 1", "a name for each column", f"{twice[0]!r} twice", "rename one of them")
