"""What is a set of labelled rows?

One sample is one row of a feature table: would this user take this item at this moment? Numbers and categories lie in
two matrices; lineage is a column, expansion is concatenation, "real only" is a mask, as in `Histories`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from leaven.errors import DataError, nearest

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Numbers = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int32]
Keys = npt.NDArray[np.uint64]

GROUP_ROWS = 65_536
"""Rows of a row group of a file: what is read at once where not all fit into memory."""
UNKNOWN = 0
"""The code of a category that is missing, or that nobody had seen."""
ROW_COLUMNS: dict[str, Any] = {"label": np.float32, "weight": np.float32, "keys": np.uint64, "parents": np.uint64}
ROW_COLUMNS |= {"origin": np.int16, "users": np.uint64, "times": np.int64}
METADATA = b"leaven.samples"
"""What marks Parquet of labelled rows."""


@dataclass(frozen=True, eq=False)
class Samples:
    """Labelled rows with typed columns and the lineage of every row.

    numeric      names of the number columns
    categorical  names of the category columns
    numbers  float64 (rows, numeric)      NaN where missing
    codes    int32 (rows, categorical)    place in the column's levels, from 1; 0 where missing or unknown
    levels       column -> the names of its codes, from code 1
    label    float32 (rows,)  0..1: what happened; between them where rows were mixed
    weight   float32 (rows,)  weight in the loss
    keys     uint64 (rows,)   identity of the row
    parents  uint64 (rows,)   key of the real row it was made from; its own when real, 0 when made from noise
    origin   int16 (rows,)    0 real, s = made by step s
    users    uint64 (rows,)   whose row it is: the unit of per-user metrics and of the bootstrap; 0 for nobody's
    times    int64 (rows,)    seconds since 1970 (UTC); 0 where the table has none

    >>> rows = Samples.of({"price": [2.0, None], "kind": ["mug", "bag"]}, label=[1, 0])
    >>> rows.numeric, rows.categorical, rows.codes[:, 0].tolist(), rows.levels["kind"]
    (('price',), ('kind',), [2, 1], ('bag', 'mug'))
    """

    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    numbers: Numbers
    codes: Codes
    levels: Mapping[str, tuple[str, ...]]
    label: npt.NDArray[np.float32]
    weight: npt.NDArray[np.float32]
    keys: Keys
    parents: Keys
    origin: npt.NDArray[np.int16]
    users: Keys
    times: npt.NDArray[np.int64]
    facts: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def real(
        cls,
        columns: Mapping[str, npt.NDArray[Any]],
        label: npt.ArrayLike,
        keys: npt.ArrayLike,
        users: npt.ArrayLike | None = None,
        times: npt.ArrayLike | None = None,
    ) -> Samples:
        """Rows that nobody made. columns: name -> numbers, or an object array of texts and None for categories."""
        keys = np.asarray(keys, np.uint64)
        rows = len(keys)
        numbers = {name: column for name, column in columns.items() if column.dtype != object}
        coded = {name: _coded(column) for name, column in columns.items() if column.dtype == object}
        return cls(
            numeric=tuple(numbers),
            categorical=tuple(coded),
            numbers=_matrix([np.asarray(column, np.float64) for column in numbers.values()], rows, np.float64),
            codes=_matrix([codes for codes, _ in coded.values()], rows, np.int32),
            levels={name: levels for name, (_, levels) in coded.items()},
            label=np.asarray(label, np.float32),
            weight=np.ones(rows, np.float32),
            keys=keys,
            parents=keys,
            origin=np.zeros(rows, np.int16),
            users=keys if users is None else np.asarray(users, np.uint64),
            times=np.zeros(rows, np.int64) if times is None else np.asarray(times, np.int64),
        )

    @classmethod
    def of(
        cls, columns: Mapping[str, Sequence[Any]], label: Sequence[float], users: Sequence[int] | None = None
    ) -> Samples:
        """Real rows from lists, for tests and for a look by hand; a list with a text in it is a category."""
        typed = {name: _typed(column) for name, column in columns.items()}
        return cls.real(typed, label, np.arange(1, len(label) + 1, dtype=np.uint64), users).check()

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def is_real(self) -> npt.NDArray[np.bool_]:
        """bool (rows,): which rows nobody made."""
        real: npt.NDArray[np.bool_] = self.origin == 0
        return real

    def number(self, name: str) -> Numbers:
        """float64 (rows,): a number column.

        Raises DataError that names the nearest where there is none of this name.
        """
        if name not in self.numeric:
            raise DataError(f"column {name!r}", "a number column", "none", nearest(name, self.numeric))
        return self.numbers[:, self.numeric.index(name)]

    def texts(self, name: str) -> npt.NDArray[Any]:
        """object (rows,): a category column as the user wrote it, None where missing.

        Raises DataError that names the nearest where there is none of this name.
        """
        if name not in self.categorical:
            raise DataError(f"column {name!r}", "a category column", "none", nearest(name, self.categorical))
        names = np.array([None, *self.levels[name]], object)
        found: npt.NDArray[Any] = names[self.codes[:, self.categorical.index(name)]]
        return found

    def take(self, rows: npt.ArrayLike) -> Samples:
        """The rows at these indices (int), or where this mask (bool) is true, in that order."""
        index = np.asarray(rows)
        index = np.flatnonzero(index) if index.dtype == bool else index.astype(np.int64)
        names = ("numbers", "codes", *ROW_COLUMNS)
        taken: dict[str, Any] = {name: getattr(self, name)[index] for name in names}
        return replace(self, **taken)

    def slice(self, first: int, last: int) -> Samples:
        """Rows first..last - 1, as views: nothing is copied."""
        columns: dict[str, Any] = {name: getattr(self, name)[first:last] for name in ("numbers", "codes", *ROW_COLUMNS)}
        return replace(self, **columns)

    def real_only(self) -> Samples:
        """The rows that nobody made."""
        return self.take(self.is_real)

    def joined(self, others: Sequence[Samples]) -> Samples:
        """These rows, then those of the others."""
        return concat([self, *others])

    def same_as(self, other: Samples) -> npt.NDArray[np.bool_]:
        """bool (rows,): where both have the same cells and label. Both have as many rows, and the same levels."""
        numbers = (self.numbers == other.numbers) | (np.isnan(self.numbers) & np.isnan(other.numbers))
        same = numbers.all(axis=1) & (self.codes == other.codes).all(axis=1) & (self.label == other.label)
        return np.asarray(same, bool)

    def read_back(self, *paths: str | Path) -> Samples:
        """Rows of these files, over the same levels."""
        return Samples.from_parquet(*paths).recoded(self.levels)

    def recoded(self, levels: Mapping[str, tuple[str, ...]]) -> Samples:
        """The same rows with codes of other levels; a name that those lack becomes unknown (code 0)."""
        codes = self.codes.copy()
        for place, name in enumerate(self.categorical):
            if self.levels[name] != levels[name]:
                known = {text: code for code, text in enumerate(levels[name], 1)}
                table = np.array([UNKNOWN, *(known.get(text, UNKNOWN) for text in self.levels[name])], np.int32)
                codes[:, place] = table[codes[:, place]]
        return replace(self, codes=codes, levels={name: tuple(levels[name]) for name in self.categorical})

    def to_arrow(self) -> pa.Table:
        """One line a row: numbers, dictionary-coded categories, lineage; missing is null."""
        import pyarrow as pa

        columns = {name: getattr(self, name) for name in ROW_COLUMNS}
        table = {f"leaven_{name}": pa.array(column) for name, column in columns.items()}
        for place, name in enumerate(self.numeric):
            column = np.ascontiguousarray(self.numbers[:, place])
            table[name] = pa.array(column, mask=np.isnan(column))
        for place, name in enumerate(self.categorical):
            codes = self.codes[:, place]
            indices = pa.array(np.maximum(codes - 1, 0).astype(np.int32), mask=codes == UNKNOWN)
            table[name] = pa.DictionaryArray.from_arrays(indices, pa.array(list(self.levels[name]), pa.string()))
        said = {"numeric": self.numeric, "categorical": self.categorical, "facts": dict(self.facts)}
        return pa.table(table).replace_schema_metadata({METADATA: json.dumps(said)})

    @classmethod
    def from_arrow(cls, table: pa.Table) -> Samples:
        """What `to_arrow` made, back again.

        Raises DataError for a table that `to_arrow` did not make.
        """
        held = (table.schema.metadata or {}).get(METADATA)
        if held is None:
            raise DataError("table", "a table that Samples.to_arrow made", "another", "read it with read_samples")
        said = json.loads(held)
        rows = len(table)
        numbers = [_floats(table.column(name)) for name in said["numeric"]]
        dictionaries = {name: _dictionary(table.column(name)) for name in said["categorical"]}
        lineage: dict[str, Any] = {
            name: np.asarray(table.column(f"leaven_{name}").combine_chunks(), kind)
            for name, kind in ROW_COLUMNS.items()
        }
        return cls(
            numeric=tuple(said["numeric"]),
            categorical=tuple(said["categorical"]),
            numbers=_matrix(numbers, rows, np.float64),
            codes=_matrix([codes for codes, _ in dictionaries.values()], rows, np.int32),
            levels={name: levels for name, (_, levels) in dictionaries.items()},
            facts=said["facts"],
            **lineage,
        )

    def to_parquet(self, path: str | Path) -> None:
        """Write beside and rename: the file is whole or it is not there."""
        import pyarrow.parquet as pq

        target = Path(path)
        part = target.with_name(target.name + ".part")
        pq.write_table(self.to_arrow(), part, compression="zstd", row_group_size=GROUP_ROWS)
        part.replace(target)

    @classmethod
    def from_parquet(cls, *paths: str | Path) -> Samples:
        """Rows of these files, in the order given."""
        import pyarrow.parquet as pq

        return concat([cls.from_arrow(pq.read_table(path)) for path in paths])

    def to_pandas(self) -> pd.DataFrame:
        """One line a row, with names in place of codes."""
        import pandas as pd

        columns = {name: self.numbers[:, place] for place, name in enumerate(self.numeric)}
        columns |= {name: self.texts(name) for name in self.categorical}
        return pd.DataFrame({**columns, **{f"leaven_{name}": getattr(self, name) for name in ROW_COLUMNS}})

    def check(self) -> Samples:
        """Itself, once every promise of this class is kept; DataError names the first broken one."""
        for name in ("numbers", "codes", *ROW_COLUMNS):
            if len(getattr(self, name)) != len(self):
                raise DataError(f"samples.{name}", f"{len(self)} rows", str(len(getattr(self, name))), "")
        twice = sorted({name for name in self.numeric if name in self.categorical})
        if twice or len({*self.numeric, *self.categorical}) != len(self.numeric) + len(self.categorical):
            raise DataError("samples", "each column name once", f"{twice or 'one twice'}", "rename one")
        if len(self) and not ((self.label >= 0) & (self.label <= 1)).all():
            odd = self.label[~((self.label >= 0) & (self.label <= 1))][0]
            raise DataError("samples.label", "0, 1 or a share between", f"{odd:g}", "map the label to 0 and 1")
        for place, name in enumerate(self.categorical):
            if len(self) and not 0 <= self.codes[:, place].min() <= self.codes[:, place].max() <= len(
                self.levels[name]
            ):
                raise DataError(f"samples.codes, {name!r}", f"codes in 0..{len(self.levels[name])}", "others", "")
        return self


def concat(parts: Sequence[Samples]) -> Samples:
    """All rows of all parts, in order, over the levels of all parts together.

    Raises DataError for no parts, or parts with other columns.
    """
    if not parts:
        raise DataError("concat", "at least one set of samples", "none", "")
    first = parts[0]
    if len(parts) == 1:
        return first
    for part in parts[1:]:
        if (part.numeric, part.categorical) != (first.numeric, first.categorical):
            odd = sorted({*part.numeric, *part.categorical} ^ {*first.numeric, *first.categorical})
            raise DataError("concat", "the same columns in all parts", f"others: {odd[:5]}", "")
    levels = {name: _joined([part.levels[name] for part in parts]) for name in first.categorical}
    same = [part.recoded(levels) for part in parts]
    names = ("numbers", "codes", *ROW_COLUMNS)
    columns: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in same]) for name in names}
    return replace(same[0], **columns)


def _joined(levels: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The levels of the first, then what others add, sorted: codes of the first stay."""
    first = levels[0]
    held = set(first)
    return first + tuple(sorted({text for one in levels[1:] for text in one if text not in held}))


