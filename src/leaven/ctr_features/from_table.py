"""Reads tables of labeled rows.

Texts are parsed as numbers where a whole column holds numbers, with currency signs and thousands separators. A column
of numbers and texts is an error.
"""

from __future__ import annotations

import fnmatch
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.ctr_features import feature_hashing
from leaven.ctr_features.from_log import count_missing
from leaven.ctr_features.label_expression import LabelExpression
from leaven.ctr_features.sampling_config import LabeledTable
from leaven.datasets.log_names import LogNames
from leaven.datasets.samples import Samples
from leaven.errors import DataError, suggest_name
from leaven.ingest.cell_parsing import is_missing, parse_number, parse_text
from leaven.ingest.files import RawTable
from leaven.ingest.source_config import LogSource
from leaven.ingest.source_loading import describe_source, load_source, open_database
from leaven.ingest.timestamps import TimestampParser
from leaven.sql import quote_identifier
from leaven.storage import Arrays

if TYPE_CHECKING:
    import duckdb

_YES, _NO = ("1", "1.0", "true", "yes", "y", "click", "clicked"), ("0", "0.0", "false", "no", "n")
_COLUMNS_AT_ONCE = 200  # sparse columns in memory at the same time
_MAX_MIXED = 0.05  # largest share of numbers in a column of texts


def read_samples(
    source: Any,
    label: str,
    user: str = "",
    time: str = "",
    numeric: Sequence[str] = (),
    categorical: Sequence[str] = (),
) -> Samples:
    """The labeled rows of a CSV, Parquet file, folder, glob, database or frame; nothing is dropped.

    label, user, time name columns; label may be a condition, "rating >= 4" or "kind == buy". numeric, categorical give
    the types of columns; of the others, those whose cells are all numbers are numeric, the rest categorical. Missing
    cells ("", NA, null, "?") stay missing.

    >>> import pyarrow as pa
    >>> table = pa.table({"clicked": [1, 0], "price": ["$1,250.50", "£3"], "kind": ["mug", None]})
    >>> rows = read_samples(table, label="clicked")
    >>> rows.numbers[:, 0].tolist(), rows.categorical_column("kind").tolist()
    ([1250.5, 3.0], ['mug', None])

    Raises DataError for a missing column, a label that is not 0 and 1 or has one value only, a numeric column with
    texts, and times that do not parse.
    """
    return read_labeled_table(LabeledTable(source, label, user, time, tuple(numeric), tuple(categorical)))


def read_labeled_table(config: LabeledTable) -> Samples:
    """The rows of a labeled table, as `read_samples`, with hashed columns.

    Raises DataError as `read_samples` does, and for a pattern that matches no column.
    """
    database, name = open_database(), describe_source(config.labeled)
    with tempfile.TemporaryDirectory(prefix="leaven-") as folder:
        raw = load_source(database, "click_raw", LogSource(config.labeled, {"label": config.label}), Path(folder))
        table = _TableReader(database, raw, name)
        label = _find_label(config.label, raw.names)
        config = replace(config, label=config.label if label is None else label.column)
        own = {config.label, config.user, config.time}
        for column in (*own - {""}, *config.numeric, *config.categorical, *config.multi_valued):
            if column not in raw.names:
                fix = suggest_name(column, raw.names)
                raise DataError(f"{name}, column {column!r}", "a column", "none", fix)
        hashed = _match_hashed(table, config)
        plain = [one for one in raw.names if one not in {*own, *hashed, *config.multi_valued}]
        columns = {one: table.read_column(one, one in config.numeric, one in config.categorical) for one in plain}
        labels = table.read_label(config.label) if label is None else table.read_condition(label)
        columns |= _hash_columns(table, hashed, config, len(labels))
        user_names = None if not config.user else [text or "" for text in table.read_texts(config.user)]
        times = None if not config.time else table.read_times(config.time)
    keys = rng.mix_bits(np.arange(1, len(labels) + 1, dtype=np.uint64))
    users = None if user_names is None else rng.derive_user_ids(user_names)
    rows = Samples.from_columns(columns, labels, keys, users, times)
    if users is not None and user_names is not None:
        distinct, first = np.unique(users, return_index=True)
        rows = replace(rows, names=LogNames.from_users(distinct, [user_names[index] for index in first.tolist()]))
    return replace(rows, facts={"source": name, "rows": len(rows), "missing": count_missing(rows)}).validate()


def _find_label(label: str, names: Sequence[str]) -> LabelExpression | None:
    """The condition of a label; None where it is the name of a column."""
    return LabelExpression.parse(label) if label not in names and LabelExpression.is_expression(label) else None


