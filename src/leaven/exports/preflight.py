"""Checks of a source against the rules of a target, before anything is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from leaven.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

_N_EXAMPLES = 3


@dataclass(frozen=True)
class Violation:
    """A rule of the target that the data break. count: number of values that break it; examples: some of them."""

    rule: str
    count: int
    examples: tuple[str, ...] = ()
    fix: str = ""


class ExportError(DataError):
    """The data break rules of the target; nothing is written. violations: all of them."""

    def __init__(self, target: str, violations: Sequence[Violation]) -> None:
        self.target, self.violations = target, tuple(violations)
        lines = [
            f"{one.rule}: {one.count:,}" + (f" (such as {', '.join(map(repr, one.examples))})" if one.examples else "")
            for one in violations
        ]
        fixes = dict.fromkeys(one.fix for one in violations if one.fix)
        super().__init__(
            f"export to {target}", "data that follow its rules", "\n    ".join(["", *lines]), "; ".join(fixes)
        )

    def __reduce__(self) -> tuple[type[ExportError], tuple[str, tuple[Violation, ...]]]:  # type: ignore[override]
        return type(self), (self.target, self.violations)


NUMBER_IDS = "--ids numbers writes 1, 2, 3 … instead of these ids, with a table of both"
"""The way out for ids that a target cannot hold."""


def find_pattern(values: pa.ChunkedArray, pattern: str, rule: str, fix: str = NUMBER_IDS) -> list[Violation]:
    """A violation where distinct texts match a regular expression (RE2)."""
    import pyarrow.compute as pc

    texts = _list_distinct(values)
    matching = texts.filter(pc.match_substring_regex(texts, pattern=pattern))
    return _report(rule, matching, fix)


def find_long_texts(values: pa.ChunkedArray, limit: int, rule: str, fix: str = NUMBER_IDS) -> list[Violation]:
    """A violation where distinct texts have more than `limit` characters."""
    import pyarrow.compute as pc

    texts = _list_distinct(values)
    return _report(rule, texts.filter(pc.greater(pc.utf8_length(texts), limit)), fix)


def find_out_of_range(column: pa.ChunkedArray, low: float, high: float, rule: str, fix: str = "") -> list[Violation]:
    """A violation where numbers are below `low`, above `high`, or NaN; nulls are allowed."""
    import pyarrow as pa
    import pyarrow.compute as pc

    numbers = column.drop_null() if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column.drop_null()])
    outside = pc.invert(pc.and_(pc.greater_equal(numbers, low), pc.less_equal(numbers, high)))
    return _report(rule, numbers.filter(outside), fix)


def find_shortage(count: int, minimum: int, rule: str, fix: str = "") -> list[Violation]:
    """A violation where a count is below a minimum; its count is what is missing."""
    return [Violation(f"{rule}, got {count:,}; missing", minimum - count, (), fix)] if count < minimum else []


def find_nulls(table: pa.Table, column: str, fix: str = "") -> list[Violation]:
    """A violation where a column is missing, or has nulls."""
    if column not in table.column_names:
        return [Violation(f"column {column!r} is needed; rows without it", len(table), (), fix)]
    count = table.column(column).null_count
    return [Violation(f"column {column!r} without a value", count, (), fix)] if count else []


def _list_distinct(values: pa.ChunkedArray) -> pa.Array:
    """The distinct texts of an array, in which dictionaries are counted once."""
    import pyarrow as pa

    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    if pa.types.is_dictionary(array.type):
        array = array.dictionary
    return array.cast(pa.string()).drop_null().unique()


def _report(rule: str, found: pa.Array, fix: str) -> list[Violation]:
    if not len(found):
        return []
    return [Violation(rule, len(found), tuple(str(one) for one in found[:_N_EXAMPLES].to_pylist()), fix)]
