"""User histories in ragged arrays, and held-out users.

Row *i* has events `starts[i]:starts[i + 1]`. Lineage is stored in columns, expansion is concatenation, a shard is a
slice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from leaven.datasets.event_table import build_event_table, build_history_table, decode_items, write_id_maps
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
from leaven.datasets.row_displays import display_histories
from leaven.display import Display, show_html, show_text
from leaven.errors import DataError

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from leaven.datasets.catalog import Catalog
    from leaven.datasets.log_names import LogNames, NamedSteps

Ints = npt.NDArray[np.int64]
Items = npt.NDArray[np.int32]

REAL_ORIGIN = 0
"""The origin of a real row."""
NO_PARENT = 0
"""The parent of a synthetic row without a real parent."""
PRICE_COLUMN = "price"
"""The extra column that belongs to the item, not to the event."""

_ROW_COLUMNS: dict[str, type[np.generic]] = {"row_ids": np.uint64, "parents": np.uint64, "origin": np.int16}
_ROW_COLUMNS |= {"weight": np.float32, "n_targets": np.int32}
_N_ITEMS = b"leaven.n_items"  # key of the table metadata


@dataclass(frozen=True, eq=False)
class Histories:
    """Many users' events in time order, with the lineage of every row.

    items      int32 (events,)  dense item ids, 1..n_items; 0 pads and never occurs
    times      int64 (events,)  seconds since 1970 (UTC), ascending inside a row
    starts     int64 (rows + 1,)  row i has events starts[i]:starts[i + 1]
    row_ids    uint64 (rows,)   row id, a hash of the original user id
    parents    uint64 (rows,)   row id of the real parent; 0 for none
    origin     int16 (rows,)    0 for real rows, s for rows created by step s
    weight     float32 (rows,)  weight in the loss
    n_targets  int32 (rows,)    number of last events that are training targets
    n_items                     number of items in the catalog; the mask id is n_items + 1
    extra                       further event columns: name -> (events,)
    catalog                     the items of the ids, where known
    names                       the users' ids, names of kinds and steps, where known

    >>> Histories.from_lists([[1, 2, 3], [2]], n_items=3).lengths.tolist()
    [3, 1]
    """

    items: Items
    times: Ints
    starts: Ints
    row_ids: npt.NDArray[np.uint64]
    parents: npt.NDArray[np.uint64]
    origin: npt.NDArray[np.int16]
    weight: npt.NDArray[np.float32]
    n_targets: npt.NDArray[np.int32]
    n_items: int
    extra: Mapping[str, Column] = field(default_factory=dict)
    catalog: Catalog | None = None
    names: LogNames | None = None

    @classmethod
    def from_arrays(
        cls,
        items: npt.ArrayLike,
        times: npt.ArrayLike,
        starts: npt.ArrayLike,
        row_ids: npt.ArrayLike,
        n_items: int,
    ) -> Histories:
        """Real rows: each its own parent, origin 0, weight 1, all events but the first are targets."""
        starts = np.asarray(starts, np.int64)
        row_ids = np.asarray(row_ids, np.uint64)
        lengths = np.diff(starts)
        return cls(
            items=np.asarray(items, np.int32),
            times=np.asarray(times, np.int64),
            starts=starts,
            row_ids=row_ids,
            parents=row_ids,
            origin=np.zeros(len(row_ids), np.int16),
            weight=np.ones(len(row_ids), np.float32),
            n_targets=np.maximum(lengths - 1, 0).astype(np.int32),
            n_items=int(n_items),
        )

    @classmethod
    def from_lists(
        cls,
        rows: Sequence[Sequence[int]],
        n_items: int,
        times: Sequence[Sequence[int]] | None = None,
        row_ids: Sequence[int] | None = None,
    ) -> Histories:
        """Real rows from lists of item ids, for tests and examples; default times are 0, 1, 2 ..."""
        starts = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
        flat = np.fromiter((item for row in rows for item in row), np.int32, int(starts[-1]))
        row_times = times if times is not None else [range(len(row)) for row in rows]
        flat_times = np.fromiter((t for row in row_times for t in row), np.int64, int(starts[-1]))
        return cls.from_arrays(
            flat, flat_times, starts, range(1, len(rows) + 1) if row_ids is None else row_ids, n_items
        )

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def n_events(self) -> int:
        """Total number of events."""
        return int(self.starts[-1] - self.starts[0])

    @property
    def lengths(self) -> Ints:
        """int64 (rows,): events of each row."""
        return np.diff(self.starts)

    @property
    def mask_id(self) -> int:
        """The id of masked events, neither padding nor an item."""
        return self.n_items + 1

    @property
    def is_real(self) -> npt.NDArray[np.bool_]:
        """bool (rows,): whether each row is real."""
        return np.asarray(self.origin == REAL_ORIGIN, np.bool_)

    def row_items(self, index: int) -> Items:
        """int32 (length,): the items of one row."""
        return self.items[self.starts[index] : self.starts[index + 1]]

    def event_rows(self) -> Ints:
        """int64 (events,): the row of each event."""
        return np.repeat(np.arange(len(self), dtype=np.int64), self.lengths)

    def event_positions(self) -> Ints:
        """int64 (events,): the position of each event in its row, from 0."""
        return np.arange(self.n_events) - np.repeat(self.starts[:-1], self.lengths)

    def average_events(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """float64 (rows,): mean over each row's events of values (events,); 0 for an empty row.

        >>> Histories.from_lists([[1, 2], [3]], n_items=3).average_events(np.array([1.0, 3.0, 5.0])).tolist()
        [2.0, 5.0]
        """
        return np.bincount(self.event_rows(), values, len(self)) / np.maximum(self.lengths, 1)

    def count_distinct_items(self) -> Ints:
        """int64 (rows,): number of distinct items of each row."""
        pairs = np.unique(encode_pairs(self.event_rows(), self.items, self.n_items))
        return np.bincount(pairs // (self.n_items + 2), minlength=len(self))

    def slice(self, first: int, last: int) -> Histories:
        """Rows first..last - 1, as views without a copy."""
        low, high = int(self.starts[first]), int(self.starts[last])
        rows = {name: getattr(self, name)[first:last] for name in _ROW_COLUMNS}
        extra = {name: column[low:high] for name, column in self.extra.items()}
        return replace(
            self,
            items=self.items[low:high],
            times=self.times[low:high],
            starts=self.starts[first : last + 1] - low,
            extra=extra,
            **rows,
        )

    def take(self, rows: npt.ArrayLike) -> Histories:
        """The rows at these indices (int), in that order, or where this mask (bool) is true."""
        from leaven.arrays.ragged import gather_segments

        given = np.asarray(rows)
        index = np.flatnonzero(given) if given.dtype == bool else given.astype(np.int64)
        firsts = self.starts[:-1][index]
        new = gather_segments(self.items, self.times, firsts, self.starts[1:][index] - firsts, bool(self.extra))
        return self.replace_events(new.starts, new.items, new.times, new.source, index)

    def replace_events(
        self,
        starts: Ints,
        items: Items,
        times: Ints,
        source: Ints,
        source_rows: Ints | None = None,
    ) -> Histories:
        """The same rows with new events, such as a kernel returns.

        source int64 (new events,): the old event of each new one, -1 for none (its extra columns are missing). A
        price belongs to the item: it becomes missing where the item has changed. source_rows int64
        (new rows,): the old row of each new row; None if they are the same. `n_targets` is limited to the new length
        less one; a count of all but the first event stays so.
        """
        from leaven.arrays.ragged import clip_target_counts

        old_columns = {name: getattr(self, name) for name in _ROW_COLUMNS}
        columns = (
            old_columns if source_rows is None else {name: column[source_rows] for name, column in old_columns.items()}
        )
        if source_rows is not None or starts is not self.starts:  # else all lengths are unchanged
            old_starts = self.starts if source_rows is None else compute_offsets(self.lengths[source_rows])
            columns["n_targets"] = clip_target_counts(columns["n_targets"], old_starts, starts)
        extra = {name: _gather_column(column, source) for name, column in self.extra.items()}
        if PRICE_COLUMN in extra:
            price = extra[PRICE_COLUMN]
            extra[PRICE_COLUMN] = np.where(
                _gather_column(self.items, source) == items, price, missing_value(price.dtype)
            )
        return replace(self, items=items, times=times, starts=starts, extra=extra, **columns)

    def select_real(self) -> Histories:
        """The real rows."""
        return self.take(self.is_real)

    def concat_with(self, others: Sequence[Histories]) -> Histories:
        """These rows followed by those of the others."""
        return concat_histories([self, *others])

    def equal_rows(self, other: Histories) -> npt.NDArray[np.bool_]:
        """bool (rows,): whether each row has the same events in both. Both have equally many rows."""
        from leaven.arrays.ragged import RaggedEvents, find_equal_rows

        none = np.zeros(0, np.int64)
        return find_equal_rows(*(RaggedEvents(one.starts, one.items, one.times, none) for one in (self, other)))

    def read_files(self, *paths: str | Path) -> Histories:
        """Rows of these files, with the same catalog and names."""
        return replace(Histories.from_parquet(*paths), catalog=self.catalog, names=self.names)

    def to_events(self, plan: NamedSteps | Sequence[str] | None = None) -> pa.Table:
        """One table row per event, with the user's own ids; memory-light, for any tool.

        Texts are dictionary-encoded. Columns:

        user       id of the user; of a synthetic row a unique name that is no user's id, such as "ann+crop.1"
        item       id of the item; "[mask]" for a masked event
        time       UTC timestamp; null where the log has no times
        kind, value, quantity, price …   where the log has them; null where not known, as for new events
        position   int32, place of the event in its row, from 0
        is_target  whether the event is a training target
        origin     "real"; "changed": the row of a real user that a step changed in place; "synthetic"
        step       name of the step that created or changed the row; null for real rows
        parent     id of the real user whose row it derives from; null for real rows and for rows without a parent
        weight     float32, weight of the row in the loss

        plan: the plan, or the names of its steps, where `names` does not hold them: "step 1" … otherwise.

        >>> rows = Histories.from_lists([[2, 1]], n_items=2, times=[[1318896000, 1318896060]], row_ids=[196])
        >>> rows.to_events().select(["user", "item", "is_target"]).to_pylist()[1]
        {'user': '196', 'item': '1', 'is_target': True}
        """
        return build_event_table(self, plan)

    def to_arrow(self, ids: IdForm = "original") -> pa.Table:
        """One table row per history, with lists of its events.

        ids: "original": the columns of `to_events`; "internal": row ids, dense item ids and seconds, as `from_arrow`
        reads them, without a copy of the events.

        >>> Histories.from_lists([[2, 1]], n_items=2).to_arrow().column("item").to_pylist()
        [['2', '1']]
        """
        import pyarrow as pa

        if check_id_form(ids) == "original":
            return build_history_table(self)
        offsets = pa.array(self.starts - self.starts[0])
        events = {"items": self.items, "times": self.times, **self.extra}
        lists = {n: pa.LargeListArray.from_arrays(offsets, pa.array(v)) for n, v in events.items()}
        rows = {name: pa.array(getattr(self, name)) for name in _ROW_COLUMNS}
        table = pa.table({**rows, **lists})
        return table.replace_schema_metadata({_N_ITEMS: str(self.n_items)})

    @classmethod
    def from_arrow(cls, table: pa.Table) -> Histories:
        """Histories from a table written by `to_arrow(ids="internal")`.

        Raises DataError for a missing column.
        """
        _check_columns(table)
        row_columns: Fields = {
            name: np.asarray(table.column(name).combine_chunks(), dtype) for name, dtype in _ROW_COLUMNS.items()
        }
        lists = {name: table.column(name).combine_chunks() for name in table.column_names if name not in _ROW_COLUMNS}
        starts = np.asarray(lists["items"].offsets, np.int64) if len(lists["items"]) else np.zeros(1, np.int64)
        events = {name: np.asarray(column.flatten()) for name, column in lists.items()}
        items, times = events.pop("items"), events.pop("times")
        return cls(
            items=np.asarray(items, np.int32),
            times=np.asarray(times, np.int64),
            starts=starts - starts[0],
            n_items=int(table.schema.metadata[_N_ITEMS]),
            extra=events,
            **row_columns,
        )

    def to_parquet(self, path: str | Path, ids: IdForm = "original") -> None:
        """Write a Parquet file atomically, through a temporary file.

        ids: "original": the table of `to_events`; "internal": the rows in leaven's own form, which `from_parquet`
        reads, with the original ids in two further files: `NAME.items.parquet` and `NAME.users.parquet`.
        """
        if check_id_form(ids) == "original":
            return write_plain_table(self.to_events(), path)
        self.write_file(path)
        return write_id_maps(self, path)

    def write_file(self, path: str | Path) -> None:
        """Write a Parquet file of `to_arrow(ids="internal")` atomically, through a temporary file."""
        encoding = {f"{name}.list.element": "BYTE_STREAM_SPLIT" for name in ("items", "times")}  # faster and smaller
        options = {"use_dictionary": False, "column_encoding": encoding, "write_statistics": False}
        write_table(self.to_arrow("internal"), path, **options)

    @classmethod
    def from_parquet(cls, *paths: str | Path) -> Histories:
        """Rows of these files in internal form, in the order given."""
        import pyarrow.parquet as pq

        return concat_histories([cls.from_arrow(pq.ParquetFile(path).read()) for path in paths])

    def to_pandas(self) -> pd.DataFrame:
        """The table of `to_events` as a pandas frame."""
        return to_pandas_frame(self.to_events())

    def to_polars(self) -> pl.DataFrame:
        """The table of `to_events` as a Polars frame. Raises MissingExtra without Polars."""
        return to_polars_frame(self.to_events())

    def decode(self, items: npt.ArrayLike) -> list[str]:
        """Original ids of dense item ids.

        >>> Histories.from_lists([[1, 2]], n_items=2).decode([2])
        ['2']
        """
        ids: list[str] = decode_items(np.asarray(items, np.int32), self.n_items, self.catalog).to_pylist()
        return ids

    def to_display(self) -> Display:
        """What a shell and a notebook show."""
        return display_histories(self)

    __repr__ = show_text
    _repr_html_ = show_html

    def validate(self) -> Histories:
        """Return self; raises DataError for the first violated invariant of this class."""
        lengths = self.lengths
        if self.n_events != len(self.items) or len(self.items) != len(self.times) or (lengths < 0).any():
            raise DataError("histories.starts", "offsets that cover items and times", "other offsets")
        for name in _ROW_COLUMNS:
            if len(getattr(self, name)) != len(self):
                raise DataError(f"histories.{name}", f"{len(self)} values", f"{len(getattr(self, name))}")
        if self.n_events and (self.items.min() < 1 or self.items.max() > self.mask_id):
            unknown = int(self.items[(self.items < 1) | (self.items > self.mask_id)][0])
            raise DataError("histories.items", f"ids in 1..{self.mask_id}", str(unknown), "renumber the items")
        decreases = np.flatnonzero(np.diff(self.times) < 0) + 1
        if len(np.setdiff1d(decreases, self.starts)):
            raise DataError("histories.times", "ascending times in each row", "a decrease", "sort by time first")
        return self


def take_prefixes(rows: Histories, lengths: Ints) -> Histories:
    """The first lengths[i] events of each row i."""
    starts = compute_offsets(lengths)
    source = np.repeat(rows.starts[:-1] - starts[:-1], lengths) + np.arange(starts[-1])
    return rows.replace_events(starts, rows.items[source], rows.times[source], source)


def encode_pairs(rows: Ints, items: npt.NDArray[np.int32], n_items: int) -> Ints:
    """int64: one code for each pair of row and item (or mask id), in lexicographic order."""
    return np.asarray(rows * (n_items + 2) + items, np.int64)


def compute_offsets(lengths: npt.NDArray[np.generic]) -> Ints:
    """int64 (rows + 1,): row offsets for these lengths."""
    starts = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=starts[1:])
    return starts


def missing_value(dtype: npt.DTypeLike) -> Any:
    """The value of an extra column where it is not known: NaN, -1 for whole numbers and codes, "" for texts."""
    kind = np.dtype(dtype).kind
    return np.nan if kind == "f" else -1 if kind == "i" else np.zeros(1, dtype)[0]


def _gather_column(column: Column, source: Ints) -> Column:
    """The values of `column` at the source events; missing for source -1."""
    if len(column) == 0:
        return np.full(len(source), missing_value(column.dtype), column.dtype)
    values = column[np.maximum(source, 0)]
    if (source < 0).any():
        values[source < 0] = missing_value(column.dtype)
    return values


def _select_segments(starts: Ints, rows: npt.ArrayLike) -> tuple[Ints, Ints, Ints]:
    """(row indices, their new offsets, source of each event) of the rows at these indices, or in this mask."""
    index = np.asarray(rows)
    index = np.flatnonzero(index) if index.dtype == bool else index.astype(np.int64)
    lengths = np.diff(starts)[index]
    new_starts = compute_offsets(lengths)
    return index, new_starts, np.arange(new_starts[-1]) + np.repeat(starts[index] - new_starts[:-1], lengths)


def _check_columns(table: pa.Table) -> None:
    for name in ["items", "times", *_ROW_COLUMNS]:
        if name not in table.column_names:
            fix = 'read it as a log, or write histories with to_parquet(path, ids="internal")'
            raise DataError(f"column {name}", "histories in internal form", f"columns {table.column_names[:9]}", fix)
    if _N_ITEMS not in (table.schema.metadata or {}):
        raise DataError("table", "metadata leaven.n_items", "none", 'write it with to_parquet(path, ids="internal")')


def concat_histories(parts: Sequence[Histories]) -> Histories:
    """All rows of all parts, in order.

    Raises DataError for no parts, or for parts with different numbers of items.
    """
    if not parts:
        raise DataError("concat", "at least one set of histories", "none")
    first = parts[0]
    if len(parts) == 1:
        return first
    if {part.n_items for part in parts} != {first.n_items}:
        counts = sorted({part.n_items for part in parts})
        raise DataError("concat", "one catalog", f"catalogs of {counts} items")
    names = ["items", "times", *_ROW_COLUMNS]
    columns: Fields = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    lengths = np.concatenate([part.lengths for part in parts])
    kinds = {name: column.dtype for part in parts for name, column in part.extra.items()}
    extra = {name: np.concatenate([_extra_column(part, name, kind) for part in parts]) for name, kind in kinds.items()}
    starts = compute_offsets(lengths)
    return replace(first, starts=starts, extra=extra, **columns)


def _extra_column(rows: Histories, name: str, dtype: npt.DTypeLike) -> Column:
    """An extra column; missing values where the rows do not have it."""
    return rows.extra[name] if name in rows.extra else np.full(len(rows.items), missing_value(dtype), dtype)


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Users with their known histories and their later target items.

    histories                the input of a recommender: one row per user
    target_items  int32 (targets,)  target items
    target_times  int64 (targets,)  their times
    target_starts int64 (rows + 1,)  row i has targets target_starts[i]:target_starts[i + 1], at least one
    """

    histories: Histories
    target_items: Items
    target_times: Ints
    target_starts: Ints

    def __len__(self) -> int:
        return len(self.histories)

    def take(self, rows: npt.ArrayLike) -> HeldOut:
        """The users at these indices (int) or in this mask (bool)."""
        index, starts, source = _select_segments(self.target_starts, rows)
        return HeldOut(self.histories.take(index), self.target_items[source], self.target_times[source], starts)
