"""Infers the layout of a text file: separator, quoting, lines before the header, header, one user per line."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass, field, replace

from leaven.errors import DataError
from leaven.ingest.known_columns import is_known_name
from leaven.ingest.source_config import AUTOMATIC, ReadingOptions
from leaven.ingest.time_formats import infer_time_unit

ATOMIC_ENDINGS = (".inter", ".item", ".user", ".kg", ".link", ".net")
"""Endings of RecBole's atomic files: tabs, and no quoting."""
_SEPARATORS = ("\t", ",", ";", "|", "::", "\x01", " ")
_TYPED_NAME = re.compile(r"^(.+):(token|float|token_seq|float_seq)$")
_DATA = re.compile(r"^[+-]?(\d+([.,]\d+)?([eE][+-]?\d+)?|\d{4}-\d\d-\d\d.*|\d{1,2}[/.]\d{1,2}[/.]\d{2,4}.*)$")
_MAX_RECORDS = 1000
_MIN_SHARE = 0.5  # of the records that a separator must split into equally many cells
_MAX_SKIPPED = 50  # lines before the header that are looked at

Records = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class TextFormat:
    """layout: "table" or "sequences"; names: of the columns; rows: the first records, without the header.

    skip_rows: lines before the header or the data; types: column -> RecBole's type; notes: what was assumed.
    """

    layout: str
    separator: str
    header: bool
    names: tuple[str, ...]
    rows: Records
    quote: str = '"'
    escape: str = '"'
    skip_rows: int = 0
    types: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Splitting:
    """How lines are split into cells."""

    separator: str
    quote: str
    escape: str


def sniff_format(name: str, text: str, options: ReadingOptions = AUTOMATIC) -> TextFormat:
    """The format of a file, inferred from its first lines; what the options give is not inferred.

    >>> sniff_format("x.csv", "user;item\\nu1;i1\\n").separator
    ';'

    Raises DataError where no separator splits the lines into equally many columns, for two columns of one name, and
    for a file without records.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")
    skipped, separator = _count_skipped(text, options)
    notes = (f"lines before the header, skipped: {skipped}",) if skipped else ()
    text = text.split("\n", skipped)[-1] if skipped else text
    if options.comment:
        text = "".join(line + "\n" for line in text.split("\n") if not line.startswith(options.comment))
    if not text.strip():
        raise DataError(name, "lines of events", "none after the skipped lines", "give skip_rows or comment")
    is_atomic = _strip_packing(name).endswith(ATOMIC_ENDINGS)
    if options.layout != "table" and not is_atomic and (found := _find_sequences(name, text, options)):
        return replace(found, skip_rows=skipped, notes=notes)
    splitting = _find_splitting(name, text, replace(options, separator=options.separator or separator), is_atomic)
    rows = _read_records(text, splitting)
    header = _has_header(rows) if options.header is None else options.header
    first = rows[0] if header else tuple(str(index + 1) for index in range(len(rows[0])))
    names = tuple(_name_column(cell, index, first) for index, cell in enumerate(first))
    check_names(f"{name}, line {skipped + 1}", names)
    matches = {name: _TYPED_NAME.match(cell.strip()) for name, cell in zip(names, first, strict=True)}
    types = {name: match[2] for name, match in matches.items() if match}
    return TextFormat(
        "table", splitting.separator, header, names, rows[header:], splitting.quote, splitting.escape, skipped, types,
        notes,
    )  # fmt: skip


def check_names(where: str, names: tuple[str, ...]) -> None:
    """Raises DataError for two columns of one name, or of names that differ only in case."""
    seen: dict[str, str] = {}
    for name in names:
        if (other := seen.setdefault(name.lower(), name)) is not name:
            got = f"{name!r} twice" if name == other else f"{other!r} and {name!r}, which differ only in case"
            fix = "rename one of them; or header = false with skip_rows = 1, and name columns by their numbers"
            raise DataError(where, "a name for each column", got, fix)


def _name_column(cell: str, index: int, cells: tuple[str, ...]) -> str:
    """A column's name without RecBole's type: "user_id:token" is "user_id"; a blank one, as of an index, gets one."""
    found = _TYPED_NAME.match(cell.strip())
    name = (found[1] if found else cell.strip().removeprefix("#").strip()) or f"unnamed_{index + 1}"
    return name if name != "line" else ("line_" if "line_" not in cells else f"line_{index + 1}")


def _strip_packing(name: str) -> str:
    return re.sub(r"\.(gz|zip|bz2|xz|zst|zstd)$", "", name.lower())


_SEPARATOR_LINE = re.compile(r'^"?sep=(.)"?$', re.IGNORECASE)


def _count_skipped(text: str, options: ReadingOptions) -> tuple[int, str | None]:
    """The number of lines before the header, and the separator that a line `sep=;` of a spreadsheet names."""
    if options.skip_rows is not None:
        return options.skip_rows, None
    lines, separator = text.split("\n", _MAX_SKIPPED)[:_MAX_SKIPPED], None
    for index, line in enumerate(lines):
        if index == 0 and (found := _SEPARATOR_LINE.match(line)):
            separator = found[1]
        elif line.strip() and not (line.startswith("#") and _is_comment(lines[index:])):
            return index, separator
    return 0, separator


def _is_comment(lines: list[str]) -> bool:
    """Whether a first line that starts with # is no header and no data: it splits otherwise than the lines below."""
    below = next((line for line in lines if line.strip() and not line.startswith("#")), "")
    for separator in _SEPARATORS[:-1]:
        if separator in below and lines[0].count(separator) == below.count(separator):
            return lines[0].startswith("# ") and not any(
                is_known_name(cell.strip("# ")) for cell in lines[0].split(separator)
            )
    return True


