"""Do the new rows spread over popular and rare items as the real ones do?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.errors import FitError, SpecError
from leaven.filters.rejection_reasons import kept
from leaven.protocols import Kept

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Quota:
    """No stratum of popularity takes more than `slack` times the share of the kept rows that it has in the real ones.

    A row's popularity is the mean logarithm of its items' training events; the strata are equally large parts of the
    real rows. Which rows of a stratum that is too full stay follows from the fit's key and the rows' own. The rows
    handed over together share one quota. Where they miss strata that hold more than 1 - 1 / slack of the real rows, no
    large set can spread as the real ones do, and few rows stay.
    """

    strata: int = 10
    slack: float = 1.5

    def __post_init__(self) -> None:
        if self.strata < 1 or self.slack < 1:
            raise SpecError("quota", "strata from 1, slack from 1", f"strata {self.strata}, slack {self.slack}", "")

    def fit(self, train: Histories, key: int) -> FittedQuota:
        """Learn the strata. Raises FitError where there is no event."""
        if train.events == 0:
            raise FitError("quota", "at least one training event", "none", "give it training rows")
        fame = np.log1p(np.bincount(train.items, minlength=train.n_items + 2))
        values = _mean(train, fame)
        inner = np.arange(1, self.strata) / self.strata
        edges = np.unique(np.quantile(values, inner, method="inverted_cdf")) if len(inner) else np.zeros(0)
        edges = edges[edges < values.max()]  # no stratum without a real row
        shares = np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1) / len(values)
        return FittedQuota(self.slack, fame, edges, shares, key)


@dataclass(frozen=True, eq=False)
class FittedQuota:
    """fame float64 (items + 2,); edges float64 (strata - 1,); shares float64 (strata,) of the real rows."""

    slack: float
    fame: Floats
    edges: Floats
    shares: Floats
    key: int

    def __call__(self, new: Histories) -> Kept:
        stratum = np.searchsorted(self.edges, _mean(new, self.fame))
        room = self._room(np.bincount(stratum, minlength=len(self.shares)))
        hashed = rng.row_keys(rng.key(self.key, "quota"), new.keys)
        order = np.lexsort((hashed, stratum))
        first = np.searchsorted(stratum[order], np.arange(len(self.shares)))
        rank = np.empty(len(new), np.int64)
        rank[order] = np.arange(len(new)) - first[stratum[order]]
        return kept(len(new), {"its stratum of popularity is full": rank >= room[stratum]})

    def measured(self, new: Histories) -> dict[str, Floats]:
        """The mean logarithm of the popularity of a row's items."""
        return {"mean log popularity": _mean(new, self.fame)}

    def _room(self, counts: Ints) -> Ints:
        """int64 (strata,): how many of each may stay, so that the shares hold among those that stay."""
        total = int(counts.sum())
        while True:  # falls to the largest total that agrees with itself
            room = np.minimum(counts, np.ceil(self.slack * self.shares * total)).astype(np.int64)
            if room.sum() == total:
                return room
            total = int(room.sum())


def _mean(rows: Histories, of_item: Floats) -> Floats:
    """float64 (rows,): mean over a row's events; 0 for an empty row."""
    total = np.bincount(rows.row_of_event(), weights=of_item[rows.items], minlength=len(rows))
    mean: Floats = total / np.maximum(rows.lengths, 1)
    return mean
