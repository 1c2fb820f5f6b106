"""Reads mutated logs, and compares every event with an independent reader: the csv module and exact fractions.

    python -m bench.reading_fuzz --files 10000

A file is written in a random form (separator, line ends, quoting, time unit), and in most files some bytes are
changed. It has to be read like the independent reader reads it, or refused with one error. Any other exception is a
crash, and any difference a silent loss.
"""

from __future__ import annotations

import argparse
import csv
import io
import tempfile
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from leaven import rng
from leaven.errors import LeavenError
from leaven.ingest import LogSource, ReadingOptions, read_events
from leaven.ingest.cell_parsing import MISSING_IDS, MISSING_WORDS

COLUMNS = {"user": "user_id", "item": "item_id", "time": "timestamp"}
_SEPARATORS, _ENDS = (",", ";", "\t", "|"), ("\n", "\r\n")
_UNITS = {"s": 1, "ms": 1000, "us": 10**6, "ns": 10**9}
_MISSING = (*MISSING_WORDS, *MISSING_IDS)


@dataclass(frozen=True)
class FuzzedFile:
    """The bytes of a log, and the form that it was written in."""

    content: bytes
    separator: str
    unit: str


def write_file(key: int) -> FuzzedFile:
    """A log of some lines in a form that the key chooses, with up to 3 changed bytes."""
    draw = rng.make_generator(key)
    separator, end = _SEPARATORS[draw.integers(4)], _ENDS[draw.integers(2)]
    unit, fraction = list(_UNITS)[draw.integers(4)], bool(draw.random() < 0.3)
    quoting = csv.QUOTE_ALL if draw.random() < 0.3 else csv.QUOTE_MINIMAL
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, lineterminator=end, quoting=quoting)
    writer.writerow([*COLUMNS.values(), "note"])
    words = ["plain", "a, b", 'say "x"', "two words", "é", "张三", "", "1;2"]
    for _ in range(int(draw.integers(1, 12))):
        time = str(int(draw.integers(1_500_000_000, 1_600_000_000)) * _UNITS[unit] + int(draw.integers(_UNITS[unit])))
        time += f".{draw.integers(1, 1000)}" if fraction and unit == "s" else ""
        writer.writerow([f"u{draw.integers(5)}", f"i{draw.integers(9)}", time, words[draw.integers(len(words))]])
    content = bytearray(out.getvalue().encode())
    if draw.random() < 0.8:
        for _ in range(int(draw.integers(1, 4))):
            low, high = (9, 127) if draw.random() < 0.85 else (0, 256)  # most other bytes are no UTF-8
            content[int(draw.integers(len(content)))] = int(draw.integers(low, high))
    return FuzzedFile(bytes(content), separator, unit)


def read_independently(file: FuzzedFile) -> list[tuple[str | None, str | None, Fraction | None]] | None:
    """User, item and time of each record; None where a record has another width or holds no such cells."""
    try:
        text = file.content.decode("utf-8-sig")
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=file.separator, strict=True) if row]
        found = []
        for row in rows[1:]:
            if len(row) != len(rows[0]):
                return None
            user, item, time = (_clean(cell) for cell in row[:3])
            found.append((user, item, None if time is None else Fraction(time) / _UNITS[file.unit]))
        return found
    except (UnicodeDecodeError, csv.Error, ValueError, IndexError, ZeroDivisionError):
        return None


def _clean(cell: str) -> str | None:
    text = cell.strip(" \t\r\n")
    return None if text.lower() in _MISSING else text


def check_file(file: FuzzedFile, path: Path) -> str:
    """ "read", "refused", or a description of a crash or a silent loss."""
    path.write_bytes(file.content)
    options = ReadingOptions(separator=file.separator, encoding="utf-8-sig", header=True, time_format=file.unit)
    try:
        events = read_events(LogSource(path, COLUMNS, options))
    except LeavenError:
        return "refused"
    except Exception as error:
        return f"crash: {type(error).__name__} {str(error)[:200]}"
    nano = "nanosecond" if "nanosecond" in events.columns else "0"
    sql = f'SELECT "user", item, time, {nano} FROM events ORDER BY line'
    rows = events.connection.execute(sql).fetchall()
    events.connection.close()
    found = [(user, item, None if time is None else time + Fraction(part, 10**9)) for user, item, time, part in rows]
    expected = read_independently(file)
    if expected is None:
        return "read otherwise"
    return "read" if _are_equal(found, expected) else f"loss: {found} instead of {expected}"


def _are_equal(found: list[tuple[object, ...]], expected: list[tuple[object, ...]]) -> bool:
    """Whether ids are equal, but for Unicode forms, and times to the nanosecond."""
    if len(found) != len(expected):
        return False
    for (_, _, time), (_, _, other) in zip(found, expected, strict=True):
        if (time is None) != (other is None):
            return False
        if isinstance(time, Fraction) and isinstance(other, Fraction) and abs(time - other) >= Fraction(1, 10**9):
            return False
    ids = [
        [tuple(str(one).isascii() and str(one).isprintable() and one for one in row[:2]) for row in rows]
        for rows in (found, expected)
    ]
    return all(a == b or not (all(a) and all(b)) for a, b in zip(*ids, strict=True))


def check_files(files: int, seed: int = 7) -> Counter[str]:
    """The number of files by their result; the descriptions of crashes and losses are keys."""
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(files):
            result = check_file(write_file(rng.derive_key(seed, "reading_fuzz", number)), Path(folder) / "log.csv")
            found[result if result.startswith(("read", "refused")) else f"file {number}: {result}"] += 1
    return found


def main(arguments: list[str] | None = None) -> None:
    """Print the counts; exit 1 for a crash or a silent loss."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args(arguments)
    found = check_files(options.files, options.seed)
    for result, count in found.most_common():
        print(f"{count:7,} {result}")
    if set(found) - {"read", "refused", "read otherwise"}:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
