"""What is a set of histories, and what is held out from one?

Ragged arrays: row *i* owns events `starts[i]:starts[i + 1]`. Lineage is a column, expansion is
concatenation, a shard is a slice, "real only" is a mask.
"""

from __future__ import annotations

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

    from leaven.datasets.catalog import Catalog

Ints = npt.NDArray[np.int64]
Items = npt.NDArray[np.int32]

REAL = 0
"""The origin of a row that nobody made."""
FROM_NOISE = 0
"""The parent key of a row that was made from no real row."""
PRICE = "price"
"""The other column of an event that says something of its item alone."""

_ROW_COLUMNS: dict[str, Any] = {"keys": np.uint64, "parents": np.uint64, "origin": np.int16}
_ROW_COLUMNS |= {"weight": np.float32, "targets": np.int32}


@dataclass(frozen=True, eq=False)
class Histories:
    """Many users' events in time order, with the lineage of every row.

    items   int32 (events,)   dense item ids, 1..n_items; 0 pads and never occurs
    times   int64 (events,)   seconds since 1970 (UTC), ascending inside a row
    starts  int64 (rows + 1,) row i owns events starts[i]:starts[i + 1]
    keys    uint64 (rows,)    identity of the row, from the original user id
    parents uint64 (rows,)    key of the real row it was made from; 0 when made from noise
    origin  int16 (rows,)     0 real, s = made by step s
    weight  float32 (rows,)   weight in the loss
    targets int32 (rows,)     how many of the last events are training targets
    n_items                   number of items of the catalogue; the mask's id is n_items + 1
    extra                     other columns of an event: name -> (events,)
    catalog                   the items that the ids point at, where they are known

    >>> Histories.of([[1, 2, 3], [2]], n_items=3).lengths.tolist()
    [3, 1]
    """

    items: Items
    times: Ints
    starts: Ints
    keys: npt.NDArray[np.uint64]
    parents: npt.NDArray[np.uint64]
    origin: npt.NDArray[np.int16]
    weight: npt.NDArray[np.float32]
    targets: npt.NDArray[np.int32]
    n_items: int
    extra: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    catalog: Catalog | None = None

    @classmethod
    def real(
        cls,
        items: npt.ArrayLike,
        times: npt.ArrayLike,
        starts: npt.ArrayLike,
        keys: npt.ArrayLike,
        n_items: int,
    ) -> Histories:
        """Rows that nobody made: own parents, origin 0, weight 1, every event but the first a target."""
        starts = np.asarray(starts, np.int64)
        keys = np.asarray(keys, np.uint64)
        lengths = np.diff(starts)
        return cls(
            items=np.asarray(items, np.int32),
            times=np.asarray(times, np.int64),
            starts=starts,
            keys=keys,
            parents=keys,
            origin=np.zeros(len(keys), np.int16),
            weight=np.ones(len(keys), np.float32),
            targets=np.maximum(lengths - 1, 0).astype(np.int32),
            n_items=int(n_items),
        )

    @classmethod
    def of(
        cls,
        rows: Sequence[Sequence[int]],
        n_items: int,
        times: Sequence[Sequence[int]] | None = None,
        keys: Sequence[int] | None = None,
    ) -> Histories:
        """Real rows from lists of ids, for tests and for a look by hand; times count 0, 1, 2 …"""
        starts = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
        flat = np.fromiter((item for row in rows for item in row), np.int32, int(starts[-1]))
        clock = times if times is not None else [range(len(row)) for row in rows]
        when = np.fromiter((t for row in clock for t in row), np.int64, int(starts[-1]))
        names = np.asarray(keys if keys is not None else range(1, len(rows) + 1), np.uint64)
        return cls.real(flat, when, starts, names, n_items)

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def events(self) -> int:
        """Number of events of all rows together."""
        return int(self.starts[-1] - self.starts[0])

    @property
    def lengths(self) -> Ints:
        """int64 (rows,): events of each row."""
        return np.diff(self.starts)

    @property
    def mask_id(self) -> int:
        """The id that stands for "something was here": never padding, never an item."""
        return self.n_items + 1

    @property
    def is_real(self) -> npt.NDArray[np.bool_]:
        """bool (rows,): which rows nobody made."""
        real: npt.NDArray[np.bool_] = self.origin == REAL
        return real

    def row(self, index: int) -> Items:
        """int32 (length,): the items of one row."""
        return self.items[self.starts[index] : self.starts[index + 1]]

    def row_of_event(self) -> Ints:
        """int64 (events,): which row each event belongs to."""
        return np.repeat(np.arange(len(self), dtype=np.int64), self.lengths)

    def distinct(self) -> Ints:
        """int64 (rows,): how many different items each row holds."""
        pairs = np.unique(coded(self.row_of_event(), self.items, self.n_items))
        return np.bincount(pairs // (self.n_items + 2), minlength=len(self))

    def slice(self, first: int, last: int) -> Histories:
        """Rows first..last - 1; events are views, nothing is copied."""
        low, high = int(self.starts[first]), int(self.starts[last])
        rows: dict[str, Any] = {name: getattr(self, name)[first:last] for name in _ROW_COLUMNS}
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
        """The rows at these indices (int), or where this mask (bool) is true, in that order."""
        index = np.asarray(rows)
        index = np.flatnonzero(index) if index.dtype == bool else index.astype(np.int64)
        lengths = self.lengths[index]
        starts = offsets(lengths)
        source = np.arange(starts[-1]) + np.repeat(self.starts[index] - starts[:-1], lengths)
        return self.rebuilt(starts, self.items[source], self.times[source], source, index)

    def rebuilt(
        self,
        starts: Ints,
        items: Items,
        times: Ints,
        source: Ints,
        rows: Ints | None = None,
    ) -> Histories:
        """The same rows with other events: what a kernel returned.

        source int64 (new events,): which of my events each new one came from, -1 for none (other
        columns of such an event are 0, or empty). A price stays with its item: where that is another
        now, it is 0, which is no price. rows int64 (new rows,): which of my rows each new row came
        from; None when row i came from row i. `targets` never exceeds the new length less one, and
        stays "all but the first" where it was.
        """
        from leaven.arrays.ragged import fitting_targets

        mine: dict[str, Any] = {name: getattr(self, name) for name in _ROW_COLUMNS}
        columns = mine if rows is None else {name: column[rows] for name, column in mine.items()}
        if rows is not None or starts is not self.starts:  # else every row is as long as it was
            old = self.starts if rows is None else offsets(self.lengths[rows])
            columns["targets"] = fitting_targets(columns["targets"], old, starts)
        extra = {name: _carried(column, source) for name, column in self.extra.items()}
        if PRICE in extra:
            extra[PRICE] = np.where(_carried(self.items, source) == items, extra[PRICE], 0)
        return replace(self, items=items, times=times, starts=starts, extra=extra, **columns)

    def real_only(self) -> Histories:
        """The rows that nobody made."""
        return self.take(self.is_real)

    def joined(self, others: Sequence[Histories]) -> Histories:
        """These rows, then those of the others."""
        return concat([self, *others])

    def same_as(self, other: Histories) -> npt.NDArray[np.bool_]:
        """bool (rows,): where both have the same events. Both have as many rows."""
        same = np.asarray(self.lengths == other.lengths, bool)
        index = np.flatnonzero(same & (self.lengths > 0))
        if not len(index):
            return same
        mine, theirs = (self, other) if len(index) == len(self) else (self.take(index), other.take(index))
        differ = mine.items != theirs.items
        if mine.times is not theirs.times:
            differ |= mine.times != theirs.times
        same[index] = ~np.logical_or.reduceat(differ, mine.starts[:-1] - mine.starts[0])
        return same

    def read_back(self, *paths: str | Path) -> Histories:
        """Rows of these files, over the same catalogue."""
        return replace(Histories.from_parquet(*paths), catalog=self.catalog)

    def to_arrow(self) -> pa.Table:
        """One line a row: lists of items and times (no copy), and the lineage columns."""
        import pyarrow as pa

        offsets = pa.array(self.starts - self.starts[0])
        events = {"items": self.items, "times": self.times, **self.extra}
        lists = {n: pa.LargeListArray.from_arrays(offsets, pa.array(v)) for n, v in events.items()}
        rows = {name: pa.array(getattr(self, name)) for name in _ROW_COLUMNS}
        table = pa.table({**rows, **lists})
        return table.replace_schema_metadata({"leaven.n_items": str(self.n_items)})

    @classmethod
    def from_arrow(cls, table: pa.Table) -> Histories:
        """What `to_arrow` made, back again.

        Raises DataError where a column is missing.
        """
        events, rows, starts, n_items = _columns_of(table, list(_ROW_COLUMNS))
        typed: dict[str, Any] = {name: np.asarray(rows[name], kind) for name, kind in _ROW_COLUMNS.items()}
        items, times = events.pop("items"), events.pop("times")
        return cls(
            items=np.asarray(items, np.int32),
            times=np.asarray(times, np.int64),
            starts=starts,
            n_items=n_items,
            extra=events,
            **typed,
        )

    def to_parquet(self, path: str | Path) -> None:
        """Write beside and rename: the file is whole or it is not there."""
        import pyarrow.parquet as pq

        target = Path(path)
        part = target.with_name(target.name + ".part")
        split = {f"{name}.list.element": "BYTE_STREAM_SPLIT" for name in ("items", "times")}  # sooner, and smaller
        how: dict[str, Any] = {"use_dictionary": False, "column_encoding": split, "write_statistics": False}
        pq.write_table(self.to_arrow(), part, compression="zstd", **how)
        part.replace(target)

    @classmethod
    def from_parquet(cls, *paths: str | Path) -> Histories:
        """Rows of these files, in the order given."""
        import pyarrow.parquet as pq

        return concat([cls.from_arrow(pq.ParquetFile(path).read()) for path in paths])

    def to_pandas(self) -> pd.DataFrame:
        """One line an event: key, parent, origin, item, time, and the other columns."""
        import pandas as pd

        row = self.row_of_event()
        columns = {"key": self.keys[row], "parent": self.parents[row], "origin": self.origin[row]}
        return pd.DataFrame({**columns, "item": self.items, "time": self.times, **self.extra})

    def check(self) -> Histories:
        """Itself, once every promise of this class is kept; DataError names the first broken one."""
        lengths = self.lengths
        if self.events != len(self.items) or len(self.items) != len(self.times) or (lengths < 0).any():
            raise DataError("histories.starts", "offsets that cover items and times", "others", "")
        for name in _ROW_COLUMNS:
            if len(getattr(self, name)) != len(self):
                raise DataError(f"histories.{name}", f"{len(self)} values", f"{len(getattr(self, name))}", "")
        if self.events and (self.items.min() < 1 or self.items.max() > self.mask_id):
            odd = int(self.items[(self.items < 1) | (self.items > self.mask_id)][0])
            raise DataError("histories.items", f"ids in 1..{self.mask_id}", str(odd), "renumber the items")
        falls = np.flatnonzero(np.diff(self.times) < 0) + 1
        if len(np.setdiff1d(falls, self.starts)):
            raise DataError("histories.times", "ascending times in a row", "a fall", "sort by time first")
        return self


def beginnings(rows: Histories, lengths: Ints) -> Histories:
    """The first events of each row."""
    starts = offsets(lengths)
    source = np.repeat(rows.starts[:-1] - starts[:-1], lengths) + np.arange(starts[-1])
    return rows.rebuilt(starts, rows.items[source], rows.times[source], source)


def coded(row: Ints, items: npt.NDArray[np.int32], n_items: int) -> Ints:
    """int64: one number for each pair of a row and an item, or the mask; both ascend with it, the row first."""
    codes: Ints = row * (n_items + 2) + items
    return codes


def offsets(lengths: npt.NDArray[Any]) -> Ints:
    """int64 (rows + 1,): where each row starts."""
    starts = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=starts[1:])
    return starts


