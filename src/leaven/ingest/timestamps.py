"""Parses the times of a log into seconds since 1970 (UTC) and nanoseconds within the second."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from leaven.errors import DataError, SpecError
from leaven.ingest.cell_parsing import parse_text
from leaven.ingest.time_formats import (
    CALENDAR_UNITS,
    COMPACT_FORMATS,
    COUNTED_UNITS,
    ISO,
    LARGEST,
    ORDER,
    PER_SECOND,
    SHORT_COMPACT_FORMATS,
    SMALLEST_UNIX,
    TEXT_FORMATS,
    describe_small_numbers,
    is_compact,
    is_plausible,
    unit_by_magnitude,
)
from leaven.sql import quote_literal

if TYPE_CHECKING:
    import duckdb

_WHOLE = ("BIGINT", "INTEGER", "SMALLINT", "TINYINT", "UBIGINT", "UINTEGER", "USMALLINT", "UTINYINT", "HUGEINT")
_NANO = 10**9
_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_799
"""The years 1 to 9999."""
_FRACTION = r"(:[0-9]{2})[.,]([0-9]+)"
_NUMBER_TYPE = "DECIMAL(38, 12)"
_MIN_NUMBERS = 0.5  # share of the cells from which on a column of texts counts as numbers


@dataclass(frozen=True)
class TimeRule:
    """The conversion of a column of times.

    seconds      SQL of BIGINT seconds since 1970
    nanosecond   SQL of the INTEGER nanoseconds within the second; "" where all are 0
    description  the assumption, for the facts
    unread       SQL condition of the lines whose cell is no time, where these are dropped; ""
    has_clock    whether the numbers are times, not only an order
    """

    seconds: str
    nanosecond: str
    description: str
    unread: str = ""
    has_clock: bool = True


class TimestampParser:
    """Finds the conversion of one time column of a table. `describe_line` names a line in errors.

    missing: words that mean no value. drop: lines without a readable time are left out instead of an error.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        table: str,
        column: str,
        name: str,
        describe_line: Callable[[int], str] = "line {}".format,
        missing: Sequence[str] | None = None,
        drop: bool = False,
    ) -> None:
        self.connection, self.table, self.column, self.name = connection, table, column, name
        self.describe_line, self.missing, self.drop = describe_line, missing, drop

    def find_rule(self, kind: str, time_format: str | None) -> TimeRule:
        """The conversion of a column of DuckDB type `kind`; `time_format` is the one that the user gave.

        Raises DataError for a column that holds no times, with the line; SpecError for an unknown format.
        """
        if kind.startswith(("TIMESTAMP", "DATE")):
            return self._convert_moments(kind)
        if kind in _WHOLE:
            number = f"CAST({self.column} AS {'HUGEINT' if kind in ('UBIGINT', 'HUGEINT') else 'BIGINT'})"
            return self._convert_whole(number, self.column, time_format)
        if kind in ("DOUBLE", "FLOAT") or kind.startswith("DECIMAL"):
            return self._convert_floats(kind, time_format)
        if kind != "VARCHAR" and not kind.startswith("ENUM"):
            fix = "give a column of dates, texts or numbers"
            raise DataError(f"{self.name}, column {self.column}", "times", f"a column of type {kind}", fix)
        text = parse_text(f"CAST({self.column} AS VARCHAR)", self.missing)
        if time_format is not None and not self._is_unit(time_format):
            return self._convert_format(text, time_format, f"{time_format}, given")
        whole = f"TRY_CAST({self.column} AS BIGINT)"  # which rounds fractions
        cells = f"count(nullif({self.column}, '')), count({whole}), min({whole}), max({whole})"
        cells += f", count(*) FILTER (WHERE contains({self.column}, '.'))"
        filled, whole_count, low, high, fractions = self._fetch_first(f"SELECT {cells} FROM {self.table}")
        if filled and filled == whole_count and not fractions:
            return self._convert_whole(whole, text, time_format, bounds=(low, high))
        return self._convert_mixed(text, time_format)

    def _is_unit(self, time_format: str) -> bool:
        return time_format in (*PER_SECOND, *COUNTED_UNITS, *CALENDAR_UNITS, ORDER)

    def _fetch_first(self, sql: str) -> tuple[Any, ...]:
        rows = self.connection.execute(sql).fetchall()
        return rows[0] if rows else ()

    def _convert_moments(self, kind: str) -> TimeRule:
        """TIMESTAMP of any precision, with or without a zone, and DATE."""
        if kind == "TIMESTAMP_NS":
            nanos = f"epoch_ns({self.column})"
            return self._build_rule(nanos, _NANO, kind.lower(), self.column)
        moment = self.column if "ZONE" in kind else f"CAST({self.column} AS TIMESTAMP)"
        finite = f"CASE WHEN isfinite({moment}) THEN epoch_us({moment}) END"
        return self._build_rule(finite, 10**6, kind.lower(), self.column)

    def _convert_mixed(self, text: str, time_format: str | None) -> TimeRule:
        """Texts that are not all whole numbers: numbers with a point, or times written as text."""
        number = f"TRY_CAST({text} AS {_NUMBER_TYPE})"
        filled, numbers = self._fetch_first(f"SELECT count({text}), count({number}) FROM {self.table}")
        if not filled:
            return TimeRule("CAST(NULL AS BIGINT)", "", "no times")
        if time_format is None and numbers <= _MIN_NUMBERS * filled:
            return self._convert_texts(text)
        if numbers < filled and time_format is None and not self.drop:
            is_number, is_other = f"{number} IS NOT NULL", f"{number} IS NULL AND {text} IS NOT NULL"
            raise self._mixed_error("a number", is_number, "not a number", is_other, text)
        unread = self._refuse(f"{text} IS NOT NULL AND {number} IS NULL", "a number", text) if numbers < filled else ""
        if self._fetch_first(f"SELECT 1 FROM {self.table} WHERE {number} <> floor({number}) LIMIT 1"):
            return self._convert_numbers(number, text, time_format, unread)
        return self._convert_whole(f"CAST({number} AS HUGEINT)", text, time_format, unread)

    def _convert_floats(self, kind: str, time_format: str | None) -> TimeRule:
        """Numbers with a point, exactly as they are written: 1.3 is 300 milliseconds."""
        column = self.column
        if kind.startswith("DECIMAL"):
            number, finite = f"CAST({column} AS {_NUMBER_TYPE})", column
        else:
            number = f"TRY_CAST(CAST({column} AS VARCHAR) AS {_NUMBER_TYPE})"
            finite = f"CASE WHEN NOT isnan({column}) THEN {column} END"
        unread = self._refuse(f"{finite} IS NOT NULL AND {number} IS NULL", "a finite number", column)
        if not self._fetch_first(f"SELECT 1 FROM {self.table} WHERE {number} IS NOT NULL LIMIT 1"):
            return TimeRule("CAST(NULL AS BIGINT)", "", "no times", unread)
        if self._fetch_first(f"SELECT 1 FROM {self.table} WHERE {number} <> floor({number}) LIMIT 1"):
            return self._convert_numbers(number, column, time_format, unread)
        return self._convert_whole(f"CAST({number} AS HUGEINT)", column, time_format, unread)

    def _measure(self, number: str, bounds: tuple[Any, Any] | None = None) -> tuple[Any, ...]:
        """Smallest, largest and middle number; the middle one of the first 100,000 lines."""
        low, high = bounds or self._fetch_first(f"SELECT min({number}), max({number}) FROM {self.table}")
        head = f"(SELECT * FROM {self.table} LIMIT 100000)"
        return low, high, self._fetch_first(f"SELECT median({number}) FROM {head}")[0]

    def _convert_whole(
        self,
        number: str,
        shown: str,
        time_format: str | None,
        unread: str = "",
        bounds: tuple[Any, Any] | None = None,
    ) -> TimeRule:
        """Whole numbers: compact dates, or numbers of a unit."""
        low, high, middle = self._measure(number, bounds)
        if low is None:
            return TimeRule("CAST(NULL AS BIGINT)", "", "no times", unread)
        digits = f"CAST({number} AS VARCHAR)"
        if time_format is None and (form := self._find_compact(digits, int(low), int(high))):
            return self._convert_format(digits, form, f"{form}, inferred")
        if time_format is not None and not self._is_unit(time_format):
            return self._convert_format(digits, time_format, f"{time_format}, given")
        return self._convert_unit(number, shown, time_format, (low, high, middle), unread)

    def _convert_numbers(self, number: str, shown: str, time_format: str | None, unread: str) -> TimeRule:
        """Numbers of a unit with fractions."""
        if time_format is not None and not self._is_unit(time_format):
            wanted = "a format for texts only where times are texts"
            raise SpecError("time_format", wanted, repr(time_format), "give a unit: s, ms, days …")
        return self._convert_unit(number, shown, time_format, self._measure(number), unread)

    def _find_compact(self, digits: str, low: int, high: int) -> str:
        """The format of dates without separators, "" where the numbers are none.

        Raises DataError for numbers that read as dates with two-digit years or with the day first.
        """
        length = len(str(high))
        if low < 0 or len(str(low)) != length or length not in COMPACT_FORMATS:
            return ""
        forms = COMPACT_FORMATS[length]
        is_full = is_compact(str(low)) and is_compact(str(high)) and self._all_parse(digits, forms)
        unit = unit_by_magnitude(low)
        is_unix = low > SMALLEST_UNIX and is_plausible(low / PER_SECOND[unit])
        is_unix = is_unix and is_plausible(high / PER_SECOND[unit])
        short = [form for form in SHORT_COMPACT_FORMATS.get(length, ()) if self._all_parse(digits, form)]
        if is_full and not (length == 6 and short):
            return forms
        if short and not is_unix:
            forms_known = ", ".join([*[forms] * is_full, *short])
            got = f"{low}, which reads as a date in the format {forms_known}"
            fix = f"give time_format = '{short[0]}', or 'order' where the numbers only order the events"
            raise DataError(f"{self.name}, column {self.column}", "a time with one reading", got, fix)
        return ""

    def _all_parse(self, digits: str, form: str) -> bool:
        """Whether all numbers are dates of a format, between 1970 and 2100."""
        parsed = f"try_strptime({digits}, {quote_literal(form)})"
        odd = f"{parsed} IS NULL OR year({parsed}) NOT BETWEEN 1970 AND 2100"
        return not self._fetch_first(f"SELECT 1 FROM {self.table} WHERE {digits} IS NOT NULL AND ({odd}) LIMIT 1")

    def _convert_unit(
        self, number: str, shown: str, time_format: str | None, bounds: tuple[Any, ...], unread: str
    ) -> TimeRule:
        """Numbers of a unit, given or inferred by their size."""
        low, high, middle = (float(one) for one in bounds)
        unit = time_format or self._infer_unit(low, high, middle)
        given = "given" if time_format else "inferred from the size"
        if unit == ORDER:
            text = f"numbers {low:g} to {high:g}, which only order the events: no clock, {given}"
            return self._build_rule(number, 1, text, shown, unread, has_clock=False, bounds=(low, high))
        if unit in COUNTED_UNITS:
            return self._convert_counted(number, shown, unit, given, unread)
        if unit in CALENDAR_UNITS:
            year = f"CAST({number} AS BIGINT)" if unit == "years" else f"1970 + CAST(floor({number} / 12) AS BIGINT)"
            month = "1" if unit == "years" else f"1 + CAST({number} - 12 * floor({number} / 12) AS BIGINT)"
            moment = f"epoch_us(CAST(TRY(make_date({year}, {month}, 1)) AS TIMESTAMP))"
            return self._build_rule(moment, 10**6, f"{CALENDAR_UNITS[unit]}, {given}", shown, unread)
        if time_format is None:
            unread = self._check_one_unit(number, unit, shown, low, high) or unread
        says = f"Unix time in {unit}, {given}"
        return self._build_rule(number, PER_SECOND[unit], says, shown, unread, bounds=(low, high))

    def _infer_unit(self, low: float, high: float, middle: float) -> str:
        """Raises DataError for small numbers that are most likely days, hours, months or years."""
        if low >= 6.2e17 and high <= 6.7e17:
            return "ticks"
        if low >= 1.2e17 and high <= 1.45e17:
            return "filetime"
        if middle > SMALLEST_UNIX or low < -SMALLEST_UNIX:
            return unit_by_magnitude(middle)
        if fix := describe_small_numbers(low, high):
            where = f"{self.name}, column {self.column}"
            raise DataError(where, "times", f"numbers from {low:g} to {high:g}, too small for Unix times", fix)
        return ORDER

    def _convert_counted(self, number: str, shown: str, unit: str, given: str, unread: str) -> TimeRule:
        """Counts of days, hours, ticks; to the nanosecond."""
        counted = COUNTED_UNITS[unit]
        exact = f"CAST(round(CAST({number} AS DECIMAL(38, 12)) * {counted.scale}) AS HUGEINT)"
        if counted.scale < _NANO:
            exact = f"CAST({number} AS HUGEINT) * {counted.scale}"
        nanos = f"({exact} - {counted.offset} * CAST({_NANO} AS HUGEINT))"
        return self._build_rule(nanos, _NANO, f"{counted.name}, {given}", shown, unread)

    def _check_one_unit(self, number: str, unit: str, shown: str, low: float, high: float) -> str:
        """Raises DataError for a column of two units: read as one, half of the events would lie in the far future."""
        order = list(PER_SECOND)
        rank = order.index(unit)
        limit = LARGEST.get(unit, 1e20)
        if -limit < low and high < limit and (not rank or low >= LARGEST[order[rank - 1]]):
            return ""
        other = f"abs({number}) >= {limit:.0f}"
        if rank:
            other += f" OR (abs({number}) < {LARGEST[order[rank - 1]]:.0f} AND abs({number}) > {SMALLEST_UNIX:.0f})"
        if not self._fetch_first(f"SELECT 1 FROM {self.table} WHERE {other} LIMIT 1"):
            return ""
        if self.drop:
            return other
        raise self._mixed_error(f"Unix time in {unit}", f"NOT ({other})", "another unit", f"({other})", shown)

    def _convert_texts(self, text: str) -> TimeRule:
        """Texts in the only known format that reads all of them, or with `drop` most of them."""
        seconds, fraction = text, ""
        if self._fetch_first(f"SELECT 1 FROM {self.table} WHERE regexp_matches({self.column}, '{_FRACTION}') LIMIT 1"):
            seconds = f"regexp_replace({text}, '{_FRACTION}', '\\1')"
            fraction = f"coalesce(regexp_extract({text}, '{_FRACTION}', 2), '')"
        parses = {ISO: _with_year(f"TRY_CAST({seconds} AS TIMESTAMPTZ)")}
        parses |= {form: _with_year(f"try_strptime({seconds}, {quote_literal(form)})") for form in TEXT_FORMATS}
        counts = self._count_parsed(seconds, parses)
        total, best = counts["total"], max(parses, key=lambda form: counts[form])
        whole = [form for form in parses if counts[form] == total]
        if not whole and not (self.drop and counts[best]):
            raise self._unread_error(text, parses, counts, best)
        whole = whole or [form for form in parses if counts[form] == counts[best]]
        for other in whole[1:]:
            if not self._are_equal(parses[whole[0]], parses[other]):
                got = f"values that read as {whole[0]!r} and as {other!r}"
                raise DataError(self.name, "dates with one reading", got, f"choose one: time_format = {whole[0]!r}")
        parsed = parses[whole[0]]
        unread = f"{text} IS NOT NULL AND {parsed} IS NULL" if counts[whole[0]] < total else ""
        says = f"{whole[0]}, inferred; times without a zone are UTC"
        if not fraction:
            return self._build_rule(f"epoch_us({parsed})", 10**6, says, text, unread)
        nano = f"CAST(rpad(left({fraction}, 9), 9, '0') AS INTEGER)"
        rule = self._build_rule(f"epoch_us({parsed})", 10**6, says, text, unread)
        is_whole = not self._fetch_first(
            f"SELECT 1 FROM {self.table} WHERE {parsed} IS NOT NULL AND {nano} > 0 LIMIT 1"
        )
        return TimeRule(rule.seconds, "" if is_whole else nano, says, rule.unread)

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
            line, value = self._find_line(f"{text} IS NOT NULL", text)
            fix = "give time_format, such as '%d/%m/%Y %H:%M', or on_bad_line = 'drop'"
            return DataError(f"{self.name}, {self.describe_line(line)}", "a time", repr(value), fix)
        left = f"{text} IS NOT NULL AND {parses[best]} IS NULL"
        return self._mixed_error(f"read as {best}", f"{parses[best]} IS NOT NULL", "unreadable by it", left, text)

    def _convert_format(self, text: str, form: str, says: str) -> TimeRule:
        """Texts in a given format. Raises SpecError for a format that strptime does not know."""
        import duckdb

        parsed = f"try_strptime({text}, {quote_literal(form)})"
        try:
            self._fetch_first(f"SELECT try_strptime('x', {quote_literal(form)})")
        except duckdb.Error as error:
            fix = f"a format such as '%d/%m/%Y %H:%M', or a unit: {', '.join((*PER_SECOND, *COUNTED_UNITS))} …"
            raise SpecError("time_format", "a strptime format", repr(form), fix) from error
        unread = self._refuse(f"{text} IS NOT NULL AND {parsed} IS NULL", f"a time like {form}", text)
        if "%n" in form:
            return self._build_rule(f"epoch_ns({parsed})", _NANO, says, text, unread)
        return self._build_rule(f"epoch_us({parsed})", 10**6, says, text, unread)

    def _build_rule(
        self,
        number: str,
        per_second: int,
        says: str,
        shown: str,
        unread: str = "",
        has_clock: bool = True,
        bounds: tuple[float, float] | None = None,
    ) -> TimeRule:
        """The rule for numbers of parts of a second. Raises DataError for times outside the years 1 to 9999."""
        is_whole = "DECIMAL" not in number or "HUGEINT" in number
        if per_second == 1:
            seconds, rest = f"CAST(floor({number}) AS BIGINT)", f"({number} - floor({number}))"
            seconds, rest = (f"CAST({number} AS BIGINT)", "0") if is_whole else (seconds, rest)
        else:
            rest = f"((({number}) % {per_second} + {per_second}) % {per_second})"  # % has the sign of its left side
            seconds = f"CAST((({number}) - {rest}) // {per_second} AS BIGINT)"
            if not is_whole:
                seconds = f"CAST(round((({number}) - {rest}) / {per_second}) AS BIGINT)"
        far = self._find_far(number, per_second, bounds)
        if far:
            unread = " OR ".join(filter(None, (unread, self._refuse(far, "a time in the years 1 to 9999", shown))))
        if rest == "0" or not self._fetch_first(f"SELECT 1 FROM {self.table} WHERE {rest} <> 0 LIMIT 1"):
            return TimeRule(seconds, "", says, unread, has_clock)
        nanosecond = f"CAST(floor({rest} * {_NANO // per_second}) AS INTEGER)"
        return TimeRule(seconds, nanosecond, says, unread, has_clock)

    def _find_far(self, number: str, per_second: int, bounds: tuple[float, float] | None) -> str:
        """The condition of numbers beyond the calendar; "" where there are none."""
        low, high = bounds or self._fetch_first(f"SELECT min({number}), max({number}) FROM {self.table}")
        first, last = _FIRST_SECOND * per_second, _LAST_SECOND * per_second
        if low is None or (math.floor(low) >= first and math.floor(high) <= last):
            return ""
        return f"({number} < {first} OR {number} > {last})"

    def _find_line(self, condition: str, shown: str) -> tuple[int, str]:
        found = self._fetch_first(
            f"SELECT line, CAST({shown} AS VARCHAR) FROM {self.table} WHERE {condition} ORDER BY line LIMIT 1"
        )
        return (int(str(found[0])), str(found[1])) if found else (0, "")

    def _refuse(
        self, condition: str, wanted: str, shown: str, fix: str = "correct it, leave it empty, or on_bad_line = 'drop'"
    ) -> str:
        """Raises DataError for the first line of a condition; with `drop`, returns the condition, or "" without any."""
        line, value = self._find_line(condition, shown)
        if line and not self.drop:
            raise DataError(f"{self.name}, {self.describe_line(line)}", wanted, repr(value), fix)
        return condition if line else ""

    def _mixed_error(self, first: str, is_first: str, second: str, is_second: str, shown: str) -> DataError:
        line, value = self._find_line(is_first, shown)
        other, odd = self._find_line(is_second, shown)
        got = f"{value!r} in {self.describe_line(line)} ({first}) and {odd!r} in {self.describe_line(other)} ({second})"
        return DataError(
            f"{self.name}, {self.describe_line(max(line, other))}",
            "times in one format",
            got,
            "write all in one format, clear the others, or on_bad_line = 'drop'",
        )


def _with_year(moment: str) -> str:
    """The moment, NULL where a two-digit year was read as one of the first centuries."""
    return f"CASE WHEN year({moment}) >= 1000 THEN {moment} END"
