"""Labeled feature rows for click-through rate models.

A sample is one row of a feature table: a user, an item, a time and a label. Numbers and categories are two matrices;
lineage is stored in columns and expansion is concatenation, as in `Histories`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from leaven.datasets.event_table import build_feature_columns, build_sample_table
from leaven.datasets.frames import (
    Column,
    Fields,
    IdForm,
    check_id_form,
    to_pandas_frame,
    to_polars_frame,
    write_plain_table,
    write_table,
)
from leaven.datasets.row_displays import display_samples
from leaven.display import Display, show_html, show_text
from leaven.errors import DataError, suggest_name

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from leaven.datasets.log_names import LogNames, NamedSteps

Numbers = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int32]
RowIds = npt.NDArray[np.uint64]

ROW_GROUP_SIZE = 65_536
"""Rows per row group of a Parquet file, the unit of out-of-memory reading."""
UNKNOWN_CODE = 0
"""The code of a missing or unknown category."""
ROW_COLUMNS: dict[str, type[np.generic]] = {
    "label": np.float32,
    "weight": np.float32,
    "row_ids": np.uint64,
    "parents": np.uint64,
}
ROW_COLUMNS |= {"origin": np.int16, "user_ids": np.uint64, "times": np.int64}
METADATA_KEY = b"leaven.samples"
"""Key of the metadata in Parquet files of samples."""


@dataclass(frozen=True, eq=False)
class Samples:
    """Labeled rows with typed columns and the lineage of every row.

    numeric      names of the number columns
    categorical  names of the category columns
    numbers  float64 (rows, numeric)      NaN where missing
    codes    int32 (rows, categorical)    index in the column's levels, from 1; 0 where missing or unknown
    levels       column -> the names of its codes, from code 1
    label    float32 (rows,)  0..1; fractional for mixed rows
    weight   float32 (rows,)  weight in the loss
    row_ids     uint64 (rows,)   row id
    parents  uint64 (rows,)   row id of the real parent; the own id of real rows, 0 for none
    origin   int16 (rows,)    0 for real rows, s for rows created by step s
    user_ids    uint64 (rows,)   user id, the unit of per-user metrics and of the bootstrap; 0 for no user
    times    int64 (rows,)    seconds since 1970 (UTC); 0 where the table has none
    names        the users' ids and the names of steps, where known

    >>> rows = Samples.from_lists({"price": [2.0, None], "kind": ["mug", "bag"]}, label=[1, 0])
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
    row_ids: RowIds
    parents: RowIds
    origin: npt.NDArray[np.int16]
    user_ids: RowIds
    times: npt.NDArray[np.int64]
    facts: Mapping[str, Any] = field(default_factory=dict)
    names: LogNames | None = None

    @classmethod
    def from_columns(
        cls,
        columns: Mapping[str, Column],
        label: npt.ArrayLike,
        row_ids: npt.ArrayLike,
        user_ids: npt.ArrayLike | None = None,
        times: npt.ArrayLike | None = None,
    ) -> Samples:
        """Real rows. columns: name -> numbers, or an object array of strings and None for categories."""
        row_ids = np.asarray(row_ids, np.uint64)
        rows = len(row_ids)
        numbers = {name: column for name, column in columns.items() if column.dtype != object}
        coded = {name: _encode_strings(column) for name, column in columns.items() if column.dtype == object}
        return cls(
            numeric=tuple(numbers),
            categorical=tuple(coded),
            numbers=_stack_columns([np.asarray(column, np.float64) for column in numbers.values()], rows, np.float64),
            codes=_stack_columns([codes for codes, _ in coded.values()], rows, np.int32),
            levels={name: levels for name, (_, levels) in coded.items()},
            label=np.asarray(label, np.float32),
            weight=np.ones(rows, np.float32),
            row_ids=row_ids,
            parents=row_ids,
            origin=np.zeros(rows, np.int16),
            user_ids=row_ids if user_ids is None else np.asarray(user_ids, np.uint64),
            times=np.zeros(rows, np.int64) if times is None else np.asarray(times, np.int64),
        )

    @classmethod
    def from_lists(
        cls, columns: Mapping[str, Sequence[Any]], label: Sequence[float], user_ids: Sequence[int] | None = None
    ) -> Samples:
        """Real rows from lists, for tests and examples; a list that contains a string is a category."""
        typed = {name: _to_array(column) for name, column in columns.items()}
        return cls.from_columns(typed, label, np.arange(1, len(label) + 1, dtype=np.uint64), user_ids).validate()

    def __len__(self) -> int:
        return len(self.row_ids)

    @property
    def is_real(self) -> npt.NDArray[np.bool_]:
        """bool (rows,): whether each row is real."""
        return np.asarray(self.origin == 0, np.bool_)

    def to_display(self) -> Display:
        """What a shell and a notebook show."""
        return display_samples(self)

    __repr__ = show_text
    _repr_html_ = show_html

    def numeric_column(self, name: str) -> Numbers:
        """float64 (rows,): a number column.

        Raises DataError with the most similar name for an unknown column.
        """
        if name not in self.numeric:
            raise DataError(f"column {name!r}", "a number column", "none", suggest_name(name, self.numeric))
        return self.numbers[:, self.numeric.index(name)]

    def categorical_column(self, name: str) -> Column:
        """object (rows,): the original strings of a category column, None where missing.

        Raises DataError with the most similar name for an unknown column.
        """
        if name not in self.categorical:
            raise DataError(f"column {name!r}", "a category column", "none", suggest_name(name, self.categorical))
        names: Column = np.array([None, *self.levels[name]], object)
        return names[self.codes[:, self.categorical.index(name)]]

    def take(self, rows: npt.ArrayLike) -> Samples:
        """The rows at these indices (int), in that order, or where this mask (bool) is true."""
        index = np.asarray(rows)
        index = np.flatnonzero(index) if index.dtype == bool else index.astype(np.int64)
        names = ("numbers", "codes", *ROW_COLUMNS)
        taken = {name: getattr(self, name)[index] for name in names}
        return replace(self, **taken)

    def slice(self, first: int, last: int) -> Samples:
        """Rows first..last - 1, as views without a copy."""
        columns = {name: getattr(self, name)[first:last] for name in ("numbers", "codes", *ROW_COLUMNS)}
        return replace(self, **columns)

    def select_real(self) -> Samples:
        """The real rows."""
        return self.take(self.is_real)

    def concat_with(self, others: Sequence[Samples]) -> Samples:
        """These rows followed by those of the others."""
        return concat_samples([self, *others])

    def equal_rows(self, other: Samples) -> npt.NDArray[np.bool_]:
        """bool (rows,): whether each row has the same cells and label in both. Levels and row counts are equal."""
        numbers = (self.numbers == other.numbers) | (np.isnan(self.numbers) & np.isnan(other.numbers))
        equal = numbers.all(axis=1) & (self.codes == other.codes).all(axis=1) & (self.label == other.label)
        return np.asarray(equal, bool)

    def read_files(self, *paths: str | Path) -> Samples:
        """Rows of these files, with the same levels and names."""
        return replace(Samples.from_parquet(*paths).recode_levels(self.levels), names=self.names)

    def recode_levels(self, levels: Mapping[str, tuple[str, ...]]) -> Samples:
        """The same rows with codes for other levels; names that these lack become unknown (code 0)."""
        codes = self.codes.copy()
        for index, name in enumerate(self.categorical):
            if self.levels[name] != levels[name]:
                known = {text: code for code, text in enumerate(levels[name], 1)}
                table = np.array(
                    [UNKNOWN_CODE, *(known.get(text, UNKNOWN_CODE) for text in self.levels[name])], np.int32
                )
                codes[:, index] = table[codes[:, index]]
        return replace(self, codes=codes, levels={name: tuple(levels[name]) for name in self.categorical})

    def to_arrow(self) -> pa.Table:
        """One table row per sample: numbers, dictionary-encoded categories, lineage; missing values are null."""
        import pyarrow as pa

        columns = {name: getattr(self, name) for name in ROW_COLUMNS}
        table = {f"leaven_{name}": pa.array(column) for name, column in columns.items()}
        table |= build_feature_columns(self)
        metadata = {"numeric": self.numeric, "categorical": self.categorical, "facts": dict(self.facts)}
        return pa.table(table).replace_schema_metadata({METADATA_KEY: json.dumps(metadata)})

    def to_events(self, plan: NamedSteps | Sequence[str] | None = None) -> pa.Table:
        """One table row per sample with the user's own ids and the names of categories. Columns:

        row        row id, 16 hexadecimal digits
        user       id of the user, where rows have users; null for synthetic rows of no user
        time       UTC timestamp, where rows have times
        label      float32
        …          the features; categories are dictionary-encoded texts
        origin     "real"; "changed": a step changed the row in place; "synthetic"
        step       name of the step that created or changed the row; null for real rows
        parent     the `row` of the real row that it derives from; null for real rows and for rows without a parent
        weight     float32, weight of the row in the loss

        A feature keeps its name: one of these columns with the same name is called `leaven_…`, and `user` is left out.
        plan: the plan, or the names of its steps, where `names` does not hold them.

        >>> rows = Samples.from_lists({"kind": ["mug", None]}, label=[1, 0])
        >>> rows.to_events().select(["row", "label", "kind", "origin"]).to_pylist()[0]
        {'row': '0000000000000001', 'label': 1.0, 'kind': 'mug', 'origin': 'real'}
        """
        return build_sample_table(self, plan)

    @classmethod
    def from_arrow(cls, table: pa.Table) -> Samples:
        """Samples from a table written by `to_arrow`.

        Raises DataError for any other table.
        """
        content = (table.schema.metadata or {}).get(METADATA_KEY)
        if content is None:
            raise DataError(
                "table", "a table written by Samples.to_arrow", "another table", "read it with read_samples"
            )
        metadata = json.loads(content)
        rows = len(table)
        numbers = [
            np.asarray(table.column(name).combine_chunks().to_numpy(zero_copy_only=False), np.float64)
            for name in metadata["numeric"]
        ]
        dictionaries = {name: _read_categories(table.column(name)) for name in metadata["categorical"]}
        lineage: Fields = {
            name: np.asarray(table.column(f"leaven_{name}").combine_chunks(), kind)
            for name, kind in ROW_COLUMNS.items()
        }
        return cls(
            numeric=tuple(metadata["numeric"]),
            categorical=tuple(metadata["categorical"]),
            numbers=_stack_columns(numbers, rows, np.float64),
            codes=_stack_columns([codes for codes, _ in dictionaries.values()], rows, np.int32),
            levels={name: levels for name, (_, levels) in dictionaries.items()},
            facts=metadata["facts"],
            **lineage,
        )

    def to_parquet(self, path: str | Path, ids: IdForm = "original") -> None:
        """Write a Parquet file atomically, through a temporary file.

        ids: "original": the table of `to_events`; "internal": that of `to_arrow`, which `from_parquet` reads.
        """
        if check_id_form(ids) == "original":
            return write_plain_table(self.to_events(), path)
        return self.write_file(path)

    def write_file(self, path: str | Path) -> None:
        """Write a Parquet file of `to_arrow` atomically, through a temporary file."""
        write_table(self.to_arrow(), path, row_group_size=ROW_GROUP_SIZE)

    @classmethod
    def from_parquet(cls, *paths: str | Path) -> Samples:
        """Rows of files in internal form, in the order given."""
        import pyarrow.parquet as pq

        return concat_samples([cls.from_arrow(pq.read_table(path)) for path in paths])

    def to_pandas(self) -> pd.DataFrame:
        """The table of `to_events` as a pandas frame."""
        return to_pandas_frame(self.to_events())

    def to_polars(self) -> pl.DataFrame:
        """The table of `to_events` as a Polars frame. Raises MissingExtra without Polars."""
        return to_polars_frame(self.to_events())

    def validate(self) -> Samples:
        """Return self; raises DataError for the first violated invariant of this class."""
        for name in ("numbers", "codes", *ROW_COLUMNS):
            if len(getattr(self, name)) != len(self):
                raise DataError(f"samples.{name}", f"{len(self)} rows", str(len(getattr(self, name))))
        repeated = sorted({name for name in self.numeric if name in self.categorical})
        if repeated or len({*self.numeric, *self.categorical}) != len(self.numeric) + len(self.categorical):
            raise DataError("samples", "each column name once", f"{repeated or 'a repeated name'}", "rename one")
        if len(self) and not ((self.label >= 0) & (self.label <= 1)).all():
            invalid = self.label[~((self.label >= 0) & (self.label <= 1))][0]
            raise DataError("samples.label", "numbers in 0..1", f"{invalid:g}", "map the label to 0 and 1")
        n_levels = np.array([len(self.levels[name]) for name in self.categorical], np.int64)
        for index in np.flatnonzero(((self.codes < 0) | (self.codes > n_levels)).any(axis=0)):
            where = f"samples.codes, {self.categorical[index]!r}"
            raise DataError(where, f"codes in 0..{n_levels[index]}", "other codes")
        return self


