"""Histories and samples as tables with the user's own ids, ready for any tool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from leaven.datasets.frames import Column, write_table
from leaven.datasets.log_names import LogNames, NamedSteps, RowLabels, label_rows, list_step_names

if TYPE_CHECKING:
    import pyarrow as pa

    from leaven.datasets.catalog import Catalog

MIN_CLOCK_TIME = 10_000_000
"""Smaller last times, before April 1970, are positions in a line: the log has no clock."""
MASK_NAME = "[mask]"
"""The item of masked events."""
NANOSECOND = "nanosecond"
"""Extra column with the part of a time below a second."""
EVENT_COLUMNS = ("kind", "value", "quantity", "price")
"""Columns of events that a table lists first among the further ones."""


class EventRows(Protocol):
    """The part of `Histories` that a table of events needs."""

    @property
    def items(self) -> npt.NDArray[np.int32]: ...
    @property
    def times(self) -> npt.NDArray[np.int64]: ...
    @property
    def lengths(self) -> npt.NDArray[np.int64]: ...
    @property
    def row_ids(self) -> npt.NDArray[np.uint64]: ...
    @property
    def parents(self) -> npt.NDArray[np.uint64]: ...
    @property
    def origin(self) -> npt.NDArray[np.int16]: ...
    @property
    def weight(self) -> npt.NDArray[np.float32]: ...
    @property
    def n_targets(self) -> npt.NDArray[np.int32]: ...
    @property
    def n_items(self) -> int: ...
    @property
    def extra(self) -> Mapping[str, Column]: ...
    @property
    def catalog(self) -> Catalog | None: ...
    @property
    def names(self) -> LogNames | None: ...


def build_event_table(
    rows: EventRows, plan: NamedSteps | Sequence[str] | None = None, labels: RowLabels | None = None
) -> pa.Table:
    """One line per event: see `Histories.to_events`.

    labels: of these rows, where they are known already, as when a file is written block by block; else rows of one
    parent in different blocks would have equal names.
    """
    import pyarrow as pa

    names = rows.names
    if labels is None:
        labels = label_rows(names, rows.row_ids, rows.parents, rows.origin, list_step_names(plan, names))
    lengths = rows.lengths
    row = np.repeat(np.arange(len(lengths), dtype=np.int64), lengths)
    position = np.arange(len(row)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    index = pa.array(row)
    columns: dict[str, pa.Array] = {
        "user": _repeat(labels.user, index),
        "item": decode_items(rows.items, rows.n_items, rows.catalog),
        "time": decode_times(rows.times, has_clock(rows.times, names), rows.extra.get(NANOSECOND)),
    }
    others = sorted({*rows.extra} - {*EVENT_COLUMNS, NANOSECOND, "part"})
    for name in [*(name for name in EVENT_COLUMNS if name in rows.extra), *others]:
        columns[name] = _decode_extra(name, rows.extra[name], names)
    columns["position"] = pa.array(position.astype(np.int32))
    columns["is_target"] = pa.array(position >= (lengths - rows.n_targets)[row])
    columns["origin"] = _repeat(labels.origin, index)
    columns["step"] = _repeat(labels.step, index)
    columns["parent"] = _repeat(labels.parent, index)
    columns["weight"] = pa.array(rows.weight[row])
    return pa.table(columns)


class SampleRows(Protocol):
    """The part of `Samples` that a table needs."""

    @property
    def numeric(self) -> tuple[str, ...]: ...
    @property
    def categorical(self) -> tuple[str, ...]: ...
    @property
    def numbers(self) -> npt.NDArray[np.float64]: ...
    @property
    def codes(self) -> npt.NDArray[np.int32]: ...
    @property
    def levels(self) -> Mapping[str, tuple[str, ...]]: ...
    @property
    def label(self) -> npt.NDArray[np.float32]: ...
    @property
    def weight(self) -> npt.NDArray[np.float32]: ...
    @property
    def row_ids(self) -> npt.NDArray[np.uint64]: ...
    @property
    def parents(self) -> npt.NDArray[np.uint64]: ...
    @property
    def origin(self) -> npt.NDArray[np.int16]: ...
    @property
    def user_ids(self) -> npt.NDArray[np.uint64]: ...
    @property
    def times(self) -> npt.NDArray[np.int64]: ...
    @property
    def names(self) -> LogNames | None: ...


def build_feature_columns(rows: SampleRows) -> dict[str, pa.Array]:
    """Numbers, and dictionary-encoded categories, by column name; missing values are null."""
    import pyarrow as pa

    table: dict[str, pa.Array] = {}
    for index, name in enumerate(rows.numeric):
        column = np.ascontiguousarray(rows.numbers[:, index])
        table[name] = pa.array(column, mask=np.isnan(column))
    for index, name in enumerate(rows.categorical):
        codes = rows.codes[:, index]
        indices = pa.array(np.maximum(codes - 1, 0).astype(np.int32), mask=codes == 0)
        table[name] = pa.DictionaryArray.from_arrays(indices, pa.array(list(rows.levels[name]), pa.string()))
    return table


def build_sample_table(rows: SampleRows, plan: NamedSteps | Sequence[str] | None = None) -> pa.Table:
    """One line per labeled row: see `Samples.to_events`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    lineage = label_rows(None, rows.row_ids, rows.parents, rows.origin, list_step_names(plan, rows.names))
    features = build_feature_columns(rows)
    row_names = _format_row_ids(rows.row_ids)
    own: dict[str, pa.Array] = {"row": row_names, "user": _decode_users(rows)}
    if rows.times.any():
        seconds = pa.array(rows.times, mask=rows.times == 0).cast(pa.timestamp("s", "UTC"))
        own["time"] = seconds.cast(pa.timestamp("us", "UTC"))
    own["label"] = pa.array(rows.label)
    has_parent = pa.array((rows.origin != 0) & (rows.parents != 0))
    parents = pc.if_else(has_parent, _format_row_ids(rows.parents), pa.scalar(None, pa.string()))
    last = {"origin": lineage.origin, "step": lineage.step, "parent": parents, "weight": pa.array(rows.weight)}
    named = {name if name not in features else f"leaven_{name}": column for name, column in (own | last).items()}
    if "user" in features and "leaven_user" in named:  # the feature is the same id
        del named["leaven_user"]
    first = {name: column for name, column in named.items() if name.removeprefix("leaven_") in own}
    return pa.table(first | features | {name: column for name, column in named.items() if name not in first})


