"""One record per history, with lists of its events."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from leaven.exports.source import CHUNK_ROWS, USER, find_history_starts

if TYPE_CHECKING:
    import pyarrow as pa

LIST_COLUMNS = ("item", "time", "kind", "value", "quantity", "price", "is_target")
"""Event columns that become lists, where a source has them."""


def iterate_histories(table: pa.Table, convert: Callable[[pa.Table], pa.Table] | None = None) -> Iterator[pa.Table]:
    """Tables with one row per history: `user`, `weight` where there is one, and lists of events; about `CHUNK_ROWS`
    events per table. convert: changes the columns of some events first.
    """
    import pyarrow as pa

    starts, first = find_history_starts(table), 0
    while first < len(starts) - 1:
        last = max(int(np.searchsorted(starts, starts[first] + CHUNK_ROWS, "right")) - 1, first + 1)
        events = table.slice(starts[first], starts[last] - starts[first])
        events = events if convert is None else convert(events)
        offsets = pa.array((starts[first : last + 1] - starts[first]).astype(np.int32))
        rows = events.select([name for name in (USER, "weight") if name in table.column_names]).take(offsets[:-1])
        histories = {name: rows.column(name) for name in rows.column_names}
        histories |= {
            name: build_lists(offsets, events.column(name)) for name in LIST_COLUMNS if name in table.column_names
        }
        yield pa.table(histories)
        first = last


def build_lists(offsets: pa.Array, column: pa.ChunkedArray) -> pa.ListArray:
    """Lists of the values of a column, as plain values."""
    import pyarrow as pa

    values = column.combine_chunks()
    values = values.cast(values.type.value_type) if pa.types.is_dictionary(values.type) else values
    return pa.ListArray.from_arrays(offsets, values)


def count_events(histories: pa.Table, column: str = "item") -> npt.NDArray[np.int64]:
    """int64 (histories,): the length of each list."""
    import pyarrow.compute as pc

    return np.asarray(pc.list_value_length(histories.column(column)), np.int64)


def flatten_histories(histories: pa.Table) -> pa.Table:
    """One row per event from a table of lists; other columns are repeated."""
    import pyarrow as pa
    import pyarrow.compute as pc

    index = pa.array(np.repeat(np.arange(len(histories)), count_events(histories)))
    columns = {}
    for name in histories.column_names:
        column = histories.column(name)
        columns[name] = pc.list_flatten(column) if pa.types.is_list(column.type) else column.take(index)
    return pa.table(columns)
