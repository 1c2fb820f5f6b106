"""Targets that read a sparse matrix of users and items: implicit, LightFM."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from leaven.exports.contract import LoadedExport, TargetTraits
from leaven.exports.event_tables import melt_attributes
from leaven.exports.files import FolderWriter, read_parquet
from leaven.exports.manifest import Loss, Manifest
from leaven.exports.numbered_ids import read_ids, write_id_maps
from leaven.exports.preflight import Violation, find_out_of_range
from leaven.exports.source import ITEM, PARTS, USER, ExportSource, encode_column

if TYPE_CHECKING:
    import pyarrow as pa
    from scipy.sparse import coo_matrix


@dataclass(frozen=True)
class ImplicitExport:
    """implicit: a float32 CSR matrix of users and items per part; a cell is the sum of the weights of its events."""

    traits: ClassVar[TargetTraits] = TargetTraits(
        library="implicit 0.7",
        usage="""
import scipy.sparse
model.fit(scipy.sparse.load_npz("train.npz"))  # row and column numbers: user_ids.parquet, item_ids.parquet
""",
        rows="pairs",
        columns=(USER, ITEM, "weight"),
        time_unit="",
        has_numbers=True,
    )

    def find_violations(self, source: ExportSource) -> Iterator[Violation]:
        """Weights are positive: a stored 0 is no interaction."""
        yield from _find_invalid_weights(source)

    def write(self, source: ExportSource, out: FolderWriter) -> Sequence[Loss]:
        """`train.npz`, `valid.npz`, `test.npz`, `user_ids.parquet`, `item_ids.parquet`."""
        import scipy.sparse

        losses = []
        for part, table in source.parts.items():
            pairs = sum_pairs(source, table)
            path = out.add_file(f"{part}.npz", len(pairs.weights), (USER, ITEM, "weight"))
            scipy.sparse.save_npz(path, pairs.build_matrix(pairs.weights).tocsr())
            losses += pairs.list_losses(part, len(table))
        write_id_maps(source, out, first=0)
        return losses

    def load(self, folder: Path, manifest: Manifest) -> LoadedExport:
        """One row per cell: user, item, summed weight."""
        return LoadedExport(
            {part: _read_cells(folder, f"{part}.npz") for part in PARTS if (folder / f"{part}.npz").exists()}
        )


@dataclass(frozen=True)
class LightFmExport:
    """LightFM: a COO matrix of ones per part, weights in the same order, and features of items and users.

    Feature matrices begin with an identity block, one feature per item and user.
    """

    traits: ClassVar[TargetTraits] = TargetTraits(
        library="lightfm-next 1.19",
        usage="""
