"""Parses the times of a log into seconds since 1970 (UTC)."""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from leaven.errors import DataError
from leaven.sql import quote_literal

if TYPE_CHECKING:
    import duckdb

_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_LARGEST = {"s": 1e11, "ms": 1e14, "us": 1e17}
"""Below 1e11, seconds reach the year 5138; milliseconds start in 1973 there."""
_WHOLE = ("BIGINT", "INTEGER", "SMALLINT", "UBIGINT", "UINTEGER")
_DAY = re.compile(r"^(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])$")
_NUMBER = re.compile(r"^[+-]?\d+(\.\d*)?([eE][+-]?\d+)?$")
_ISO = re.compile(r"^\d{4}-\d\d?-\d\d?([ T]\d\d?:\d\d.*)?$")
_OTHER = re.compile(r"^(\d{1,2}[/.-]\d{1,2}[/.-]\d{2,4}|\d{4}[/.]\d{1,2}[/.]\d{1,2})(\s.*)?$")
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
_DATES = ("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%Y/%m/%d", "%Y.%m.%d", "%d/%m/%y", "%m/%d/%y", "%d.%m.%y")
_FORMATS = tuple(date + clock for date in _DATES for clock in _CLOCKS)
ISO = "ISO 8601"


@dataclass(frozen=True)
class TimeRule:
    """sql: converts the column to BIGINT seconds; description: the assumption, for the facts."""

    sql: str
    description: str


def _unit_by_magnitude(value: float) -> str:
    """The unit of a Unix time, by its size: "s", "ms", "us" or "ns"."""
    return next((unit for unit, limit in _LARGEST.items() if abs(value) < limit), "ns")


def infer_time_unit(cells: list[str]) -> str:
    """ "s", "ms" …, "%Y%m%d", or "text" of a few values of one column; "" where they are not times.

    >>> infer_time_unit(["2011-12-09 12:50:00"]), infer_time_unit(["1318896000"]), infer_time_unit(["42"])
    ('text', 's', '')
    """
    if not cells:
        return ""
    if all(_DAY.match(cell) for cell in cells):
        return "%Y%m%d"
    if all(_NUMBER.match(cell) for cell in cells):
        middle = statistics.median(float(cell) for cell in cells)
        return _unit_by_magnitude(middle) if middle > 1e8 else ""
    return "text" if all(_ISO.match(cell) or _OTHER.match(cell) for cell in cells) else ""


