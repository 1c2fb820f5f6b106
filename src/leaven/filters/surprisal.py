"""A filter of rows with a mean surprisal outside the range of real rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.histories import NO_PARENT, Histories
from leaven.errors import FitError, SpecError
from leaven.protocols import FilterResult

if TYPE_CHECKING:
    from leaven.kernels.markov import MarkovChain
    from leaven.kernels.time_popularity import TimePopularity

Floats = npt.NDArray[np.float64]

_MIN_ROWS = 20  # minimum number of scored real rows for quantiles
_MIN_CLASS_ROWS = 100  # minimum number of scored real rows for a separate band of a length class
_N_CLASSES = 32


@dataclass(frozen=True)
class Surprisal:
    """Accept rows with a mean surprisal per event in a band of real rows, scored by cross-fitted Markov chains.

    The training rows are split in two by row id, and a Markov chain is fitted to each part. Real rows, and new ones by
    their parents, are scored by the chain of the other part. Rows of one event have no surprisal and are accepted.

    band   quantiles of the real rows (of similar length) that bound the accepted scores
    order  maximum context of the chains, in items
    """

    band: tuple[float, float] = (0.05, 0.95)
    order: int = 2

    def __post_init__(self) -> None:
        if not 0.0 <= self.band[0] < self.band[1] <= 1.0:
            raise SpecError("surprisal.band", "two ascending shares in 0..1", repr(self.band), "")
        if not 1 <= self.order <= 4:
            raise SpecError("surprisal.order", "1, 2, 3 or 4", repr(self.order), "")

    def fit(self, train: Histories, key: int) -> FittedSurprisal:
        """Return fitted chains and bands. Raises FitError for fewer than 20 rows of two events or more."""
        from leaven.kernels.markov import fit_chain
        from leaven.kernels.time_popularity import fit_time_popularity

        scored = int((train.lengths >= 2).sum())
        if scored < _MIN_ROWS:
            raise FitError("surprisal", f"at least {_MIN_ROWS} rows of two events or more", f"{scored}", "leave it out")
        fold = _assign_folds(train.row_ids, key)
        scorers = []
        for part in (0, 1):
            rows = train.take(fold == part)
            fashion = fit_time_popularity(rows.items, rows.times, train.n_items)
            chain = fit_chain(rows.items, rows.times, rows.starts, fashion, train.n_items, self.order)
            scorers.append((chain, fashion))
        fitted = FittedSurprisal(key, (scorers[0], scorers[1]), np.zeros((_N_CLASSES, 2)))
        scores = fitted.compute_surprisal(train)
        # quantiles of each class with enough rows, of all rows for the others
        length_class = _classify_lengths(train)
        is_scored = ~np.isnan(scores)
        bands = np.tile(np.quantile(scores[is_scored], self.band), (_N_CLASSES, 1))
        for one in np.unique(length_class[is_scored]):
            class_scores = scores[is_scored & (length_class == one)]
            if len(class_scores) >= _MIN_CLASS_ROWS:
                bands[one] = np.quantile(class_scores, self.band)
        fitted.bands[:] = bands
        return fitted


@dataclass(frozen=True, eq=False)
class FittedSurprisal:
    """scorers: chain and item popularity over time of each fold; bands float64 (length classes, 2): lowest and highest
    score.
    """

    key: int
    scorers: tuple[tuple[MarkovChain, TimePopularity], tuple[MarkovChain, TimePopularity]]
    bands: Floats

    def __call__(self, new: Histories) -> FilterResult:
        scores, band = self.compute_surprisal(new), self.bands[_classify_lengths(new)]
        refused = {"too surprising": scores > band[:, 1], "too predictable": scores < band[:, 0]}
        return FilterResult.from_reasons(len(new), refused)

    def row_statistics(self, new: Histories) -> dict[str, Floats]:
        """Return the mean surprisal per event and the bounds of its band."""
        low, high = self.bands[_classify_lengths(new)].T
        return {"nats per event": self.compute_surprisal(new), "at least": low, "at most": high}

    def compute_surprisal(self, rows: Histories) -> Floats:
        """Return the mean surprisal per event after the first, float64 (rows,), in nats; NaN for rows of one event."""
        from leaven.kernels.markov import compute_log_likelihoods

        owners = np.where(rows.parents == NO_PARENT, rows.row_ids, rows.parents)
        fold = _assign_folds(owners, self.key)
        total = np.empty(len(rows))
        for part, (chain, fashion) in enumerate(self.scorers):
            index = np.flatnonzero(fold != part)
            part_rows = rows.take(index)
            total[index] = -compute_log_likelihoods(chain, fashion, part_rows.items, part_rows.times, part_rows.starts)
        steps = rows.lengths - 1.0
        return np.where(steps >= 1, total / np.maximum(steps, 1), np.nan)


def _assign_folds(keys: rng.RngKeys, key: int) -> npt.NDArray[np.int64]:
    """Return fold 0 or 1 of each row, int64 (rows,), from the row's id alone."""
    return (rng.draw_uniform(rng.derive_row_keys(rng.derive_key(key, "fold"), keys), 0) < 0.5).astype(np.int64)


def _classify_lengths(rows: Histories) -> npt.NDArray[np.int64]:
    """Return the length class of each row, int64 (rows,): 2, 3 to 4, 5 to 8 and so on, as short rows vary more."""
    return np.ceil(np.log2(np.maximum(rows.lengths, 1))).astype(np.int64)
