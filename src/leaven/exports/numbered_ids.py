"""Numbers instead of ids, for targets that cannot hold the ids of a log, with tables that map them back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from leaven.exports.contract import LoadedExport
from leaven.exports.files import FolderWriter, read_parquet
from leaven.exports.source import ITEM, USER, ExportSource

if TYPE_CHECKING:
    import pyarrow as pa

ID_FILES = {USER: "user_ids.parquet", ITEM: "item_ids.parquet"}


def write_id_maps(source: ExportSource, out: FolderWriter, first: int = 1, dtype: npt.DTypeLike = np.int64) -> None:
    """Write the tables of users and items: `id` and `index`, which is first, first + 1 …"""
    import pyarrow as pa

    for column, ids in ((USER, source.user_ids), (ITEM, source.item_ids)):
        numbers = np.arange(first, first + len(ids), dtype=dtype)
        out.write_parquet(ID_FILES[column], [pa.table({"id": ids, "index": numbers})])


def read_ids(folder: Path, column: str) -> pa.StringArray:
    """The ids of a table, in the order of their numbers."""
    return read_parquet(folder / ID_FILES[column]).column("id").combine_chunks()


def number_ids(source: ExportSource) -> ExportSource:
    """The source with users and items 1, 2, 3 … as text; views of items and lineage keep the ids of the log."""
    import pyarrow as pa
    import pyarrow.compute as pc

    numbers = {
        USER: pa.array(np.arange(1, len(source.user_ids) + 1)).cast(pa.string()),
        ITEM: pa.array(np.arange(1, len(source.item_ids) + 1)).cast(pa.string()),
    }
    parts = {}
    for name, table in source.parts.items():
        for column, ids in numbers.items():
            chunks = [pa.DictionaryArray.from_arrays(chunk.indices, ids) for chunk in table.column(column).chunks]
            place = table.column_names.index(column)
            table = table.set_column(place, column, pa.chunked_array(chunks, pa.dictionary(pa.int32(), pa.string())))
        parts[name] = table
    own = {}
    for column, table, known in ((USER, source.users, source.user_ids), (ITEM, source.items, source.item_ids)):
        if table is not None:
            number = numbers[column].take(pc.index_in(table.column(column).cast(pa.string()), value_set=known))
            own[column] = table.set_column(table.column_names.index(column), column, number)
    return replace(
        source.replace_parts(parts),
        users=own.get(USER),
        items=own.get(ITEM),
        user_ids=numbers[USER],
        item_ids=numbers[ITEM],
    )


def restore_ids(folder: Path, loaded: LoadedExport) -> LoadedExport:
    """The tables of an export with the ids of the log instead of numbers."""
    ids = {column: read_ids(folder, column) for column in ID_FILES}

    def restore(table: pa.Table | None, column: str) -> pa.Table | None:
        if table is None or column not in table.column_names:
            return table
        place = table.column_names.index(column)
        return table.set_column(place, column, look_up_ids(table.column(column), ids[column], first=1))

    parts = {name: restore(restore(table, USER), ITEM) for name, table in loaded.parts.items()}
    return replace(loaded, parts=parts, items=restore(loaded.items, ITEM), users=restore(loaded.users, USER))


def look_up_ids(numbers: pa.Array, ids: pa.StringArray, first: int) -> pa.StringArray:
    """The ids of numbers that begin with `first`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return ids.take(pc.subtract(numbers.cast(pa.string()).cast(pa.int64()), first))