def _find_sequences(name: str, text: str, options: ReadingOptions) -> TextFormat | None:
    """The layout "sequences" where each line is a user and the user's items; None for a table.

    Raises DataError where lines of three or four numbers can be either.
    """
    lines = [line for line in text.split("\n")[:_MAX_RECORDS] if line.strip()]
    separator = options.separator or next((mark for mark in ("\t", ",", ";", "|") if mark in text), " ")
    rows = tuple(tuple(line.split(None if separator == " " else separator)) for line in lines)
    found = TextFormat("sequences", separator, False, (), rows)
    if options.layout == "sequences":
        return found
    if options.separator is not None or options.header or any(mark in line for line in lines for mark in '"#'):
        return None
    widths, users = [len(row) for row in rows], {row[0] for row in rows}
    if max(widths) < 3 or len(rows) < 2 or any(is_known_name(cell) for cell in rows[0]):
        return None
    is_code = [any(letter.isdigit() for letter in cell) for row in rows for cell in row]
    if sum(is_code) < len(is_code) * 0.9:
        return None
    if len(set(widths)) > 1 and min(widths) > 1 and separator == " ":
        return found
    if len(users) < len(rows) * 0.9:
        return None
    if len(set(widths)) > 1:
        return found if separator == " " or _vary_widely(widths) else None
    if separator != " " or any(_is_no_item([row[index] for row in rows]) for index in range(1, widths[0])):
        return None
    if widths[0] <= 4 and _is_rating([row[2] for row in rows]) and not _is_rating([row[1] for row in rows]):
        fix = "give layout = 'sequences' or layout = 'table'"
        got = f"{lines[0]!r}, which can be a user with items or a user, an item and a rating"
        raise DataError(f"{name}, line 1", "one layout", got, fix)
    return found


def _vary_widely(widths: list[int]) -> bool:
    """Whether lengths are those of histories, and not of a table with some broken lines."""
    return Counter(widths).most_common(1)[0][1] < len(widths) * 0.7


def _is_no_item(cells: list[str]) -> bool:
    return infer_time_unit(cells) != "" or any("." in cell for cell in cells)


def _is_rating(cells: list[str]) -> bool:
    return all(re.fullmatch(r"\d(\.\d)?|10", cell) for cell in cells)


def _find_splitting(name: str, text: str, options: ReadingOptions, is_atomic: bool) -> _Splitting:
    """The splitting whose records have most evenly the same number of cells, more than one.

    Raises DataError where there is none.
    """
    best_score, best = (0.0, 0, False, 0), None
    separators = [options.separator] if options.separator else ["\t"] if is_atomic else list(_SEPARATORS)
    if not options.separator and _has_decimal_commas(text):
        separators.remove(",") if "," in separators else None
    for separator in separators:
        splitting = _find_quoting(text, separator, options, is_atomic)
        rows = _read_records(text, splitting)
        share, width = _measure_width(rows)
        known = sum(map(is_known_name, rows[0]))
        score = (1.0 if share > 0.9 else round(share, 1), known if known > 1 else 0, separator != " ", width)
        if width > 1 and share >= _MIN_SHARE and score > best_score:
            best_score, best = score, splitting
    if best is None:
        if options.separator:  # one column, or lines that the full read names
            return _find_quoting(text, options.separator, options, is_atomic)
        if not any(mark in text for mark in _SEPARATORS[:-1]):  # a table of one column
            return _find_quoting(text, ",", options, is_atomic)
        got = f"{text.split(chr(10))[0][:60]!r}, where none fits"
        raise DataError(f"{name}, line 1", "columns split by a separator", got, "name it: separator = ';'")
    return best


