"""How is a ready table of labelled rows read?

Texts become numbers where a column means numbers; currency signs and separators of thousands are understood; a column
that is half one and half the other is refused, not guessed.
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
from leaven.ctr_features.sampling_config import Labelled
from leaven.datasets.samples import Samples
from leaven.errors import DataError, nearest
from leaven.ingest.files import Raw
from leaven.ingest.reader import connect, load, name_of
from leaven.ingest.source_config import Source
from leaven.ingest.timestamps import Times
from leaven.sql import quoted

if TYPE_CHECKING:
    import duckdb

_EMPTY = "('', 'na', 'n/a', 'nan', 'null', 'none', '-', '?')"
_SIGNS = r"^(USD|EUR|GBP|CNY|RMB|JPY)|(USD|EUR|GBP|CNY|RMB|JPY)$|[$€£¥￥₹\s]"
_THOUSANDS, _COMMA = r"^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$", r"^[+-]?\d+,\d{1,2}$"
_YES, _NO = ("1", "1.0", "true", "yes", "y", "click", "clicked"), ("0", "0.0", "false", "no", "n")
_TOGETHER = 200  # sparse columns that lie in memory at once
_MIXED = 0.05  # a column with so large a share of both numbers and texts is refused


def read_samples(
    source: Any,
    label: str,
    user: str = "",
    time: str = "",
    numeric: Sequence[str] = (),
    categorical: Sequence[str] = (),
) -> Samples:
    """The labelled rows of a CSV, Parquet file, folder, glob, database or frame; nothing is dropped.

    label, user, time name its columns. numeric, categorical say what a column holds; of the others, those whose cells
    are all numbers are numbers, the rest are categories. Missing cells ("", NA, null, "?") stay missing.

    >>> import pyarrow as pa
    >>> table = pa.table({"clicked": [1, 0], "price": ["$1,250.50", "£3"], "kind": ["mug", None]})
    >>> rows = read_samples(table, label="clicked")
    >>> rows.numbers[:, 0].tolist(), rows.texts("kind").tolist()
    ([1250.5, 3.0], ['mug', None])

    Raises DataError for a column that is not there, a label that is not 0 and 1 or has one value only, a number column
    with texts in it, and times that do not parse.
    """
    wish = Labelled(source, label, user, time, tuple(numeric), tuple(categorical))
    return read_labelled(wish)


def read_labelled(wish: Labelled) -> Samples:
    """The rows of a ready table, as `read_samples`; hashed columns too.

    Raises what `read_samples` raises; DataError for a pattern that no column fits.
    """
    database, name = connect(), name_of(wish.labelled)
    own = {wish.label, wish.user, wish.time}
    with tempfile.TemporaryDirectory(prefix="leaven-") as folder:
        raw = load(database, "click_raw", wish.labelled, Source(wish.labelled), Path(folder))
        table = _Table(database, raw, name)
        for word in (*own - {""}, *wish.numeric, *wish.categorical, *wish.several):
            table.check(word)
        hashed = _hashed_names(table, wish)
        apart = {*own, *hashed, *wish.several}
        columns = {
            one: table.column(one, one in wish.numeric, one in wish.categorical)
            for one in raw.names
            if one not in apart
        }
        labels = table.label(wish.label)
        columns |= _hashed(table, hashed, wish, len(labels))
        users = None if not wish.user else rng.user_keys([text or "" for text in table.texts(wish.user)])
        times = None if not wish.time else table.times(wish.time)
    keys = rng.mix(np.arange(1, len(labels) + 1, dtype=np.uint64))
    rows = Samples.real(columns, labels, keys, users, times)
    gone = dict(zip(rows.numeric, np.isnan(rows.numbers).sum(axis=0).tolist(), strict=True))
    gone |= dict(zip(rows.categorical, (rows.codes == 0).sum(axis=0).tolist(), strict=True))
    facts: Mapping[str, Any] = {"source": name, "rows": len(rows), "missing": {k: n for k, n in gone.items() if n}}
    return replace(rows, facts=facts).check()


def _hashed_names(table: _Table, wish: Labelled) -> list[str]:
    """The columns that the patterns mean, in the table's order.

    Raises DataError for a pattern that none fits.
    """
    free = [one for one in table.raw.names if one not in {wish.label, wish.user, wish.time, *wish.several}]
    for pattern in wish.hashed:
        if not fnmatch.filter(free, pattern):
            fix = nearest(pattern, free)
            raise DataError(f"{table.name}, hashed {pattern!r}", "a pattern that fits a column", "none", fix)
    return [one for one in free if any(fnmatch.fnmatchcase(one, pattern) for pattern in wish.hashed)]


def _hashed(table: _Table, names: Sequence[str], wish: Labelled, rows: int) -> dict[str, npt.NDArray[Any]]:
    """name -> float64 (rows,): `hashed_0` … of the sparse columns, `tags_0` … of a column `tags` of several names."""
    found: dict[str, npt.NDArray[Any]] = {}
    if names:
        sums = np.zeros((rows, wish.buckets))
        for first in range(0, len(names), _TOGETHER):
            some = names[first : first + _TOGETHER]
            feature_hashing.add_numbers(sums, some, table.numbers(some))
        found |= {f"hashed_{bucket}": sums[:, bucket] for bucket in range(wish.buckets)}
    for name in wish.several:
        sums = np.zeros((rows, wish.buckets))
        feature_hashing.add_names(sums, *table.parts(name, wish.separator))
        found |= {f"{name}_{bucket}": sums[:, bucket] for bucket in range(wish.buckets)}
    return found


class _Table:
    """A table in DuckDB, column by column, with errors that name the place."""

    def __init__(self, database: duckdb.DuckDBPyConnection, raw: Raw, name: str) -> None:
        self.database, self.raw, self.name = database, raw, name
        found = database.execute(f"DESCRIBE {raw.table}").fetchall()
        self.kinds = {str(row[0]): str(row[1]) for row in found}

    def check(self, column: str) -> None:
        """DataError, naming the nearest, where there is no such column."""
        if column not in self.raw.names:
            raise DataError(f"{self.name}, column {column!r}", "a column", "none", nearest(column, self.raw.names))

    def column(self, name: str, is_number: bool, is_category: bool) -> npt.NDArray[Any]:
        """Numbers, or an object array of texts."""
        if is_category:
            return self.texts(name)
        if not self._is_text(name):
            return self._fetched(f"CAST({quoted(name)} AS DOUBLE)", np.float64)
        text, number = _text(name), _number(name)
        sql = f"SELECT count({text}), count({number}) FROM {self.raw.table}"
        filled, numbers = self.database.execute(sql).fetchall()[0]
        if numbers == filled and (filled or is_number):
            return self._fetched(number, np.float64)
        if is_number or numbers > _MIXED * filled:
            self._refuse(name, text, number, f"{numbers:,} numbers and {filled - numbers:,} texts")
        return self.texts(name)

    def numbers(self, names: Sequence[str]) -> Iterator[npt.NDArray[np.float64]]:
        """float64 (rows,) of each of these columns; DataError for one that holds texts."""
        number = {name: _number(name) if self._is_text(name) else f"CAST({quoted(name)} AS DOUBLE)" for name in names}
        lost = [f"count({_text(name)}) - count({number[name]})" for name in names]
        counts = self.database.execute(f"SELECT {', '.join(lost)} FROM {self.raw.table}").fetchall()[0]
        for name, count in zip(names, counts, strict=True):
            if count:
                self._refuse(name, _text(name), number[name], f"{count:,} texts in a hashed column")
        cells = ", ".join(f"{sql} AS c{place}" for place, sql in enumerate(number.values()))
        table = self.database.sql(f"SELECT {cells} FROM {self.raw.table} ORDER BY line").to_arrow_table()
        for place in range(len(names)):
            yield np.asarray(table.column(place).to_numpy(), np.float64)

    def parts(self, name: str, separator: str) -> tuple[npt.NDArray[np.int64], list[str]]:
        """(row, name) of every name in a column of several."""
        sql = f"""SELECT place, trim(part) FROM (SELECT row_number() OVER (ORDER BY line) - 1 AS place,
            unnest(string_split({_text(name)}, ?)) AS part FROM {self.raw.table}) WHERE trim(part) != ''"""
        found = self.database.execute(sql, [separator]).fetchall()
        return np.array([place for place, _ in found], np.int64), [f"{name}={part}" for _, part in found]

    def texts(self, name: str) -> npt.NDArray[Any]:
        """object (rows,): text or None."""
        return self._fetched(_text(name), object)

    def label(self, name: str) -> npt.NDArray[np.float32]:
        """float32 (rows,): 0 and 1, both of them.

        Raises DataError for other values, missing ones, or one class only.
        """
        yes, no = (", ".join(f"'{word}'" for word in words) for words in (_YES, _NO))
        sql = f"CASE WHEN lower({_text(name)}) IN ({yes}) THEN 1 WHEN lower({_text(name)}) IN ({no}) THEN 0 END"
        found = self._fetched(f"CAST({sql} AS DOUBLE)", np.float64)
        where = f"{self.name}, column {name!r}"
        if np.isnan(found).any():
            line = int(np.flatnonzero(np.isnan(found))[0]) + 1
            cell = self.texts(name)[line - 1]
            fix = "make the label 0 and 1 first, and drop the rows without one"
            raise DataError(f"{where}, {self.raw.place(line)}", "0 or 1", repr(cell), fix)
        if len(np.unique(found)) < 2:
            got = f"{found[0]:g} in all {len(found):,} rows" if len(found) else "no rows"
            raise DataError(where, "a label with two classes", got, "add rows of the other class")
        return found.astype(np.float32)

    def times(self, name: str) -> npt.NDArray[Any]:
        """int64 (rows,): seconds; 0 where missing."""
        rule = Times(self.database, self.raw.table, quoted(name), self.name).rule(self.kinds[name], None)
        return self._fetched(f"coalesce({rule.sql}, 0)", np.int64)

    def _is_text(self, name: str) -> bool:
        return self.kinds[name] == "VARCHAR" or self.kinds[name].startswith("ENUM")

    def _fetched(self, sql: str, kind: Any) -> npt.NDArray[Any]:
        table = self.database.sql(f"SELECT {sql} AS cell FROM {self.raw.table} ORDER BY line").to_arrow_table()
        cells = table.column("cell")
        return np.asarray(cells.to_numpy() if kind is not object else np.array(cells.to_pylist(), object), kind)

    def _refuse(self, name: str, text: str, number: str, got: str) -> None:
        condition = f"{text} IS NOT NULL AND {number} IS NULL"
        sql = f"SELECT line, {text} FROM {self.raw.table} WHERE {condition} ORDER BY line LIMIT 1"
        line, cell = self.database.execute(sql).fetchall()[0]
        fix = f"correct it, or say categorical = [{name!r}]"
        where = f"{self.name}, column {name!r}, {self.raw.place(int(line))}"
        raise DataError(where, "numbers, or texts, not both", f"{cell!r} among {got}", fix)


def _text(name: str) -> str:
    cell = f"trim(CAST({quoted(name)} AS VARCHAR))"
    return f"CASE WHEN lower({cell}) NOT IN {_EMPTY} THEN {cell} END"


def _number(name: str) -> str:
    """A text as a number: "$1,250.50", "3,50 €", "1e-3"; NULL where it is none."""
    bare = f"regexp_replace({_text(name)}, '{_SIGNS}', '', 'g')"
    return f"""TRY_CAST(CASE WHEN regexp_matches({bare}, '{_THOUSANDS}') THEN replace({bare}, ',', '')
        WHEN regexp_matches({bare}, '{_COMMA}') THEN replace({bare}, ',', '.') ELSE {bare} END AS DOUBLE)"""