def _match_hashed(table: _TableReader, config: LabeledTable) -> list[str]:
    """The columns that match the patterns, in the order of the table.

    Raises DataError for a pattern without a match.
    """
    free = [one for one in table.raw.names if one not in {config.label, config.user, config.time, *config.multi_valued}]
    for pattern in config.hashed:
        if not fnmatch.filter(free, pattern):
            fix = suggest_name(pattern, free)
            raise DataError(f"{table.name}, hashed {pattern!r}", "a pattern that matches a column", "none", fix)
    return [one for one in free if any(fnmatch.fnmatchcase(one, pattern) for pattern in config.hashed)]


def _hash_columns(table: _TableReader, names: Sequence[str], config: LabeledTable, rows: int) -> Arrays:
    """name -> float64 (rows,): `hashed_0` … of the sparse columns, `tags_0` … of a multi-valued column `tags`."""
    found: Arrays = {}
    if names:
        sums = np.zeros((rows, config.buckets))
        for first in range(0, len(names), _COLUMNS_AT_ONCE):
            some = names[first : first + _COLUMNS_AT_ONCE]
            feature_hashing.add_numbers(sums, some, table.read_numbers(some))
        found |= {f"hashed_{bucket}": sums[:, bucket] for bucket in range(config.buckets)}
    for name in config.multi_valued:
        sums = np.zeros((rows, config.buckets))
        rows_of_names, names_of_rows = table.read_names(name, config.separator)
        feature_hashing.add_names(sums, rows_of_names, names_of_rows)
        found |= {f"{name}_{bucket}": sums[:, bucket] for bucket in range(config.buckets)}
    return found