class TimestampParser:
    """Finds the conversion of one time column of a table. `describe_line` names a line in errors."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        table: str,
        column: str,
        name: str,
        describe_line: Callable[[int], str] = "line {}".format,
    ) -> None:
        self.connection, self.table, self.column, self.name = connection, table, column, name
        self.describe_line = describe_line

    def find_rule(self, kind: str, time_format: str | None) -> TimeRule:
        """The conversion of a column of DuckDB type `kind`; `time_format` is the one that the user gave."""
        if kind.startswith(("TIMESTAMP", "DATE")):
            moment = self.column if "ZONE" in kind else f"CAST({self.column} AS TIMESTAMP)"
            return TimeRule(_epoch_seconds(moment), kind.lower())
        if kind != "VARCHAR":
            return self._convert_numbers(self.column, time_format, whole=kind in _WHOLE)
        text = f"nullif(trim({self.column}), '')"
        if time_format in _PER_SECOND or (time_format is None and self._is_numeric(text)):
            return self._convert_numbers(f"TRY_CAST({text} AS DOUBLE)", time_format, text)
        return self._convert_texts(text, time_format)

    def _fetch_first(self, sql: str) -> tuple[object, ...]:
        rows = self.connection.execute(sql).fetchall()
        return rows[0] if rows else ()

    def _is_numeric(self, text: str) -> bool:
        odd = self._fetch_first(
            f"SELECT 1 FROM {self.table} WHERE {text} IS NOT NULL AND TRY_CAST({text} AS DOUBLE) IS NULL LIMIT 1"
        )
        if not odd:
            return True
        number = f"CAST(TRY_CAST({text} AS DOUBLE) IS NOT NULL AS DOUBLE)"
        share = self._fetch_first(f"SELECT avg({number}) FROM {self.table} WHERE {text} IS NOT NULL")
        if float(str(share[0])) > 0.5:
            raise self._mixed_error(
                "a Unix time",
                f"TRY_CAST({text} AS DOUBLE) IS NOT NULL",
                "not a number",
                f"TRY_CAST({text} AS DOUBLE) IS NULL",
                text,
            )
        return False

    def _convert_numbers(
        self, number: str, time_format: str | None, text: str | None = None, whole: bool = False
    ) -> TimeRule:
        shown = text or self.column
        if text is not None:
            self._refuse(f"{text} IS NOT NULL AND {number} IS NULL", "a number", shown)
        low, high, middle = self._fetch_first(
            f"SELECT min({number}), max({number}), median({number}) FROM (SELECT * FROM {self.table} LIMIT 100000)"
        )
        if (
            time_format is None
            and low is not None
            and _DAY.match(str(int(float(str(low)))))
            and _DAY.match(str(int(float(str(high)))))
        ):
            day = f"CAST(CAST({number} AS BIGINT) AS VARCHAR)"
            return self._convert_format(day, "%Y%m%d", "days written as YYYYMMDD")
        unit = time_format or _unit_by_magnitude(float(str(middle or 0)))
        if unit not in _PER_SECOND:
            return self._convert_format(f"CAST(CAST({number} AS BIGINT) AS VARCHAR)", unit, unit)
        if time_format is None:
            self._check_one_unit(number, unit, shown)
        sql = f"floor({number})" if unit == "s" else f"floor({number} / {_PER_SECOND[unit]}.0)"
        given = "given" if time_format else "inferred from the _unit_by_magnitude"
        return TimeRule(f"CAST({number if whole and unit == 's' else sql} AS BIGINT)", f"Unix time in {unit}, {given}")

    def _check_one_unit(self, number: str, unit: str, shown: str) -> None:
        """Raises DataError for a column of two units: read as one, half of the events would lie in the far future."""
        order = list(_PER_SECOND)
        rank = order.index(unit)
        limit = _LARGEST.get(unit, 1e20)
        other = f"abs({number}) >= {limit}"
        if rank:
            other += f" OR (abs({number}) < {_LARGEST[order[rank - 1]]} AND abs({number}) > 1e8)"
        if self._fetch_first(f"SELECT 1 FROM {self.table} WHERE {other} LIMIT 1"):
            raise self._mixed_error(f"Unix time in {unit}", f"NOT ({other})", "another unit", f"({other})", shown)

    def _convert_texts(self, text: str, time_format: str | None) -> TimeRule:
        if time_format is not None:
            return self._convert_format(text, time_format, f"{time_format}, given")
        if not self._fetch_first(f"SELECT 1 FROM {self.table} WHERE {text} IS NOT NULL LIMIT 1"):
            return TimeRule("CAST(NULL AS BIGINT)", "no times")
        parses = {ISO: f"TRY_CAST({text} AS TIMESTAMPTZ)"}
        parses |= {form: f"try_strptime({text}, {quote_literal(form)})" for form in _FORMATS}
        counts = self._count_parsed(text, parses)
        total, best = counts["total"], max(parses, key=lambda form: counts[form])
        whole = [form for form in parses if counts[form] == total]
        if not whole:
            raise self._unread_error(text, parses, counts, best)
        if len(whole) > 1 and not self._are_equal(parses[whole[0]], parses[whole[1]]):
            got = f"values that read as {whole[0]!r} and as {whole[1]!r}"
            raise DataError(self.name, "dates with one reading", got, f"choose one: time_format = {whole[0]!r}")
        return TimeRule(_epoch_seconds(parses[whole[0]]), f"{whole[0]}, inferred; times without a zone are UTC")

    def _count_parsed(self, text: str, parses: dict[str, str]) -> dict[str, int]:
        """Counts the distinct texts per format; formats that fail on the first 1000 are not tried on all."""
        texts = f"(SELECT DISTINCT {text} AS t FROM {self.table} WHERE {text} IS NOT NULL)"
        cells = ", ".join(f"count({sql.replace(text, 't')})" for sql in parses.values())
        row = self._fetch_first(f"SELECT count(*), {cells} FROM (SELECT * FROM {texts} LIMIT 1000)")
        some = [form for form, hit in zip(parses, row[1:], strict=True) if int(str(hit))] or [ISO]
        cells = ", ".join(f"count({parses[form].replace(text, 't')})" for form in some)
        row = self._fetch_first(f"SELECT count(*), {cells} FROM {texts}")
        counts = dict.fromkeys(parses, 0) | {form: int(str(hit)) for form, hit in zip(some, row[1:], strict=True)}
        return counts | {"total": int(str(row[0]))}

    def _are_equal(self, one: str, other: str) -> bool:
        return not self._fetch_first(
            f"SELECT 1 FROM {self.table} WHERE CAST({one} AS TIMESTAMPTZ) <> CAST({other} AS TIMESTAMPTZ) LIMIT 1"
        )

    def _unread_error(self, text: str, parses: dict[str, str], counts: dict[str, int], best: str) -> DataError:
        if not counts[best]:
            self._refuse(f"{text} IS NOT NULL", "a time", text, "give time_format, such as '%d/%m/%Y %H:%M'")
        left = f"{text} IS NOT NULL AND {parses[best]} IS NULL"
        return self._mixed_error(f"read as {best}", f"{parses[best]} IS NOT NULL", "unreadable by it", left, text)

    def _convert_format(self, text: str, form: str, said: str) -> TimeRule:
        parsed = f"try_strptime({text}, {quote_literal(form)})"
        self._refuse(f"{text} IS NOT NULL AND {parsed} IS NULL", f"a time like {form}", text)
        return TimeRule(_epoch_seconds(parsed), said)

    def _find_line(self, condition: str, shown: str) -> tuple[int, str]:
        found = self._fetch_first(
            f"SELECT line, CAST({shown} AS VARCHAR) FROM {self.table} WHERE {condition} ORDER BY line LIMIT 1"
        )
        return (int(str(found[0])), str(found[1])) if found else (0, "")

    def _refuse(
        self, condition: str, wanted: str, shown: str, fix: str = "correct it, or leave it empty where it is missing"
    ) -> None:
        line, value = self._find_line(condition, shown)
        if line:
            raise DataError(f"{self.name}, {self.describe_line(line)}", wanted, repr(value), fix)

    def _mixed_error(self, first: str, is_first: str, second: str, is_second: str, shown: str) -> DataError:
        line, value = self._find_line(is_first, shown)
        other, odd = self._find_line(is_second, shown)
        got = f"{value!r} in {self.describe_line(line)} ({first}) and {odd!r} in {self.describe_line(other)} ({second})"
        return DataError(
            f"{self.name}, {self.describe_line(max(line, other))}",
            "times in one format",
            got,
            "write all in one format, or clear the others",
        )


def _epoch_seconds(moment: str) -> str:
    return f"CAST(floor(epoch({moment})) AS BIGINT)"
