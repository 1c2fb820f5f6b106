"""`ExportSource`: the Arrow tables that every exporter reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from leaven.errors import DataError, suggest_name

if TYPE_CHECKING:
    import pyarrow as pa

PARTS = ("train", "valid", "test")
USER, ITEM = "user", "item"
CHUNK_ROWS = 1 << 18
"""Events per chunk: writers hold one chunk in memory, in the form of the target."""
_EVENT_TYPES = {
    "kind": "string",
    "value": "double",
    "quantity": "double",
    "price": "double",
    "position": "int64",
    "is_target": "bool",
    "label": "double",
    "origin": "string",
    "step": "string",
    "parent": "string",
    "weight": "float",
}
"""Column of an event table -> its Arrow type. Further columns keep theirs."""
LINEAGE_COLUMNS = ("origin", "step", "parent", "weight")
"""Columns that are constant within a history; every export stores them in `lineage.parquet`."""
_DICTIONARIES = (USER, ITEM, "kind", "origin", "step", "parent")


@dataclass(frozen=True, eq=False)
class ExportSource:
    """Events, items and users with their original ids, or labeled samples, as Arrow tables.

    train, valid, test  one row per event, in the order of histories: `user` and `item` (text), `time` (a timestamp; an
                        integer where the log has no clock), and any of kind, value, quantity, price, position,
                        is_target, origin, step, parent, weight, label and features. Held-out parts hold the known
                        events too, with is_target = false. Samples of a feature table need no user and no item
    items               one row per item: `item`, texts, category, price, image
    users               one row per user: `user` and attributes
    item_views          augmented texts and images: `item`, `step`, `copy`, `column`, `text`, `image` (bytes of a JPEG)
    item_ids, user_ids  the ids of all tables; the dictionaries of `user` and `item` columns, so that codes are dense
    facts               what the user may want to know later; stored in the manifest

    >>> import pyarrow as pa
    >>> source = build_source(pa.table({"user": ["u", "u"], "item": ["b", "a"], "time": [1, 2]}))
    >>> source.item_ids.to_pylist(), encode_column(source.train, "item").tolist()
    (['b', 'a'], [0, 1])
    """

    train: pa.Table
    valid: pa.Table | None
    test: pa.Table | None
    items: pa.Table | None
    users: pa.Table | None
    item_views: pa.Table | None
    user_ids: pa.StringArray
    item_ids: pa.StringArray
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def parts(self) -> dict[str, pa.Table]:
        """Name -> table of the parts that exist; train first."""
        tables = {"train": self.train, "valid": self.valid, "test": self.test}
        return {name: table for name, table in tables.items() if table is not None}

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the training events."""
        return tuple(self.train.column_names)

    @property
    def has_clock(self) -> bool:
        """Whether events have times, and not places in a line."""
        import pyarrow as pa

        if "time" not in self.columns or not pa.types.is_timestamp(self.train.schema.field("time").type):
            return False
        return bool(self.train.column("time").null_count < len(self.train))

    @property
    def has_events(self) -> bool:
        """Whether rows name a user and an item; false for samples of a feature table without them."""
        return USER in self.columns and ITEM in self.columns

    def replace_parts(self, parts: Mapping[str, pa.Table]) -> ExportSource:
        """The same items and users with other events."""
        return replace(self, train=parts["train"], valid=parts.get("valid"), test=parts.get("test"))

    def drop_known_events(self) -> ExportSource:
        """Held-out parts without the events that a recommender already knows: targets alone."""
        held_out = {name: table for name, table in self.parts.items() if name != "train"}
        return self.replace_parts({"train": self.train, **{name: keep_targets(t) for name, t in held_out.items()}})


def build_source(
    train: pa.Table,
    valid: pa.Table | None = None,
    test: pa.Table | None = None,
    items: pa.Table | None = None,
    users: pa.Table | None = None,
    item_views: pa.Table | None = None,
    facts: Mapping[str, object] | None = None,
) -> ExportSource:
    """A source of these tables, with the types and the shared dictionaries that exporters rely on.

    Raises DataError for a missing column, a column name that occurs twice, a null id, or parts with other columns.
    """
    tables = {"train": train, "valid": valid, "test": test}
    parts = {name: _convert_types(name, table) for name, table in tables.items() if table is not None}
    for name, table in parts.items():
        if set(table.column_names) != set(parts["train"].column_names):
            differ = sorted(set(table.column_names) ^ set(parts["train"].column_names))
            raise DataError(f"the {name} events", "the columns of the training events", f"others: {differ}")
    ids = {}
    for column, own in ((USER, users), (ITEM, items)):
        if own is not None:
            _check_names(f"the {column}s", own, (column,))
        columns = [table.column(column) for table in parts.values() if column in table.column_names]
        ids[column] = _list_ids([*([] if own is None else [own.column(column)]), *columns])
    for name, table in parts.items():
        for column in (USER, ITEM):
            if column in table.column_names:
                place = table.column_names.index(column)
                table = table.set_column(place, column, _share_dictionary(table.column(column), ids[column]))
        parts[name] = table.select(parts["train"].column_names)
    return ExportSource(
        train=parts["train"],
        valid=parts.get("valid"),
        test=parts.get("test"),
        items=items,
        users=users,
        item_views=item_views,
        user_ids=ids[USER],
        item_ids=ids[ITEM],
        facts=dict(facts or {}),
    )