from scipy.sparse import load_npz
model.fit(load_npz("train.npz"), sample_weight=load_npz("train_weights.npz"))  # item_features=load_npz(…)
""",
        rows="pairs",
        columns=(USER, ITEM, "weight"),
        time_unit="",
        has_items=True,
        has_users=True,
        has_numbers=True,
    )

    def find_violations(self, source: ExportSource) -> Iterator[Violation]:
        """Weights are positive."""
        yield from _find_invalid_weights(source)

    def write(self, source: ExportSource, out: FolderWriter) -> Sequence[Loss]:
        """`train.npz`, `train_weights.npz` …, `item_features.npz` with the names of its columns, tables of ids."""
        import scipy.sparse

        losses = []
        for part, table in source.parts.items():
            pairs = sum_pairs(source, table)
            for name, values in ((part, np.ones_like(pairs.weights)), (f"{part}_weights", pairs.weights)):
                path = out.add_file(f"{name}.npz", len(values), (USER, ITEM, "weight"))
                scipy.sparse.save_npz(path, pairs.build_matrix(values))
            losses += pairs.list_losses(part, len(table))
        write_id_maps(source, out, first=0)
        for name, key, attributes, ids in (
            ("item", ITEM, source.items, source.item_ids),
            ("user", USER, source.users, source.user_ids),
        ):
            if attributes is not None:
                _write_features(name, key, attributes, ids, out)
        return losses

    def load(self, folder: Path, manifest: Manifest) -> LoadedExport:
        """One row per pair with its summed weight, and the tables of items and users."""
        names = [part for part in PARTS if (folder / f"{part}.npz").exists()]
        tables = [folder / f"{name}s.parquet" for name in ("item", "user")]
        items, users = (read_parquet(path) if path.exists() else None for path in tables)
        return LoadedExport({part: _read_cells(folder, f"{part}_weights.npz") for part in names}, items, users)


@dataclass(frozen=True, eq=False)
class PairSums:
    """The distinct pairs of user and item, sorted: int32 (pairs,) codes, float32 (pairs,) summed weights."""

    users: pa.ChunkedArray
    items: pa.ChunkedArray
    weights: pa.ChunkedArray
    shape: tuple[int, int]

    def build_matrix(self, values: npt.NDArray[np.float32]) -> coo_matrix:
        """A COO matrix with these values, in the order of the pairs."""
        import scipy.sparse

        return scipy.sparse.coo_matrix((values, (self.users, self.items)), shape=self.shape)

    def list_losses(self, part: str, n_events: int) -> list[Loss]:
        """What merging lost."""
        merged = n_events - len(self.weights)
        return [Loss(ITEM, merged, f"repeated events of a pair are merged, in {part}")] if merged else []


def sum_pairs(source: ExportSource, table: pa.Table) -> PairSums:
    """The distinct pairs of a part with the sums of their weights."""
    n_items = max(len(source.item_ids), 1)
    codes = encode_column(table, USER).astype(np.int64) * n_items + encode_column(table, ITEM)
    pairs, inverse = np.unique(codes, return_inverse=True)
    weights = table.column("weight").to_numpy() if "weight" in table.column_names else np.ones(len(codes))
    sums = np.bincount(inverse, weights, minlength=len(pairs)).astype(np.float32)
    shape = (len(source.user_ids), len(source.item_ids))
    return PairSums((pairs // n_items).astype(np.int32), (pairs % n_items).astype(np.int32), sums, shape)


def _find_invalid_weights(source: ExportSource) -> Iterator[Violation]:
    for part, table in source.parts.items():
        if "weight" in table.column_names:
            yield from find_out_of_range(
                table.column("weight"), 1e-30, 3.4e38, f"weights that are not positive, in {part}"
            )


def _read_cells(folder: Path, name: str) -> pa.Table:
    import pyarrow as pa
    import scipy.sparse

    cells = scipy.sparse.load_npz(folder / name).tocoo()
    users, items = read_ids(folder, USER), read_ids(folder, ITEM)
    columns = {USER: users.take(pa.array(cells.row)), ITEM: items.take(pa.array(cells.col))}
    return pa.table({**columns, "weight": pa.array(cells.data)})


def _write_features(name: str, key: str, attributes: pa.Table, ids: pa.StringArray, out: FolderWriter) -> None:
    """A CSR matrix: an identity block, then one column per distinct `feature=value`; and the names of its columns.

    An attribute that hardly repeats, such as a title, would be a second identity block and is left out.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import scipy.sparse

    repeating = [
        c for c in attributes.column_names if c == key or 2 * pc.count_distinct(attributes[c]).as_py() <= len(ids)
    ]
    long = melt_attributes(attributes.select(repeating), key)
    names = pc.binary_join_element_wise(long.column("feature"), long.column("value"), "=").combine_chunks()
    distinct = names.unique()
    rows = pc.index_in(long.column("id"), value_set=ids).to_numpy()
    columns = pc.index_in(names, value_set=distinct).to_numpy(zero_copy_only=False)
    shape = (len(ids), len(distinct))
    block = scipy.sparse.coo_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape=shape)
    matrix = scipy.sparse.hstack([scipy.sparse.identity(len(ids), np.float32), block], format="csr", dtype=np.float32)
    scipy.sparse.save_npz(out.add_file(f"{name}_features.npz", len(ids), ()), matrix)
    out.write_parquet(f"{name}_feature_names.parquet", [pa.table({"name": pa.concat_arrays([ids, distinct])})])
    out.write_parquet(f"{name}s.parquet", [attributes])
