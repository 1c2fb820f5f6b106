"""Formats of times: texts, Unix times, digits without separators, and counts of days, hours and other units."""

from __future__ import annotations

import re
import statistics
import time
from dataclasses import dataclass

PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
"""Units of Unix times, in the order of their size."""
LARGEST = {"s": 1e11, "ms": 1e14, "us": 1e17}
"""Below 1e11, seconds reach the year 5138; milliseconds start in 1973 there."""
SMALLEST_UNIX = 1e8
"""Smaller numbers, as seconds before March 1973, are no Unix times."""
ISO = "ISO 8601"


@dataclass(frozen=True)
class CountedUnit:
    """A unit that is counted from a day. scale: nanoseconds of one; offset: seconds from its zero to 1970."""

    scale: int
    offset: int
    name: str


_DAY_SECONDS = 86_400
COUNTED_UNITS = {
    "minutes": CountedUnit(60 * 10**9, 0, "minutes since 1970"),
    "hours": CountedUnit(3_600 * 10**9, 0, "hours since 1970"),
    "days": CountedUnit(_DAY_SECONDS * 10**9, 0, "days since 1970"),
    "excel": CountedUnit(_DAY_SECONDS * 10**9, 25_569 * _DAY_SECONDS, "days since 1900, as Excel counts them"),
    "ticks": CountedUnit(100, 62_135_596_800, "ticks of .NET: 100 nanoseconds since the year 1"),
    "filetime": CountedUnit(100, 11_644_473_600, "times of Windows: 100 nanoseconds since 1601"),
}
"""Units other than those of Unix times."""
CALENDAR_UNITS = {"months": "months since 1970", "years": "years"}
ORDER = "order"
"""Numbers that order the events of a user and are no times."""

