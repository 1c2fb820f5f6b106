"""SQL that converts the columns of a source: ids as text, numbers, and times in seconds and nanoseconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from leaven.errors import DataError
from leaven.ingest.cell_parsing import SCIENTIFIC_ID, find_odd_ids, parse_id, parse_number, parse_text
from leaven.ingest.databases import find_column
from leaven.ingest.files import RawTable
from leaven.ingest.source_config import ReadingOptions
from leaven.ingest.timestamps import TimeRule, TimestampParser

if TYPE_CHECKING:
    import duckdb

_FLOAT_ID = r"^-?[0-9]+\.0+$"
_WHOLE_ID = r"^-?[0-9]+$"
_FLOAT_NOTE = "numbers with .0, read as whole numbers"
_MAX_EXACT = 2**53
"""From here on, floats skip whole numbers."""
_NO_IDS = ("[]", "STRUCT", "MAP", "BLOB", "INTERVAL", "TIME", "DATE", "BOOLEAN")


class ColumnSql:
    """SQL that converts the columns of one raw table.

    notes   what was assumed, for the facts
    unread  conditions of the lines that cannot be read and are dropped: our name -> SQL
    """

    def __init__(
        self,
        database: duckdb.DuckDBPyConnection,
        raw: RawTable,
        name: str,
        columns: Mapping[str, str],
        options: ReadingOptions,
    ) -> None:
        self.database, self.raw, self.name = database, raw, name
        self.columns, self.options = dict(columns), options
        described = database.execute(f"DESCRIBE {raw.table}").fetchall()
        self.types = {str(row[0]): str(row[1]) for row in described}
        self.notes: dict[str, str] = {}
        self.unread: dict[str, str] = {}

    def find(self, word: str) -> str:
        """The quoted column of one of our names. Raises DataError where the file lacks it."""
        return find_column(self.raw, self.name, self.columns, word)

    def find_text(self, word: str) -> str:
        """The column as VARCHAR."""
        column = self.find(word)
        return column if self._type_of(word) == "VARCHAR" else f"CAST({column} AS VARCHAR)"

    def convert_time(self, word: str) -> TimeRule:
        """The rule for seconds since 1970 (UTC) and nanoseconds."""
        column, options = self.find(word), self.options
        times = TimestampParser(
            self.database, self.raw.table, column, self.name, self.raw.describe_line, options.missing,
            options.drops_bad_lines,
        )  # fmt: skip
        rule = times.find_rule(self._type_of(word), options.time_format)
        self.notes[word] = rule.description
        if rule.unread:
            self.unread[word] = rule.unread
        return rule

    def convert_text(self, word: str) -> str:
        """VARCHAR, NULL where the cell means that there is none."""
        return parse_text(self.find_text(word), self.options.missing)

    def convert_id(self, word: str) -> str:
        """Text. Whole numbers that passed through a float ("17850.0") lose the ".0" where all ids have it.

        Raises DataError for ids that are no ids: fractions, lists, times, and numbers that have lost digits.
        """
        column, kind = self.find(word), self._type_of(word)
        if kind in ("DOUBLE", "FLOAT"):
            fraction = f"isfinite({column}) AND {column} <> floor({column})"
            self._refuse(word, fraction, "ids that are text or whole numbers")
            self._refuse(
                word, f"isfinite({column}) AND abs({column}) >= {_MAX_EXACT}", "ids that a float holds exactly",
                "read the column as text or as integers: floats of this size have lost digits",
            )  # fmt: skip
            self.notes[f"{word}_ids"] = _FLOAT_NOTE
            return parse_id(
                f"CASE WHEN isfinite({column}) THEN CAST(CAST({column} AS HUGEINT) AS VARCHAR) END",
                self.options.missing,
            )
        if any(mark in kind for mark in _NO_IDS):
            fix = "name another column, or make it text"
            raise DataError(self._where(word), "ids that are text or whole numbers", f"a column of type {kind}", fix)
        if kind.endswith(("INT", "INTEGER")) and self.options.missing is None:
            return f"CASE WHEN {column} = -1 THEN NULL ELSE CAST({column} AS VARCHAR) END"
        if kind != "VARCHAR":
            return parse_id(f"CAST({column} AS VARCHAR)", self.options.missing)
        odd = find_odd_ids(column, self.options.missing)
        is_clean = not any(self._find_line(f"{condition} LIMIT 1", "line") for condition in odd)
        text = column if is_clean else parse_id(column, self.options.missing)
        if not self._are_float_ids(word, text, column):
            return text
        self.notes[f"{word}_ids"] = _FLOAT_NOTE
        return f"regexp_replace({text}, '\\.0+$', '')"

    def _are_float_ids(self, word: str, text: str, column: str) -> bool:
        """Whether all ids end in ".0". Raises DataError where some whole numbers have it and others do not, and for
        numbers that a spreadsheet has rounded."""
        # Ids with letters, the usual case, need no scan of all lines.
        head = f"SELECT {text} AS id FROM {self.raw.table} WHERE {text} IS NOT NULL LIMIT 1000"
        if not self._fetch(f"SELECT count(*) FROM ({head}) WHERE TRY_CAST(id AS DOUBLE) IS NOT NULL"):
            return False
        rounded = f"contains({column}, '+') AND regexp_full_match({text}, '{SCIENTIFIC_ID}')"
        self._refuse(
            word, rounded, "ids with all their digits",
            "a spreadsheet has rounded it: export the column as text",
        )  # fmt: skip
        floats = f"contains({column}, '.') AND regexp_full_match({text}, '{_FLOAT_ID}')"
        if not self._find_line(f"{floats} LIMIT 1", "line"):
            return False
        if whole := self._find_line(f"regexp_full_match({text}, '{_WHOLE_ID}')", "min(line)"):
            first = self._find_line(floats, "min(line)")
            pair = [self._find_line(f"line = {line}", text) for line in (first, whole)]
            got = f"{pair[0]!r} in {self.raw.describe_line(first)} and {pair[1]!r} in {self.raw.describe_line(whole)}"
            raise DataError(self._where(word), "ids written in one way", got, "write all with .0 or all without")
        return not self._find_line(f"{text} IS NOT NULL AND NOT ({floats}) LIMIT 1", "line")

    def convert_number(self, word: str) -> str:
        """DOUBLE, NULL where the cell is empty. Raises DataError for a text that is no number, and for infinity."""
        column, kind = self.find(word), self._type_of(word)
        if kind == "VARCHAR" or kind.startswith("ENUM"):
            cell = self.find_text(word)
            number = parse_number(cell, self.options.missing)
            unread = f"{number} IS NULL AND {parse_text(cell, self.options.missing)} IS NOT NULL"
            self._refuse_unread(word, unread, "a finite number")
            return number
        number = f"CAST({column} AS DOUBLE)"
        if kind in ("DOUBLE", "FLOAT"):
            self._refuse_unread(word, f"isinf({column})", "a finite number")
        elif any(mark in kind for mark in (*_NO_IDS[:-1], "UUID", "TIMESTAMP")):
            raise DataError(self._where(word), "numbers", f"a column of type {kind}", "name another column")
        return number

    def measure_numbers(self, word: str) -> float:
        """The share of a column's filled cells that are numbers."""
        cell = self.find_text(word)
        number, text = parse_number(cell, self.options.missing), parse_text(cell, self.options.missing)
        share = self._fetch(f"SELECT count({number}) / greatest(count({text}), 1) FROM {self.raw.table}")
        return float(share)

    def _type_of(self, word: str) -> str:
        column = self.columns[word]
        return self.types[column if column in self.types else column.split(":")[0]]

    def _where(self, word: str) -> str:
        return f"{self.name}, column {self.columns[word]!r}"

    def _fetch(self, sql: str) -> Any:
        rows = self.database.execute(sql).fetchall()
        return rows[0][0] if rows else None

    def _find_line(self, condition: str, cell: str) -> Any:
        return self._fetch(f"SELECT {cell} FROM {self.raw.table} WHERE {condition}")

    def _refuse_unread(self, word: str, condition: str, wanted: str) -> None:
        """As `_refuse`; where bad lines are dropped, the condition is kept for that."""
        if not self.options.drops_bad_lines:
            self._refuse(word, condition, wanted)
        elif self._find_line(f"{condition} LIMIT 1", "line"):
            self.unread[word] = condition

    def _refuse(
        self,
        word: str,
        condition: str,
        wanted: str,
        fix: str = "correct it, leave it empty where it is missing, or name another column",
    ) -> None:
        cells = f"line, CAST({self.find(word)} AS VARCHAR)"
        sql = f"SELECT {cells} FROM {self.raw.table} WHERE {condition} ORDER BY line LIMIT 1"
        if bad := self.database.execute(sql).fetchall():
            where = f"{self._where(word)}, {self.raw.describe_line(int(bad[0][0]))}"
            raise DataError(where, wanted, repr(bad[0][1]), fix)