def _decode_users(rows: SampleRows) -> pa.Array:
    """Arrow strings (rows,): original ids of users, else their hashes; null for rows of no user."""
    import pyarrow as pa
    import pyarrow.compute as pc

    nothing = pa.scalar(None, pa.string())
    if rows.names is not None and rows.names.users is not None:
        return rows.names.find_users(rows.user_ids)
    is_user = (rows.user_ids != 0) & (rows.user_ids != rows.row_ids)  # without users, each row has its own id
    return pc.if_else(pa.array(is_user), pa.array(rows.user_ids).cast(pa.string()), nothing)


def _format_row_ids(row_ids: npt.NDArray[np.uint64]) -> pa.Array:
    """Arrow strings (rows,): row ids as 16 hexadecimal digits."""
    import pyarrow as pa

    digits = row_ids.astype(">u8").tobytes().hex()
    starts = np.arange(len(row_ids) + 1, dtype=np.int32) * 16
    return pa.StringArray.from_buffers(len(row_ids), pa.py_buffer(starts), pa.py_buffer(digits.encode()))


def build_history_table(rows: EventRows) -> pa.Table:
    """One line per history, with lists of its events: see `Histories.to_arrow`."""
    import pyarrow as pa

    events = build_event_table(rows)
    starts = np.concatenate([[0], np.cumsum(rows.lengths)]).astype(np.int64)
    names = rows.names
    labels = label_rows(names, rows.row_ids, rows.parents, rows.origin, list_step_names(None, names))
    first = {"user": labels.user, "parent": labels.parent, "origin": labels.origin, "step": labels.step}
    columns = {**first, "weight": pa.array(rows.weight), "n_targets": pa.array(rows.n_targets)}
    lists = [name for name in events.column_names if name not in columns and name not in ("position", "is_target")]
    offsets = pa.array(starts)
    columns |= {n: pa.LargeListArray.from_arrays(offsets, events.column(n).combine_chunks()) for n in lists}
    return pa.table(columns)


