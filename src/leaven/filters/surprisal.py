"""Is this row as surprising as a real one: neither odd nor too smooth?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.histories import FROM_NOISE, Histories
from leaven.errors import FitError, SpecError
from leaven.filters.rejection_reasons import kept
from leaven.protocols import Kept

if TYPE_CHECKING:
    from leaven.kernels.markov import Chain
    from leaven.kernels.time_popularity import Fashion

Floats = npt.NDArray[np.float64]

_FEWEST = 20  # scored real rows, below which quantiles say nothing
_OWN_BAND = 100  # scored real rows of a class of lengths, from which on it has a band of its own
_CLASSES = 32


@dataclass(frozen=True)
class Surprisal:
    """Mean surprisal per event, in a band of that of real rows, by a scorer that has not seen the row's parent.

    The training rows are parted in two by their keys, and a Markov chain learns each part. Real rows, and new ones by
    their parents, are scored by the chain of the other part. Rows of one event cannot surprise and pass.

    band   quantiles of the real rows (of about the same length), between which a row is kept
    order  how many last items the chains look at
    """

    band: tuple[float, float] = (0.05, 0.95)
    order: int = 2

    def __post_init__(self) -> None:
        if not 0.0 <= self.band[0] < self.band[1] <= 1.0:
            raise SpecError("surprisal.band", "two ascending shares in 0..1", repr(self.band), "")
        if not 1 <= self.order <= 4:
            raise SpecError("surprisal.order", "1, 2, 3 or 4", repr(self.order), "")

    def fit(self, train: Histories, key: int) -> FittedSurprisal:
        """Learn both chains and the band. Raises FitError for fewer than 20 rows of two events and more."""
        from leaven.kernels.markov import learned
        from leaven.kernels.time_popularity import fashion_of

        scored = int((train.lengths >= 2).sum())
        if scored < _FEWEST:
            raise FitError("surprisal", f"at least {_FEWEST} rows of two events or more", f"{scored}", "leave it out")
        fold = _fold(train.keys, key)
        scorers = []
        for part in (0, 1):
            rows = train.take(fold == part)
            fashion = fashion_of(rows.items, rows.times, train.n_items)
            chain = learned(rows.items, rows.times, rows.starts, fashion, train.n_items, self.order)
            scorers.append((chain, fashion))
        fitted = FittedSurprisal(key, (scorers[0], scorers[1]), np.zeros((_CLASSES, 2)))
        scores = fitted.scores(train)
        fitted.bands[:] = _bands(scores, _class(train), self.band)
        return fitted


@dataclass(frozen=True, eq=False)
class FittedSurprisal:
    """scorers: chain and fashion of each fold; bands float64 (classes of lengths, 2): lowest and highest score."""

    key: int
    scorers: tuple[tuple[Chain, Fashion], tuple[Chain, Fashion]]
    bands: Floats

    def __call__(self, new: Histories) -> Kept:
        scores, band = self.scores(new), self.bands[_class(new)]
        refused = {"too odd": scores > band[:, 1], "too smooth": scores < band[:, 0]}
        return kept(len(new), refused)

    def measured(self, new: Histories) -> dict[str, Floats]:
        """The mean surprisal of an event, and the band that it has to lie in."""
        low, high = self.bands[_class(new)].T
        return {"nats an event": self.scores(new), "at least": low, "at most": high}

    def scores(self, rows: Histories) -> Floats:
        """float64 (rows,): mean surprisal per event after the first, in nats; NaN where there is none."""
        from leaven.kernels.markov import log_likelihoods

        owner = np.where(rows.parents == FROM_NOISE, rows.keys, rows.parents)
        fold = _fold(owner, self.key)
        total = np.empty(len(rows))
        for part, (chain, fashion) in enumerate(self.scorers):
            index = np.flatnonzero(fold != part)
            mine = rows.take(index)
            total[index] = -log_likelihoods(chain, fashion, mine.items, mine.times, mine.starts)
        steps = rows.lengths - 1.0
        return np.where(steps >= 1, total / np.maximum(steps, 1), np.nan)


def _fold(keys: rng.Keys, key: int) -> npt.NDArray[np.int64]:
    """int64 (rows,): 0 or 1, by the row's key alone."""
    return (rng.uniform(rng.row_keys(rng.key(key, "fold"), keys), 0) < 0.5).astype(np.int64)


def _class(rows: Histories) -> npt.NDArray[np.int64]:
    """int64 (rows,): lengths 2, 3 to 4, 5 to 8 and so on; short rows vary more."""
    return np.ceil(np.log2(np.maximum(rows.lengths, 1))).astype(np.int64)


def _bands(scores: Floats, length_class: npt.NDArray[np.int64], band: tuple[float, float]) -> Floats:
    """float64 (classes, 2): quantiles of each class that has enough rows, of all rows for the others."""
    there = ~np.isnan(scores)
    bands = np.tile(np.quantile(scores[there], band), (_CLASSES, 1))
    for one in np.unique(length_class[there]):
        own = scores[there & (length_class == one)]
        if len(own) >= _OWN_BAND:
            bands[one] = np.quantile(own, band)
    return bands