def _typed(column: Sequence[Any]) -> npt.NDArray[Any]:
    if any(isinstance(cell, str) for cell in column):
        return np.array([None if cell is None else str(cell) for cell in column], object)
    return np.array([np.nan if cell is None else cell for cell in column], np.float64)


def _coded(column: npt.NDArray[Any]) -> tuple[Codes, tuple[str, ...]]:
    """(codes, levels in their sorted order) of texts; None and "" are missing."""
    import pyarrow as pa

    coded = pa.array(column, pa.string()).dictionary_encode()
    names = coded.dictionary.to_pylist()
    levels = sorted(name for name in names if name)
    place = {name: code for code, name in enumerate(levels, 1)}
    table = np.array([*(place.get(name, UNKNOWN) for name in names), UNKNOWN], np.int32)
    indices = coded.indices.fill_null(len(names)).to_numpy(zero_copy_only=False)
    return table[indices], tuple(levels)


def _matrix(columns: Sequence[npt.NDArray[Any]], rows: int, kind: Any) -> npt.NDArray[Any]:
    return np.column_stack(columns).astype(kind) if columns else np.zeros((rows, 0), kind)


def _floats(column: pa.ChunkedArray) -> Numbers:
    return np.asarray(column.combine_chunks().to_numpy(zero_copy_only=False), np.float64)


def _dictionary(column: pa.ChunkedArray) -> tuple[Codes, tuple[str, ...]]:
    """(codes, levels) of a dictionary column, in its own order."""
    whole = column.unify_dictionaries().combine_chunks()
    indices = whole.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return (indices + 1).astype(np.int32), tuple(whole.dictionary.to_pylist())