def _carried(column: npt.NDArray[Any], source: Ints) -> npt.NDArray[Any]:
    """A column of the events that each new event came from; 0 or empty where there is none."""
    if len(column) == 0:
        return np.zeros(len(source), column.dtype)
    taken = column[np.maximum(source, 0)]
    if (source < 0).any():
        taken[source < 0] = np.zeros(1, column.dtype)[0]
    return taken


def _columns_of(table: pa.Table, row_names: list[str]) -> tuple[dict[str, Any], dict[str, Any], Ints, int]:
    """(event columns, row columns, starts int64 (rows + 1,), n_items) of a table of histories.

    Raises DataError where a column or the number of items is missing.
    """
    for name in ["items", "times", *row_names]:
        if name not in table.column_names:
            raise DataError(f"column {name}", "a table of histories", "none", nearest(name, table.column_names))
    held = (table.schema.metadata or {}).get(b"leaven.n_items")
    if held is None:
        raise DataError("table", "metadata leaven.n_items", "none", "write the table with Histories.to_arrow")
    rows = {name: _flat(table.column(name)) for name in row_names}
    lists = {name: table.column(name) for name in table.column_names if name not in row_names}
    merged = {name: column.combine_chunks() for name, column in lists.items()}
    items = merged["items"]
    starts = np.asarray(items.offsets, np.int64) if len(items) else np.zeros(1, np.int64)
    events = {name: np.asarray(column.flatten()) for name, column in merged.items()}
    return events, rows, starts - starts[0], int(held)


