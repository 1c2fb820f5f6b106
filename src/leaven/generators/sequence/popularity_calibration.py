"""Calibration of a generator's logits, so that item popularity in generated rows matches real rows.

Autoregressive generators drift: conditioning on their own output amplifies frequent items. After training, some rows
are generated, and the logits of items, or strata of the catalog, that are too frequent or too rare are shifted.
"""

from __future__ import annotations

from typing import Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.progress import ProgressCallback, no_progress
from leaven.protocols import RngKeys

Floats = npt.NDArray[np.float64]

_STRATA = 16
_ROUNDS = 3
_EVENTS = 40_000  # of a round, approximately
_SMOOTHING = 20.0  # events added to each count, so that small counts shift little


class PopularityConfig(Protocol):
    """Config fields that calibration reads."""

    @property
    def where(self) -> str: ...
    @property
    def match_popularity(self) -> bool: ...


class LogitGenerator(Protocol):
    """A fitted generator that samples from logits."""

    @property
    def config(self) -> PopularityConfig: ...

    def shift_logits(self, lift: Floats) -> Self:
        """Returns the generator with item logits shifted by float64 (items,)."""
        ...

    def sample(self, keys: RngKeys, like: Histories | None = None) -> Histories:
        """Returns one row for each key."""
        ...


GeneratorT = TypeVar("GeneratorT", bound=LogitGenerator)


def calibrate_popularity(
    fitted: GeneratorT, train: Histories, key: int, on_progress: ProgressCallback = no_progress, rounds: int = _ROUNDS
) -> GeneratorT:
    """Returns the generator with logits shifted so that frequent items, and strata of rare ones, are as frequent as in
    `train`.

    A stratum holds a sixteenth of all events, by item popularity; rare items share the shift of their stratum.
    Log-likelihoods are unchanged. Without `match_popularity` the generator is returned as is. rounds: number of
    times that rows are generated and logits shifted.
    """
    if not fitted.config.match_popularity:
        return fitted
    counts = _count_items(train)
    stratum = assign_strata(counts)
    for turn in range(rounds):
        on_progress(turn, rounds, "matching popularity")
        generated = _count_generated(fitted, train, rng.derive_key(key, "popularity", turn))
        fitted = fitted.shift_logits(
            compute_logit_offsets(counts * (generated.sum() / max(counts.sum(), 1.0)), generated, stratum)
        )
    on_progress(rounds, rounds, "matching popularity")
    return fitted


def compute_logit_offsets(expected: Floats, generated: Floats, stratum: npt.NDArray[np.int64]) -> Floats:
    """Returns float64 (items,): the logit shift of items generated `generated` times instead of `expected`."""
    expected_sums = np.bincount(stratum, weights=expected, minlength=_STRATA) + _SMOOTHING
    sums = np.bincount(stratum, weights=generated, minlength=_STRATA) + _SMOOTHING
    ratio = np.divide(expected_sums, sums)[stratum]
    return np.asarray(np.log((expected + _SMOOTHING) / (generated + _SMOOTHING / ratio)))


def assign_strata(counts: Floats) -> npt.NDArray[np.int64]:
    """Returns int64 (items,): the stratum of each item, 0 for the most popular; strata have about equal events."""
    order = np.argsort(-counts, kind="stable")
    middle = np.cumsum(counts[order]) - counts[order] / 2
    stratum = np.empty(len(counts), np.int64)
    stratum[order] = np.minimum(middle / max(counts.sum(), 1.0) * _STRATA, _STRATA - 1).astype(np.int64)
    return stratum


def _count_generated(fitted: LogitGenerator, train: Histories, key: int) -> Floats:
    """Returns float64 (items,): counts of generated items, in new rows or in extensions of real ones."""
    rows = int(np.clip(_EVENTS / max(train.n_events / max(len(train), 1), 1), 100, 10_000))
    if fitted.config.where == "alone":
        return _count_items(fitted.sample(rng.derive_row_keys(key, np.arange(1, rows + 1, dtype=np.uint64)), None))
    like = train.take(np.sort(np.argsort(rng.derive_row_keys(key, train.row_ids), kind="stable")[:rows]))
    generated = fitted.sample(rng.derive_row_keys(key, like.row_ids), like)
    return np.maximum(_count_items(generated) - _count_items(like), 0.0)


def _count_items(rows: Histories) -> Floats:
    return np.bincount(rows.items, minlength=rows.n_items + 2)[1 : rows.n_items + 1].astype(np.float64)