def write_id_maps(rows: EventRows, path: str | Path) -> None:
    """Write the original ids of the dense item ids and row ids next to a file of rows in internal form.

    NAME.items.parquet: item_code, item. NAME.users.parquet: row_id, user.
    """
    import pyarrow as pa

    base = Path(path)
    codes = np.arange(1, rows.n_items + 1, dtype=np.int32)
    items = pa.table({"item_code": codes, "item": decode_items(codes, rows.n_items, rows.catalog).cast(pa.string())})
    write_table(items, base.with_name(f"{base.stem}.items.parquet"))
    real = np.unique(np.concatenate([rows.row_ids[rows.origin == 0], rows.parents[rows.parents != 0]]))
    users = pa.nulls(len(real), pa.string()) if rows.names is None else rows.names.find_users(real)
    write_table(pa.table({"row_id": real, "user": users}), base.with_name(f"{base.stem}.users.parquet"))


def has_clock(times: npt.NDArray[np.int64], names: LogNames | None) -> bool:
    """Whether times are times and not positions in a file, by the names or else by the size of the times."""
    if names is not None and names.has_clock is not None:
        return names.has_clock
    return bool(len(times) and int(times.max()) >= MIN_CLOCK_TIME)


def decode_times(
    times: npt.NDArray[np.int64], is_known: bool, nanoseconds: npt.NDArray[np.int32] | None = None
) -> pa.Array:
    """Arrow timestamps (UTC) of seconds and nanoseconds within the second; nulls where the log has no clock.

    In microseconds, or in nanoseconds where a time has a fraction of a microsecond.
    """
    import pyarrow as pa

    if not is_known:
        return pa.nulls(len(times), pa.timestamp("us", "UTC"))
    if nanoseconds is None:
        return pa.array(times).cast(pa.timestamp("s", "UTC")).cast(pa.timestamp("us", "UTC"))
    fraction = np.maximum(nanoseconds, 0)  # -1: not known, as for new events
    if (fraction % 1000).any():
        return pa.array(times * 1_000_000_000 + fraction).cast(pa.timestamp("ns", "UTC"))
    return pa.array(times * 1_000_000 + fraction // 1000).cast(pa.timestamp("us", "UTC"))


def decode_items(items: npt.NDArray[np.int32], n_items: int, catalog: Catalog | None) -> pa.DictionaryArray:
    """The original ids of dense item ids; "[mask]" for masked events. Without a catalog, the dense ids as text."""
    import pyarrow as pa

    ids = pa.array(range(1, n_items + 1)).cast(pa.string()) if catalog is None else catalog.id_array
    if bool((items == n_items + 1).any()):
        ids = pa.concat_arrays([ids, pa.array([MASK_NAME])])
    return pa.DictionaryArray.from_arrays(pa.array(items - 1), ids)


def _repeat(column: pa.DictionaryArray, index: pa.Array) -> pa.DictionaryArray:
    """The values of rows for each of their events."""
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(column.indices.take(index), column.dictionary)


def _decode_extra(name: str, values: Column, names: LogNames | None) -> pa.Array:
    """A further column of events: names of kinds, numbers with nulls for NaN."""
    import pyarrow as pa

    if name == "kind" and names is not None and len(names.kinds):
        missing = [code for code, kind in enumerate(names.kinds) if not kind]
        unknown = (values < 0) | (values >= len(names.kinds)) | np.isin(values, missing)
        return pa.DictionaryArray.from_arrays(pa.array(values, mask=unknown), pa.array(names.kinds, pa.string()))
    return pa.array(values, from_pandas=values.dtype.kind == "f")
