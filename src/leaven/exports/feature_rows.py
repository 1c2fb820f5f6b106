"""Labeled rows of features: samples as they are, or one row per event with the attributes of its item and user."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from leaven.exports.event_tables import compute_ratings
from leaven.exports.source import ITEM, USER, ExportSource, compute_seconds, encode_column, iterate_chunks

if TYPE_CHECKING:
    import pyarrow as pa

CHUNK_ROWS = 1 << 16
LABEL, WEIGHT = "label", "weight"
_NO_FEATURES = (LABEL, WEIGHT, "time", "row", "position", "is_target", "origin", "step", "parent", "value")


@dataclass(frozen=True, eq=False)
class FeatureRows:
    """Rows of a source as features.

    numeric      names of number columns
    categorical  names of text columns; an attribute that hardly repeats, such as a title, is no feature
    label        the column that labels come from; "" for none: all labels are 1
    """

    source: ExportSource
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    label: str
    missing_label: float | None = None

    def iterate_chunks(self, part: str) -> Iterator[pa.Table]:
        """Tables of `label`, `weight`, `time` where there is one, and the features as float64 and plain texts."""
        for chunk in iterate_chunks(self.source.parts[part], CHUNK_ROWS):
            yield self._convert_chunk(chunk)

    def _convert_chunk(self, chunk: pa.Table) -> pa.Table:
        import pyarrow as pa

        columns: dict[str, pa.ChunkedArray] = {
            LABEL: compute_ratings(chunk, self.label, self.missing_label).cast(pa.float64())
        }
        columns[WEIGHT] = (
            chunk.column(WEIGHT) if WEIGHT in chunk.column_names else pa.array(np.ones(len(chunk), np.float32))
        )
        if "time" in chunk.column_names:
            columns["time"] = compute_seconds(chunk.column("time"))
        for name in (*self.categorical, *self.numeric):
            values = chunk.column(name) if name in chunk.column_names else self._look_up(chunk, name)
            columns[name] = values.cast(pa.string() if name in self.categorical else pa.float64())
        return pa.table(columns)

    def _look_up(self, chunk: pa.Table, name: str) -> pa.ChunkedArray:
        key, values = self._attributes[name]
        return values.take(encode_column(chunk, key))

    @cached_property
    def _attributes(self) -> dict[str, pa.ChunkedArray]:
        """Attribute -> ("item" or "user", its value for each of the source's ids)."""
        import pyarrow as pa
        import pyarrow.compute as pc

        found = {}
        for key, table, ids in _list_attribute_tables(self.source):
            rows = pc.index_in(ids, value_set=table.column(key).cast(pa.string()).combine_chunks())
            for name in table.column_names:
                found[_name_attribute(key, name)] = (key, table.column(name).combine_chunks().take(rows))
        return found

    def list_levels(self, name: str) -> pa.StringArray:
        """The distinct texts of a categorical column in all parts, in the order of first occurrence."""
        import pyarrow as pa

        if name in (USER, ITEM):
            return self.source.user_ids if name == USER else self.source.item_ids
        columns = [table.column(name) for table in self.source.parts.values() if name in table.column_names]
        columns = columns or [pa.chunked_array([self._attributes[name][1]])]
        chunks = [chunk for column in columns for chunk in column.cast(pa.string()).chunks]
        return pa.chunked_array(chunks, pa.string()).unique().drop_null()


def build_features(source: ExportSource, missing_label: float | None = None) -> FeatureRows:
    """The feature columns of a source: those of its samples, or user, item, kind and attributes."""
    import pyarrow as pa
    import pyarrow.compute as pc

    numeric, categorical = list[str](), list[str]()
    for name in source.columns:
        if name not in _NO_FEATURES:
            kind = source.train.schema.field(name).type
            is_number = pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)
            (numeric if is_number else categorical).append(name)
    for key, table, ids in _list_attribute_tables(source):
        for name in table.column_names:
            feature, kind = _name_attribute(key, name), table.schema.field(name).type
            if name == key or feature in source.columns:
                continue
            if pa.types.is_floating(kind) or pa.types.is_integer(kind):
                numeric.append(feature)
            elif 2 * pc.count_distinct(table.column(name)).as_py() <= len(ids):
                categorical.append(feature)
    return FeatureRows(source, tuple(numeric), tuple(categorical), find_label_name(source), missing_label)


def _list_attribute_tables(source: ExportSource) -> list[tuple[str, pa.Table, pa.StringArray]]:
    tables = ((ITEM, source.items, source.item_ids), (USER, source.users, source.user_ids))
    return [(key, table, ids) for key, table, ids in tables if table is not None and key in source.columns]


def _name_attribute(key: str, name: str) -> str:
    """The name of an attribute as a feature, distinct for items and users."""
    return name if name == key else f"{key}_{name}"


def restore_features(table: pa.Table, labels: str) -> pa.Table:
    """A loaded table with its label under the name that it had in the source: "label", "value", or "" for none."""
    if labels:
        return table.rename_columns([labels if name == LABEL else name for name in table.column_names])
    return table.drop_columns(LABEL)


def find_label_name(source: ExportSource) -> str:
    """The column that labels come from; "" for none."""
    return next((name for name in (LABEL, "value") if name in source.columns), "")