def _check_names(where: str, table: pa.Table, required: Sequence[str]) -> None:
    names = table.column_names
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(where, "each column once", f"twice: {repeated}", "rename one of them")
    for name in required:
        if name not in names:
            raise DataError(f"{where}, column {name!r}", "this column", "none", suggest_name(name, names))
        if n_null := table.column(name).null_count:
            raise DataError(f"{where}, column {name!r}", "an id in each row", f"{n_null:,} nulls", "drop these rows")


def _convert_types(name: str, table: pa.Table) -> pa.Table:
    """The table with the types of `_EVENT_TYPES`; short texts that repeat are dictionary-encoded."""
    import pyarrow as pa

    required = () if "label" in table.column_names and ITEM not in table.column_names else (USER, ITEM)
    _check_names(f"the {name} events", table, required)
    columns = {}
    for field_name in table.column_names:
        column = table.column(field_name)
        if field_name in _DICTIONARIES:
            columns[field_name] = _encode_texts(column)
        elif field_name in _EVENT_TYPES:
            columns[field_name] = column.cast(pa.type_for_alias(_EVENT_TYPES[field_name]))
        elif field_name == "time" and pa.types.is_timestamp(column.type):
            columns[field_name] = column.cast(pa.timestamp("ns", "UTC"))
        elif field_name == "time":
            columns[field_name] = column.cast(pa.int64())
        else:
            columns[field_name] = column
    return pa.table(columns)


def _encode_texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column as dictionary<int32, string>; numbers become text."""
    import pyarrow as pa

    wanted = pa.dictionary(pa.int32(), pa.string())
    if pa.types.is_dictionary(column.type):
        return column if column.type == wanted else column.cast(wanted)
    return column.cast(pa.string()).dictionary_encode()


def _list_ids(columns: Sequence[pa.ChunkedArray]) -> pa.StringArray:
    """The distinct ids of these columns, in the order of first occurrence."""
    import pyarrow as pa

    if not columns:
        return pa.array([], pa.string())
    texts = []
    for column in columns:
        if pa.types.is_dictionary(column.type):
            texts += [chunk.dictionary for chunk in column.unify_dictionaries().chunks[:1]]
        else:
            texts += column.cast(pa.string()).chunks
    return pa.chunked_array(texts, pa.string()).unique()


def _share_dictionary(column: pa.ChunkedArray, ids: pa.StringArray) -> pa.ChunkedArray:
    """The column with `ids` as the dictionary of every chunk."""
    import pyarrow as pa
    import pyarrow.compute as pc

    chunks = column.unify_dictionaries().chunks  # all with one dictionary
    shared = pa.dictionary(pa.int32(), pa.string())
    if not chunks:
        return pa.chunked_array([], shared)
    codes = pc.index_in(chunks[0].dictionary, value_set=ids)
    return pa.chunked_array([pa.DictionaryArray.from_arrays(codes.take(one.indices), ids) for one in chunks], shared)


def encode_column(table: pa.Table, column: str) -> npt.NDArray[np.int32]:
    """int32 (rows,): the dense codes of a `user` or `item` column, from 0."""
    chunks = [chunk.indices.to_numpy(zero_copy_only=False) for chunk in table.column(column).chunks]
    return np.concatenate(chunks) if chunks else np.zeros(0, np.int32)


def keep_targets(table: pa.Table) -> pa.Table:
    """The rows with is_target = true; all rows of a table without that column."""
    return table.filter(table.column("is_target")) if "is_target" in table.column_names else table


def compute_seconds(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """An int64 Arrow column: whole seconds since 1970, or the integers themselves where the log has no clock."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_timestamp(column.type):
        return column.cast(pa.int64())
    return pc.floor_temporal(column, unit="second").cast(pa.timestamp("s")).cast(pa.int64())


def iterate_chunks(table: pa.Table, rows: int = CHUNK_ROWS) -> Iterator[pa.Table]:
    """Slices of at most `rows` rows, without a copy."""
    for first in range(0, len(table), rows):
        yield table.slice(first, rows)


def find_history_starts(table: pa.Table) -> npt.NDArray[np.int64]:
    """int64 (histories + 1,): history i has events starts[i]:starts[i + 1]. A history ends where the user changes, or
    where positions begin again.
    """
    users = encode_column(table, USER)
    is_first = np.ones(len(users), bool)
    is_first[1:] = users[1:] != users[:-1]
    if "position" in table.column_names:
        positions = table.column("position").to_numpy()
        is_first[1:] |= positions[1:] <= positions[:-1]
    return np.append(np.flatnonzero(is_first), len(users)).astype(np.int64)
