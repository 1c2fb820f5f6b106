"""A filter that limits the share of each popularity stratum among the accepted rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.errors import FitError, SpecError
from leaven.protocols import FilterResult

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Quota:
    """Limit each popularity stratum to `slack` times its share in the real rows.

    The popularity of a row is the mean logarithm of its items' training events; strata are equally large parts of the
    real rows. Which rows of a full stratum are accepted depends on the key of `fit` and the rows' ids. All rows of a
    call share one quota. If they miss strata with more than 1 - 1 / slack of the real rows, no large set can match the
    real distribution, and few rows are accepted.
    """

    strata: int = 10
    slack: float = 1.5

    def __post_init__(self) -> None:
        if self.strata < 1 or self.slack < 1:
            raise SpecError("quota", "strata from 1, slack from 1", f"strata {self.strata}, slack {self.slack}", "")

    def fit(self, train: Histories, key: int) -> FittedQuota:
        """Return the fitted filter. Raises FitError without training events."""
        if train.n_events == 0:
            raise FitError("quota", "at least one training event", "none", "give it training rows")
        log_popularity = np.log1p(np.bincount(train.items, minlength=train.n_items + 2))
        values = train.average_events(log_popularity[train.items])
        inner = np.arange(1, self.strata) / self.strata
        edges = np.unique(np.quantile(values, inner, method="inverted_cdf")) if len(inner) else np.zeros(0)
        edges = edges[edges < values.max()]  # every stratum has a real row
        shares = np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1) / len(values)
        return FittedQuota(self.slack, log_popularity, edges, shares, key)


@dataclass(frozen=True, eq=False)
class FittedQuota:
    """log_popularity float64 (items + 2,); edges float64 (strata - 1,); shares float64 (strata,) of the real rows."""

    slack: float
    log_popularity: Floats
    edges: Floats
    shares: Floats
    key: int

    def __call__(self, new: Histories) -> FilterResult:
        stratum = np.searchsorted(self.edges, new.average_events(self.log_popularity[new.items]))
        capacity = self._compute_capacity(np.bincount(stratum, minlength=len(self.shares)))
        hashed = rng.derive_row_keys(rng.derive_key(self.key, "quota"), new.row_ids)
        order = np.lexsort((hashed, stratum))
        first = np.searchsorted(stratum[order], np.arange(len(self.shares)))
        rank = np.empty(len(new), np.int64)
        rank[order] = np.arange(len(new)) - first[stratum[order]]
        return FilterResult.from_reasons(len(new), {"its popularity stratum is full": rank >= capacity[stratum]})

    def row_statistics(self, new: Histories) -> dict[str, Floats]:
        """Return the mean log popularity of each row's items."""
        return {"mean log popularity": new.average_events(self.log_popularity[new.items])}

    def _compute_capacity(self, counts: Ints) -> Ints:
        """Return the maximum number of rows per stratum, int64 (strata,), relative to the rows accepted in total."""
        total = int(counts.sum())
        while True:  # decreases to the largest consistent total
            capacity = np.minimum(counts, np.ceil(self.slack * self.shares * total)).astype(np.int64)
            if capacity.sum() == total:
                return capacity
            total = int(capacity.sum())
