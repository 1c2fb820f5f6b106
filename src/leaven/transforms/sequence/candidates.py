"""From where does an item come that stands in for another, or is put beside it?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import Histories, Ints, Items
from leaven.errors import DataError
from leaven.transforms.sequence.neighbor_table import Neighbours
from leaven.transforms.sequence.positions import item_counts

SOURCES = ("similar", "popular", "random", "category", "recent")


@dataclass(frozen=True, eq=False)
class Candidates:
    """Candidates for each item, with their chances; all of them occur in real training rows.

    pool   int32 (n_items + 2,)  the pool of each item, -1: none
    starts int64 (pools + 1,)    pool q holds places starts[q]:starts[q + 1] of
    items  int32 (candidates,)   the candidates
    slots  int32 (candidates, 3) their weights, as kernels/candidate_sampling.py draws by them
    recent int                   above 0: an own earlier item among the last so many instead
    """

    pool: Items
    starts: Ints
    items: Items
    slots: npt.NDArray[np.int32]
    recent: int = 0

    @classmethod
    def fit(cls, by: str, neighbours: Neighbours, recent: int, train: Histories) -> Candidates:
        """Candidates by a word of SOURCES.

        Raises DataError where the data has no categories and they are asked for.
        """
        if by == "similar":
            return _similar(neighbours, train)
        if by == "category":
            return _same_category(train)
        if by == "recent":
            nothing = np.zeros(0, np.int32), np.zeros((0, 3), np.int32)
            return cls(np.zeros(train.n_items + 2, np.int32), np.zeros(2, np.int64), *nothing, recent)
        counts = item_counts(train)
        weights = counts.astype(np.float64) if by == "popular" else (counts > 0).astype(np.float64)
        return _pooled(np.zeros(train.n_items + 2, np.int32), weights)

    @property
    def able(self) -> npt.NDArray[np.bool_]:
        """bool (n_items + 2,): items that have another candidate than themselves; never padding or mask."""
        able: npt.NDArray[np.bool_] = self.pool >= 0
        if self.recent == 0:
            size = np.diff(self.starts)[self.pool]
            own = np.zeros(len(self.pool), bool)
            alone = np.flatnonzero(able & (size == 1))
            own[alone] = self.items[self.starts[self.pool[alone]]] == alone
            able = able & (size > 0) & ~own
        able[[0, len(able) - 1]] = False
        return able

    def check(self, rows: Histories) -> None:
        """DataError unless these rows are over the catalogue that the candidates were fitted on."""
        from leaven.arrays.ragged import span_of

        n_items = len(self.pool) - 2
        if rows.n_items != n_items:
            raise DataError("rows", f"the {n_items} items of the fit", f"{rows.n_items} items", "fit on these ids")
        least, greatest = span_of(rows.items)
        if least < 1 or greatest > n_items + 1:
            odd = rows.items[(rows.items > n_items + 1) | (rows.items < 1)][0]
            raise DataError("rows.items", f"ids in 1..{n_items + 1}", str(odd), "renumber the items")


def _pooled(pool: Items, weights: npt.NDArray[np.float64]) -> Candidates:
    """Pools of items; weights float64 (n_items + 2,), 0 leaves an item out as a candidate."""
    pool = pool.astype(np.int32)
    able = np.flatnonzero((weights > 0) & (pool >= 0))
    items: Items = able[np.argsort(pool[able], kind="stable")].astype(np.int32)
    pools = int(pool.max(initial=-1)) + 1
    starts = np.concatenate([[0], np.cumsum(np.bincount(pool[items], minlength=max(pools, 1)))])
    return Candidates(pool, starts, items, _slots(starts, items, weights[items]))


def _slots(starts: Ints, items: Items, weights: npt.NDArray[np.float64]) -> npt.NDArray[np.int32]:
    from leaven.arrays.parallel import frozen
    from leaven.kernels.candidate_sampling import alias_slots

    slots: npt.NDArray[np.int32] = alias_slots(frozen(starts), frozen(items), frozen(weights))
    return slots


def _similar(neighbours: Neighbours, train: Histories) -> Candidates:
    """One pool an item: its neighbours, weighted by their confidence."""
    table = neighbours.fit(train)
    has = np.diff(table.starts) > 0
    pool = np.where(has, np.arange(train.n_items + 1), -1)
    pool = np.concatenate([pool, [-1]]).astype(np.int32)
    slots = _slots(table.starts, table.items, table.confidence.astype(np.float64))
    return Candidates(pool, table.starts, table.items, slots)


def _same_category(train: Histories) -> Candidates:
    """One pool a category, weighted by popularity."""
    category = train.catalog.category if train.catalog is not None else None
    if category is None:
        fix = "name the category column of the items, or take by = 'similar'"
        raise DataError("data.items", "a category of each item", "none", fix)
    pool = np.concatenate([category[: train.n_items + 1], [0]]).astype(np.int32) - 1
    return _pooled(pool, item_counts(train).astype(np.float64))