COMPACT_FORMATS = {6: "%Y%m", 8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S", 17: "%Y%m%d%H%M%S%g"}
"""Number of digits -> the format of a date without separators."""
SHORT_COMPACT_FORMATS = {6: ("%y%m%d",), 8: ("%d%m%Y", "%m%d%Y"), 10: ("%y%m%d%H%M",), 12: ("%y%m%d%H%M%S",)}
"""Number of digits -> formats that look like other numbers, and are asked about."""
_COMPACT = re.compile(r"^(19|20)\d\d(0[1-9]|1[0-2])((0[1-9]|[12]\d|3[01])([01]\d|2[0-3])?([0-5]\d){0,2}(\d{3})?)?$")

_CLOCKS: tuple[str, ...] = (
    "",
    " %H:%M",
    " %H:%M:%S",
    " %I:%M %p",
    " %I:%M:%S %p",
    " %I:%M%p",
    " %H:%M:%S %z",
    " %H:%M:%S%z",
)
_CLOCKS += (", %H:%M", ", %H:%M:%S", ", %I:%M %p", ", %I:%M:%S %p", "T%H:%M:%S", "T%H:%M:%S%z", " %H:%M:%S UTC")
_DATES: tuple[str, ...] = (
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d.%m.%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%d/%m/%y",
    "%m/%d/%y",
)
_DATES += ("%d.%m.%y", "%y/%m/%d", "%d-%m-%y", "%m-%d-%y", "%d %b %Y", "%d %B %Y", "%b %d %Y", "%B %d %Y", "%b %d, %Y")
_DATES += ("%B %d, %Y", "%d-%b-%Y", "%d-%b-%y", "%d %b %y", "%d/%b/%Y", "%m %d, %Y", "%Y年%m月%d日")
_WHOLE: tuple[str, ...] = (
    "%a %b %d %H:%M:%S %z %Y",
    "%a %b %d %H:%M:%S %Y",
    "%a %b %d %H:%M:%S UTC %Y",
    "%a %b %d %H:%M:%S GMT %Y",
)
_WHOLE += ("%a, %d %b %Y %H:%M:%S %z", "%a, %d %b %Y %H:%M:%S GMT", "%a, %d %b %Y %H:%M:%S", "%d/%b/%Y:%H:%M:%S %z")
_WHOLE += ("%a %b %d %Y %H:%M:%S GMT%z", "%a %b %d %Y", "%Y%m%dT%H%M%SZ", "%Y%m%dT%H%M%S", "%Y%m%d %H:%M:%S")
_WHOLE += ("%Y%m%d %H%M%S", "%Y-%m", "%Y-%m-%d %I:%M %p", "%Y-%m-%d %I:%M:%S %p", "%Y-%m-%d-%H-%M-%S")
_WHOLE += ("%Y-%m-%d %H:%M:%S %Z", "%Y年%m月%d日 %H时%M分%S秒", "%Y年%m月%d日%H时%M分%S秒", "%Y-%m-%d-%H.%M.%S")
TEXT_FORMATS = tuple(date + clock for date in _DATES for clock in _CLOCKS) + _WHOLE
"""Formats of times written as text, next to ISO 8601."""

_NUMBER = re.compile(r"^[+-]?\d+(\.\d*)?([eE][+-]?\d+)?$")
_ISO = re.compile(r"^\d{4}-\d\d?-\d\d?([ T]\d\d?:\d\d.*)?$")
_OTHER = re.compile(r"^(\d{1,2}[/.-]\d{1,2}[/.-]\d{2,4}|\d{4}[/.]\d{1,2}[/.]\d{1,2})(,?\s.*)?$")
_NAMED = re.compile(
    r"^((Mon|Tue|Wed|Thu|Fri|Sat|Sun)\w*,? )?"
    r"(\d{1,2}[ /-])?(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\w*[ /-].*\d.*$"
)
_FIRST_PLAUSIBLE = 631_152_000  # 1990: no log of users is older
_YEAR_SECONDS = 366 * _DAY_SECONDS


def unit_by_magnitude(value: float) -> str:
    """The unit of a Unix time, by its size: "s", "ms", "us" or "ns"."""
    return next((unit for unit, limit in LARGEST.items() if abs(value) < limit), "ns")


def is_compact(text: str) -> bool:
    """Whether digits are a date without separators, such as 20200926 or 202009260708."""
    return len(text) in COMPACT_FORMATS and _COMPACT.match(text) is not None


def is_plausible(seconds: float) -> bool:
    """Whether a time is later than 1989 and at most a year from now."""
    return _FIRST_PLAUSIBLE <= seconds < time.time() + _YEAR_SECONDS


def infer_time_unit(cells: list[str]) -> str:
    """ "s", "ms" …, a compact format, or "text" of a few values of one column; "" where they are not times.

    >>> infer_time_unit(["2011-12-09 12:50:00"]), infer_time_unit(["1318896000"]), infer_time_unit(["42"])
    ('text', 's', '')
    """
    if not cells:
        return ""
    lengths = {len(cell) for cell in cells}
    if len(lengths) == 1 and min(lengths) > 6 and all(is_compact(cell) for cell in cells):
        return COMPACT_FORMATS[len(cells[0])]
    if all(_NUMBER.match(cell) and not re.match(r"0\d", cell) for cell in cells):
        middle = statistics.median(float(cell) for cell in cells)
        unit = unit_by_magnitude(middle)
        return unit if middle > SMALLEST_UNIX and is_plausible(middle / PER_SECOND[unit]) else ""
    return "text" if all(_ISO.match(one) or _OTHER.match(one) or _NAMED.match(one) for one in cells) else ""


def describe_small_numbers(low: float, high: float) -> str:
    """The unit that numbers below any Unix time most likely have, as a fix; "" where they only order events."""
    if low >= 1900 and high <= 2100:
        return "give time_format = 'years', or 'order' where the numbers only order the events"
    if low >= 10_000 and high <= 80_000:
        return "give time_format = 'days' (since 1970), 'excel' (since 1900), or 'order' where the numbers only order"
    if low >= 250_000 and high <= 800_000:
        return "give time_format = 'hours' (since 1970), or 'order' where the numbers only order the events"
    if low >= 15_000_000 and high <= 50_000_000:
        return "give time_format = 'minutes' (since 1970), or 'order' where the numbers only order the events"
    if low >= 240 and high <= 960:
        return "give time_format = 'months' (since 1970), or 'order' where the numbers only order the events"
    return ""
