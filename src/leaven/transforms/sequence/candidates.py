"""Pools of candidate items for substitution and insertion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import Histories, Ints, Items
from leaven.errors import DataError
from leaven.transforms.sequence.neighbor_table import NeighborTableConfig
from leaven.transforms.sequence.positions import count_item_events

CANDIDATE_SOURCES = ("similar", "popular", "random", "category", "recent")


@dataclass(frozen=True, eq=False)
class CandidateTable:
    """Weighted candidates for each item; all of them occur in real training rows.

    pool_of_item int32 (n_items + 2,)   the pool of each item, -1: none
    starts       int64 (pools + 1,)     pool q holds positions starts[q]:starts[q + 1] of
    items        int32 (candidates,)    the candidates
    alias_slots  int32 (candidates, 3)  their weights as alias tables (kernels/candidate_sampling.py)
    n_recent     int                    above 0: draw from the user's own last `n_recent` items instead
    """

    pool_of_item: Items
    starts: Ints
    items: Items
    alias_slots: npt.NDArray[np.int32]
    n_recent: int = 0

    @classmethod
    def fit(cls, source: str, neighbors: NeighborTableConfig, n_recent: int, train: Histories) -> CandidateTable:
        """Candidates from one of CANDIDATE_SOURCES.

        Raises DataError for "category" where the data has no categories.
        """
        if source == "similar":
            table = neighbors.fit(train)
            pool = np.where(np.diff(table.starts) > 0, np.arange(train.n_items + 1), -1)
            pool = np.concatenate([pool, [-1]]).astype(np.int32)
            slots = _build_alias_slots(table.starts, table.items, table.confidence.astype(np.float64))
            return CandidateTable(pool, table.starts, table.items, slots)
        if source == "category":
            category = train.catalog.category if train.catalog is not None else None
            if category is None:
                fix = "name the category column of the items, or take source = 'similar'"
                raise DataError("data.items", "a category of each item", "none", fix)
            pool = np.concatenate([category[: train.n_items + 1], [0]]).astype(np.int32) - 1
            return _build_weighted_pools(pool, count_item_events(train).astype(np.float64))
        if source == "recent":
            no_items, no_slots = np.zeros(0, np.int32), np.zeros((0, 3), np.int32)
            return cls(np.zeros(train.n_items + 2, np.int32), np.zeros(2, np.int64), no_items, no_slots, n_recent)
        counts = count_item_events(train)
        weights = counts.astype(np.float64) if source == "popular" else (counts > 0).astype(np.float64)
        return _build_weighted_pools(np.zeros(train.n_items + 2, np.int32), weights)

    @property
    def replaceable_items(self) -> npt.NDArray[np.bool_]:
        """bool (n_items + 2,): items with a candidate other than themselves; never padding or mask."""
        has_candidate: npt.NDArray[np.bool_] = self.pool_of_item >= 0
        if self.n_recent == 0:
            size = np.diff(self.starts)[self.pool_of_item]
            only_self = np.zeros(len(self.pool_of_item), bool)
            single = np.flatnonzero(has_candidate & (size == 1))
            only_self[single] = self.items[self.starts[self.pool_of_item[single]]] == single
            has_candidate = has_candidate & (size > 0) & ~only_self
        has_candidate[[0, len(has_candidate) - 1]] = False
        return has_candidate

    def check_item_ids(self, rows: Histories) -> None:
        """Raise DataError unless these rows use the item ids of the fit."""
        from leaven.arrays.ragged import find_item_range

        n_items = len(self.pool_of_item) - 2
        if rows.n_items != n_items:
            raise DataError("rows", f"the {n_items} items of the fit", f"{rows.n_items} items", "fit on these ids")
        lowest, highest = find_item_range(rows.items)
        if lowest < 1 or highest > n_items + 1:
            unknown = rows.items[(rows.items > n_items + 1) | (rows.items < 1)][0]
            raise DataError("rows.items", f"ids in 1..{n_items + 1}", str(unknown), "renumber the items")


def _build_weighted_pools(pool: Items, weights: npt.NDArray[np.float64]) -> CandidateTable:
    """Pools of items; weights float64 (n_items + 2,): an item of weight 0 is no candidate."""
    pool = pool.astype(np.int32)
    candidates = np.flatnonzero((weights > 0) & (pool >= 0))
    items: Items = candidates[np.argsort(pool[candidates], kind="stable")].astype(np.int32)
    n_pools = int(pool.max(initial=-1)) + 1
    starts = np.concatenate([[0], np.cumsum(np.bincount(pool[items], minlength=max(n_pools, 1)))])
    return CandidateTable(pool, starts, items, _build_alias_slots(starts, items, weights[items]))


def _build_alias_slots(starts: Ints, items: Items, weights: npt.NDArray[np.float64]) -> npt.NDArray[np.int32]:
    from leaven.arrays.parallel import freeze_array
    from leaven.kernels.candidate_sampling import build_alias_slots

    slots: npt.NDArray[np.int32] = build_alias_slots(freeze_array(starts), freeze_array(items), freeze_array(weights))
    return slots