def concat_samples(parts: Sequence[Samples]) -> Samples:
    """All rows of all parts, in order, with the union of their levels.

    Raises DataError for no parts, or for parts with different columns.
    """
    if not parts:
        raise DataError("concat", "at least one set of samples", "none")
    first = parts[0]
    if len(parts) == 1:
        return first
    for part in parts[1:]:
        if (part.numeric, part.categorical) != (first.numeric, first.categorical):
            different = sorted({*part.numeric, *part.categorical} ^ {*first.numeric, *first.categorical})
            raise DataError("concat", "the same columns in all parts", f"different columns: {different[:5]}")
    levels = {name: _merge_levels([part.levels[name] for part in parts]) for name in first.categorical}
    recoded = [part.recode_levels(levels) for part in parts]
    names = ("numbers", "codes", *ROW_COLUMNS)
    columns: Fields = {name: np.concatenate([getattr(part, name) for part in recoded]) for name in names}
    return replace(recoded[0], **columns)


def _merge_levels(levels: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The levels of the first part, then the new ones of the others, sorted: codes of the first part do not change."""
    first = levels[0]
    return first + tuple(sorted(set().union(*levels[1:]).difference(first)))


def _to_array(column: Sequence[Any]) -> Column:
    if any(isinstance(cell, str) for cell in column):
        return np.array([None if cell is None else str(cell) for cell in column], object)
    return np.array([np.nan if cell is None else cell for cell in column], np.float64)


def _encode_strings(column: Column) -> tuple[Codes, tuple[str, ...]]:
    """(codes, sorted levels) of strings; None and "" are missing."""
    import pyarrow as pa

    encoded = pa.array(column, pa.string()).dictionary_encode()
    names = encoded.dictionary.to_pylist()
    levels = sorted(name for name in names if name)
    code_of = {name: code for code, name in enumerate(levels, 1)}
    table = np.array([*(code_of.get(name, UNKNOWN_CODE) for name in names), UNKNOWN_CODE], np.int32)
    indices = encoded.indices.fill_null(len(names)).to_numpy(zero_copy_only=False)
    return table[indices], tuple(levels)


def _stack_columns(columns: Sequence[Column], rows: int, dtype: npt.DTypeLike) -> Column:
    return np.column_stack(columns).astype(dtype) if columns else np.zeros((rows, 0), dtype)


def _read_categories(column: pa.ChunkedArray) -> tuple[Codes, tuple[str, ...]]:
    """(codes, levels) of a dictionary column, in the order of its dictionary."""
    merged = column.unify_dictionaries().combine_chunks()
    indices = merged.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return (indices + 1).astype(np.int32), tuple(merged.dictionary.to_pylist())