def _has_decimal_commas(text: str) -> bool:
    """Whether every comma is a decimal comma and another separator is present: 1;2,5;3."""
    commas = text.count(",")
    return commas > 0 and ";" in text and len(re.findall(r"(?<=\d),(?=\d)", text)) == commas


def _find_quoting(text: str, separator: str, options: ReadingOptions, is_atomic: bool) -> _Splitting:
    """Quotes are doubled inside a field, or escaped by a backslash, or, where they are never closed, mean nothing."""
    if is_atomic and options.quote is None:
        return _Splitting(separator, "", "")
    quote = '"' if options.quote is None else options.quote
    escape = options.escape if options.escape is not None else quote
    plain = _Splitting(separator, quote, escape if quote else "")
    if options.escape is None and quote and f"\\{quote}" in text:
        escaped = _Splitting(separator, quote, "\\")
        doubled = re.search(f"[^{re.escape(separator)}\n]{quote}{quote}[^{re.escape(separator)}\n]", text)
        if _measure_width(_read_records(text, escaped))[0] >= _measure_width(_read_records(text, plain))[0]:
            plain = plain if doubled else escaped
    if options.quote is None and quote in text and _are_quotes_text(text, plain):
        return _Splitting(separator, "", "")
    return plain


def _are_quotes_text(text: str, quoted: _Splitting) -> bool:
    """Whether quotes belong to the text: read as such, all lines have one width; read as quotes, lines disappear."""
    rows, bare = _read_records(text, quoted), _read_records(text, _Splitting(quoted.separator, "", ""))
    share, width = _measure_width(bare)
    odd = [cell for row in bare for cell in row if (cell[:1] == quoted.quote) != (cell[-1:] == quoted.quote)]
    # In other files, and without blanks, a lone quote is more likely a mistake, which the full read reports.
    if share < 1.0 or width < 2 or quoted.separator != "\t" or not all(" " in cell for cell in odd):
        return False
    return _measure_width(rows)[0] < 1.0 or any("\n" in cell for row in rows for cell in row)


def _measure_width(rows: Records) -> tuple[float, int]:
    """The share of the most frequent number of cells, and that number."""
    widths = Counter(len(row) for row in rows)
    width, count = widths.most_common(1)[0]
    return count / widths.total(), width


def _has_header(rows: Records) -> bool:
    """Whether the first record names the columns: known names, or no cell that reads as data or occurs again."""
    first, others = [cell.strip() for cell in rows[0]], rows[1:]
    if any(is_known_name(cell) for cell in first if not _DATA.match(cell)):
        return True
    if not all(first) or any(_DATA.match(cell) for cell in first):
        return False
    columns = [[row[index].strip() for row in others if len(row) > index] for index in range(len(first))]
    if any(cell in column for cell, column in zip(first, columns, strict=True)):
        return False
    masks = [{_mask(cell) for cell in column} for column in columns]
    same = [{_mask(cell)} == found for cell, found in zip(first, masks, strict=True)]
    return not (others and all(same) and any("9" in _mask(cell) for cell in first))


def matches_data(line: str, found: TextFormat) -> bool:
    """Whether a line reads as a record of a format: as many cells, with numbers and times where others have them."""
    cells = line.split(found.separator)
    if len(cells) != len(found.names):
        return False
    held = [[row[index] for row in found.rows if len(row) > index and row[index]] for index in range(len(cells))]
    is_data = [bool(column) and all(_DATA.match(cell) for cell in column) for column in held]
    if any(is_data):
        return all(_DATA.match(cell) for cell, data in zip(cells, is_data, strict=True) if data)
    return bool(cells[0]) and " " not in cells[0]


def _mask(cell: str) -> str:
    """The shape of a cell: "u17" and "u204" are both "a9"."""
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "9", cell))


def _read_records(text: str, splitting: _Splitting) -> Records:
    """The first records, at least one; reading stops at a broken one, which DuckDB names in the full read."""
    separator, quote = splitting.separator, splitting.quote
    if len(separator) > 1:
        return tuple(tuple(line.split(separator)) for line in text.split("\n")[:_MAX_RECORDS] if line) or ((text,),)
    style: dict[str, object] = {"quoting": csv.QUOTE_NONE} if not quote else {"quotechar": quote}
    if quote and splitting.escape != quote:
        style |= {"doublequote": False, "escapechar": splitting.escape or None}
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, **style)  # type: ignore[arg-type]
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
