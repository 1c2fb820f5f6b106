"""How does an Arrow table of rows become flat arrays again?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from leaven.errors import DataError, nearest

if TYPE_CHECKING:
    import pyarrow as pa

Columns = dict[str, npt.NDArray[Any]]


def columns_of(table: pa.Table, row_names: list[str]) -> tuple[Columns, Columns, npt.NDArray[np.int64], int]:
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
