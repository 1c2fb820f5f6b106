"""Catalog coverage, popularity bias and novelty of ranked lists.

`Novelty` and `TailShare` return one value per user, like every ranking metric. `Coverage` and `Gini` return one number
for all lists together, called with (ranked, train); there is no value per user to test. Popularity is counted in the
*real* rows of the training data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import HeldOut, Histories
from leaven.metrics.ranking.list_metrics import Values, take_top_items
from leaven.protocols import RankedItems


class CatalogMetric(Protocol):
    """One number for all lists together. `meaning`: one sentence with `{k}`."""

    of_catalog: ClassVar[bool]
    meaning: ClassVar[str]

    @property
    def k(self) -> int:
        """Length of the lists."""
        ...

    def __call__(self, ranked: RankedItems, train: Histories) -> float: ...


def count_item_popularity(train: Histories) -> npt.NDArray[np.int64]:
    """Return the number of real training events of each item, int64 (n_items + 1,); index 0 is unused."""
    rows = train if train.is_real.all() else train.select_real()
    items = rows.items[rows.starts[0] : rows.starts[-1]]
    counts = np.bincount(items, minlength=train.n_items + 2)[: train.n_items + 1].astype(np.int64)
    counts[0] = 0
    return counts


def is_head(counts: npt.NDArray[np.int64], share: float) -> npt.NDArray[np.bool_]:
    """Return whether an item is among the most popular `share` of the items, bool (n_items + 1,); ties go to the lower
    id.

    >>> is_head(np.array([0, 9, 1, 1, 1, 1]), 0.2).tolist()
    [False, True, False, False, False, False]
    """
    head = np.zeros(len(counts), bool)
    head[np.argsort(-counts[1:], kind="stable")[: round(share * (len(counts) - 1))] + 1] = True
    return head & (counts > 0)


def _average_over_list(values: Values, items: npt.NDArray[np.int32]) -> Values:
    """Return the mean of values[item] over each list, float64 (users,); 0 for an empty list."""
    there = items > 0
    summed = np.where(there, values[items], 0.0).sum(axis=1)
    return np.asarray(summed / np.maximum(there.sum(axis=1), 1), np.float64)


@dataclass(frozen=True)
class Novelty:
    """Mean of -log2(share of the training events) of the listed items (Zhou and others, PNAS 2010).

    Where we differ: one event is added to every item, so that items without events have a finite value.
    """

    k: int = 10
    of_catalog: ClassVar[bool] = False
    meaning: ClassVar[str] = "How unexpected the {k} listed items are, in bits: rare items score higher."

    def __call__(self, ranked: RankedItems, held_out: HeldOut, train: Histories) -> Values:
        """float64 (users,), bits, 0 or more."""
        counts = count_item_popularity(train) + 1
        bits = -np.log2(counts / counts[1:].sum())
        return _average_over_list(bits, take_top_items(ranked, self.k, train.n_items))


@dataclass(frozen=True)
class TailShare:
    """Share of the listed items outside the most popular `head_share` of the catalog."""

    k: int = 10
    head_share: float = 0.2
    of_catalog: ClassVar[bool] = False
    meaning: ClassVar[str] = "The share of the {k} listed items that are not among the most popular fifth of the items."

    def __call__(self, ranked: RankedItems, held_out: HeldOut, train: Histories) -> Values:
        """float64 (users,) in 0..1."""
        tail = (~is_head(count_item_popularity(train), self.head_share)).astype(np.float64)
        return _average_over_list(tail, take_top_items(ranked, self.k, train.n_items))


@dataclass(frozen=True)
class Coverage:
    """Share of the catalog in at least one list."""

    k: int = 10
    of_catalog: ClassVar[bool] = True
    meaning: ClassVar[str] = "The share of the catalog that appears in at least one list of {k}."

    def __call__(self, ranked: RankedItems, train: Histories) -> float:
        """Return a number in 0..1."""
        named = np.unique(take_top_items(ranked, self.k, train.n_items))
        return float((named > 0).sum() / max(train.n_items, 1))


@dataclass(frozen=True)
class Gini:
    """Inequality of how often the items of the catalog are listed: 0 for equal counts, near 1 for few items."""

    k: int = 10
    of_catalog: ClassVar[bool] = True
    meaning: ClassVar[str] = (
        "How unevenly the lists of {k} use the catalog: 0 when all items appear equally often, near 1 when a few "
        "items fill all lists. Lower is more even."
    )

    def __call__(self, ranked: RankedItems, train: Histories) -> float:
        """Return a number in 0..1; 0 for empty lists."""
        items = take_top_items(ranked, self.k, train.n_items)
        return compute_gini(np.bincount(items[items > 0], minlength=train.n_items + 1)[1:])


def compute_gini(counts: npt.NDArray[np.int64]) -> float:
    """Return the Gini coefficient of counts: 0 for equal counts, near 1 for few large ones; 0 for no counts.

    >>> compute_gini(np.array([3, 3, 3])), compute_gini(np.array([0, 0, 1]))
    (0.0, 0.6666666666666666)
    """
    ascending, n = np.sort(counts).astype(np.float64), len(counts)
    if not ascending.sum():
        return 0.0
    return float((2 * np.arange(1, n + 1) - n - 1) @ ascending / (n * ascending.sum()))