def _flat(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    return np.asarray(column.combine_chunks())


def concat(parts: Sequence[Histories]) -> Histories:
    """All rows of all parts, in order: this is what expansion is.

    Raises DataError for no parts at all, or parts over different catalogues.
    """
    if not parts:
        raise DataError("concat", "at least one set of histories", "none", "")
    first = parts[0]
    if len(parts) == 1:
        return first
    if {part.n_items for part in parts} != {first.n_items}:
        counts = sorted({part.n_items for part in parts})
        raise DataError("concat", "one catalogue", f"catalogues of {counts} items", "")
    names = ["items", "times", *_ROW_COLUMNS]
    columns: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    lengths = np.concatenate([part.lengths for part in parts])
    extra = {n: np.concatenate([p.extra[n] for p in parts]) for n in first.extra if all(n in p.extra for p in parts)}
    starts = offsets(lengths)
    return replace(first, starts=starts, extra=extra, **columns)


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Users, what was known of them, and what they took next.

    histories           what a recommender may see: `len(histories)` rows
    items  int32 (targets,)  the items that they took afterwards
    times  int64 (targets,)  when
    starts int64 (rows + 1,) row i owns targets starts[i]:starts[i + 1]; never none
    """

    histories: Histories
    items: Items
    times: Ints
    starts: Ints

    def __len__(self) -> int:
        return len(self.histories)

    def take(self, rows: npt.ArrayLike) -> HeldOut:
        """These users only: indices (int) or a mask (bool)."""
        index = np.asarray(rows)
        index = np.flatnonzero(index) if index.dtype == bool else index.astype(np.int64)
        lengths = np.diff(self.starts)[index]
        starts = offsets(lengths)
        source = np.arange(starts[-1]) + np.repeat(self.starts[index] - starts[:-1], lengths)
        return HeldOut(self.histories.take(index), self.items[source], self.times[source], starts)
