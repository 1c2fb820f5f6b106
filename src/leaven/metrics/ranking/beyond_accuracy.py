"""How far into the catalogue do ranked lists reach?

`Novelty` and `TailShare` give one value per user, like every ranking metric. `Coverage` and `Gini`
describe all lists together: one number, called with (ranked, train), no value per user to test.
Popularity is counted in the *real* rows of the training data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import HeldOut, Histories
from leaven.metrics.ranking.list_metrics import Values, listed
from leaven.protocols import Ranked


class CatalogMetric(Protocol):
    """One number for all lists together; its class says so with `of_catalog = True`."""

    def __call__(self, ranked: Ranked, train: Histories) -> float: ...


def popularity(train: Histories) -> npt.NDArray[np.int64]:
    """int64 (n_items + 1,): how often each item occurs in the real training rows; place 0 is empty."""
    rows = train if train.is_real.all() else train.real_only()
    items = rows.items[rows.starts[0] : rows.starts[-1]]
    counts = np.bincount(items, minlength=train.n_items + 2)[: train.n_items + 1].astype(np.int64)
    counts[0] = 0
    return counts


def is_head(counts: npt.NDArray[np.int64], share: float) -> npt.NDArray[np.bool_]:
    """bool (n_items + 1,): the most popular `share` of the items; ties go to the lower id.

    >>> is_head(np.array([0, 9, 1, 1, 1, 1]), 0.2).tolist()
    [False, True, False, False, False, False]
    """
    head = np.zeros(len(counts), bool)
    head[np.argsort(-counts[1:], kind="stable")[: round(share * (len(counts) - 1))] + 1] = True
    return head & (counts > 0)


def _mean_of_listed(values: Values, items: npt.NDArray[np.int32]) -> Values:
    """float64 (users,): mean of values[item] over each list; 0 for an empty list."""
    there = items > 0
    summed = np.where(there, values[items], 0.0).sum(axis=1)
    return np.asarray(summed / np.maximum(there.sum(axis=1), 1), np.float64)


@dataclass(frozen=True)
class Novelty:
    """Mean of -log2(share of the training events) of the listed items (Zhou and others, PNAS 2010).

    Where we differ: one event is added to every item, so that items without any stay finite.
    """

    k: int = 10
    meaning: ClassVar[str] = "How unexpected the {k} listed items are, in bits: rarely taken items score higher."

    def __call__(self, ranked: Ranked, held_out: HeldOut, train: Histories) -> Values:
        """float64 (users,), bits, 0 or more."""
        counts = popularity(train) + 1
        bits = -np.log2(counts / counts[1:].sum())
        return _mean_of_listed(bits, listed(ranked, self.k, train.n_items))


@dataclass(frozen=True)
class TailShare:
    """Share of the listed items outside the most popular `head_share` of the catalogue."""

    k: int = 10
    head_share: float = 0.2
    meaning: ClassVar[str] = "The share of the {k} listed items that are not among the most popular fifth of the items."

    def __call__(self, ranked: Ranked, held_out: HeldOut, train: Histories) -> Values:
        """float64 (users,) in 0..1."""
        tail = (~is_head(popularity(train), self.head_share)).astype(np.float64)
        return _mean_of_listed(tail, listed(ranked, self.k, train.n_items))


@dataclass(frozen=True)
class Coverage:
    """Share of the catalogue that at least one list names."""

    k: int = 10
    of_catalog: ClassVar[bool] = True
    meaning: ClassVar[str] = "The share of the catalogue that appears in at least one list of {k}."

    def __call__(self, ranked: Ranked, train: Histories) -> float:
        """A number in 0..1."""
        named = np.unique(listed(ranked, self.k, train.n_items))
        return float((named > 0).sum() / max(train.n_items, 1))


@dataclass(frozen=True)
class Gini:
    """Inequality of how often the items of the catalogue are listed: 0 all alike, near 1 a few rule."""

    k: int = 10
    of_catalog: ClassVar[bool] = True
    meaning: ClassVar[str] = (
        "How unevenly the lists of {k} use the catalogue: 0 when all items appear equally often, near 1 when a few "
        "items fill all lists. Lower is more even."
    )

    def __call__(self, ranked: Ranked, train: Histories) -> float:
        """A number in 0..1; 0 for lists that name nothing."""
        items = listed(ranked, self.k, train.n_items)
        shown = np.sort(np.bincount(items[items > 0], minlength=train.n_items + 1)[1:]).astype(np.float64)
        if not shown.sum():
            return 0.0
        n = len(shown)
        return float((2 * np.arange(1, n + 1) - n - 1) @ shown / (n * shown.sum()))