class _TableReader:
    """Reads a table in DuckDB column by column; errors name file, column and line."""

    def __init__(self, database: duckdb.DuckDBPyConnection, raw: RawTable, name: str) -> None:
        self.database, self.raw, self.name = database, raw, name
        found = database.execute(f"DESCRIBE {raw.table}").fetchall()
        self.kinds = {str(row[0]): str(row[1]) for row in found}

    def read_column(self, name: str, is_number: bool, is_category: bool) -> npt.NDArray[Any]:
        """float64 numbers, or an object array of texts."""
        if is_category:
            return self.read_texts(name)
        if not self._is_text(name):
            found = self._fetch_cells(f"CAST({quote_identifier(name)} AS DOUBLE)", np.float64)
            if np.isinf(found).any():
                where = f"{self.name}, column {name!r}, {self.raw.describe_line(int(np.isinf(found).argmax()) + 1)}"
                raise DataError(where, "a finite number", "infinity", "correct it, or leave it empty")
            return found
        text, number = _text_sql(name), _number_sql(name)
        sql = f"SELECT count({text}), count({number}) FROM {self.raw.table}"
        filled, numbers = self.database.execute(sql).fetchall()[0]
        if numbers == filled and (filled or is_number):
            return self._fetch_cells(number, np.float64)
        if is_number or numbers > _MAX_MIXED * filled:
            self._refuse(name, text, number, f"{numbers:,} numbers and {filled - numbers:,} texts")
        return self.read_texts(name)

    def read_numbers(self, names: Sequence[str]) -> Iterator[npt.NDArray[np.float64]]:
        """float64 (rows,) of each of these columns. Raises DataError for texts."""
        cell = {name: quote_identifier(name) for name in names}
        number = {name: f"{'TRY_CAST' if self._is_text(name) else 'CAST'}({cell[name]} AS DOUBLE)" for name in names}
        # Few columns hold signs or thousands: only these are parsed in full, which is slow for thousands of columns.
        for name in self._list_unread(number):
            number[name] = _number_sql(name)
            if lost := self._list_unread({name: number[name]}):
                self._refuse(name, _text_sql(name), number[name], f"{lost[name]:,} texts in a hashed column")
        cells = ", ".join(f"{sql} AS c{index}" for index, sql in enumerate(number.values()))
        table = self.database.sql(f"SELECT {cells} FROM {self.raw.table} ORDER BY line").to_arrow_table()
        for index in range(len(names)):
            yield np.asarray(table.column(index).to_numpy(), np.float64)

    def _list_unread(self, number: Mapping[str, str]) -> dict[str, int]:
        """column -> filled cells that its number does not read, where there are any."""
        texts = [name for name in number if self._is_text(name)]
        lost = [f"{number[name]} IS NULL AND NOT {is_missing(quote_identifier(name))}" for name in texts]
        if not lost:
            return {}
        counts = ", ".join(f"count(*) FILTER (WHERE {one})" for one in lost)
        row = self.database.execute(f"SELECT {counts} FROM {self.raw.table}").fetchall()[0]
        return {name: int(count) for name, count in zip(texts, row, strict=True) if count}

    def read_names(self, name: str, separator: str) -> tuple[npt.NDArray[np.int64], list[str]]:
        """The row and the name of each value in a multi-valued column."""
        sql = f"""SELECT row, trim(part) FROM (SELECT row_number() OVER (ORDER BY line) - 1 AS row,
            unnest(string_split({_text_sql(name)}, ?)) AS part FROM {self.raw.table}) WHERE trim(part) != ''"""
        found = self.database.execute(sql, [separator]).fetchall()
        return np.array([row for row, _ in found], np.int64), [f"{name}={part}" for _, part in found]

    def read_texts(self, name: str) -> npt.NDArray[Any]:
        """object (rows,): text or None."""
        return self._fetch_cells(_text_sql(name), object)

    def read_label(self, name: str) -> npt.NDArray[np.float32]:
        """float32 (rows,) of 0 and 1.

        Raises DataError for other or missing values, or one class only.
        """
        yes, no = (", ".join(f"'{word}'" for word in words) for words in (_YES, _NO))
        sql = f"CASE WHEN lower({_text_sql(name)}) IN ({yes}) THEN 1 WHEN lower({_text_sql(name)}) IN ({no}) THEN 0 END"
        found = self._fetch_cells(f"CAST({sql} AS DOUBLE)", np.float64)
        where = f"{self.name}, column {name!r}"
        if np.isnan(found).any():
            line = int(np.flatnonzero(np.isnan(found))[0]) + 1
            cell = self.read_texts(name)[line - 1]
            fix = "convert the label to 0 and 1, and drop the rows without one"
            raise DataError(f"{where}, {self.raw.describe_line(line)}", "0 or 1", repr(cell), fix)
        if len(np.unique(found)) < 2:
            got = f"{found[0]:g} in all {len(found):,} rows" if len(found) else "no rows"
            raise DataError(where, "a label with two classes", got, "add rows of the other class")
        return found.astype(np.float32)

    def read_condition(self, label: LabelExpression) -> npt.NDArray[np.float32]:
        """float32 (rows,): 1 for rows that meet the condition, else 0.

        Raises DataError for cells that are missing or no numbers, and where all rows are of one class.
        """
        name, is_text = label.column, self._is_text(label.column)
        where = f"{self.name}, label {str(label)!r}"
        found = self._fetch_cells(
            f"CAST({label.build_condition(quote_identifier(name), is_text)} AS DOUBLE)", np.float64
        )
        if np.isnan(found).any():
            line = int(np.flatnonzero(np.isnan(found))[0]) + 1
            cell = self.read_texts(name)[line - 1]
            wanted = "a value" if label.compares_text else "a number"
            raise DataError(f"{where}, {self.raw.describe_line(line)}", wanted, repr(cell), "drop the rows without one")
        if len(np.unique(found)) < 2:
            span = f"SELECT min({_text_sql(name)}), max({_text_sql(name)})"
            if not label.compares_text:
                cell = _number_sql(name) if is_text else quote_identifier(name)
                span = f"SELECT min({cell}), max({cell})"
            low, high = self.database.execute(f"{span} FROM {self.raw.table}").fetchall()[0]
            got = f"{found[0]:g} in all {len(found):,} rows" if len(found) else "no rows"
            fix = f"{name} is between {low!r} and {high!r}: choose another value"
            raise DataError(where, "a label with two classes", got, fix)
        return found.astype(np.float32)

    def read_times(self, name: str) -> npt.NDArray[Any]:
        """int64 (rows,): seconds; 0 where missing."""
        rule = TimestampParser(self.database, self.raw.table, quote_identifier(name), self.name).find_rule(
            self.kinds[name], None
        )
        return self._fetch_cells(f"coalesce({rule.seconds}, 0)", np.int64)

    def _is_text(self, name: str) -> bool:
        return self.kinds[name] == "VARCHAR" or self.kinds[name].startswith("ENUM")

    def _fetch_cells(self, sql: str, kind: Any) -> npt.NDArray[Any]:
        table = self.database.sql(f"SELECT {sql} AS cell FROM {self.raw.table} ORDER BY line").to_arrow_table()
        cells = table.column("cell")
        return np.asarray(cells.to_numpy() if kind is not object else np.array(cells.to_pylist(), object), kind)

    def _refuse(self, name: str, text: str, number: str, got: str) -> None:
        condition = f"{text} IS NOT NULL AND {number} IS NULL"
        sql = f"SELECT line, {text} FROM {self.raw.table} WHERE {condition} ORDER BY line LIMIT 1"
        line, cell = self.database.execute(sql).fetchall()[0]
        fix = f"correct it, or set categorical = [{name!r}]"
        where = f"{self.name}, column {name!r}, {self.raw.describe_line(int(line))}"
        raise DataError(where, "either numbers or texts", f"{cell!r} among {got}", fix)


def _text_sql(name: str) -> str:
    return parse_text(f"CAST({quote_identifier(name)} AS VARCHAR)")


def _number_sql(name: str) -> str:
    return parse_number(f"CAST({quote_identifier(name)} AS VARCHAR)")
