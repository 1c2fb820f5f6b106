"""How like real rows are the rows of an arm, in one cheap figure?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from leaven import seeds
from leaven.data.histories import Histories
from leaven.data.split import Split
from leaven.errors import MissingExtra
from leaven.metrics.encoders import HistoryEncoder
from leaven.metrics.fidelity import two_sample_auc

Points = np.ndarray[Any, np.dtype[np.float64]]

FEWEST = 60
"""Rows of each side below which nothing is said."""
MOST = 2000
HALVES = 12
_LEARNED_FROM = 20_000


@dataclass(frozen=True)
class Likeness:
    """auc: how well a classifier tells the rows from unseen real ones, 0.5 not at all, 1 always; low, high: how far
    chance moves it, at 95 %. rows: of each side."""

    auc: float
    low: float
    high: float
    rows: int


@dataclass(frozen=True, eq=False)
class Ruler:
    """What rows are held against: features of real rows of users whom no generator has seen.

    ordinary  what training rows themselves get: no made row can be asked for more
    """

    encoder: HistoryEncoder
    unseen: Points
    ordinary: Likeness
    key: int

    def measure(self, rows: Histories) -> Likeness | None:
        """The likeness of some rows; None for fewer than FEWEST."""
        some = rows.take(_chosen(rows, seeds.key(self.key, "new")))
        return _likeness(self.encoder.features(some)[0], self.unseen, self.key)


def ruler(split: Split, seed: int) -> Ruler | str:
    """What made rows are held against, or why there is nothing."""
    key = seeds.key(seed, "likeness")
    train, unseen = split.train, getattr(split, "unseen", None)
    if not isinstance(train, Histories) or unseen is None or len(unseen) < FEWEST:
        few = 0 if unseen is None else len(unseen)
        return f"likeness needs {FEWEST} real rows of users kept apart, there are {few}: raise split.control_share"
    encoder = HistoryEncoder.fit(train.take(_chosen(train, key, _LEARNED_FROM)), key)
    there = encoder.features(unseen.take(_chosen(unseen, seeds.key(key, "unseen"))))[0]
    real = encoder.features(train.take(_chosen(train, seeds.key(key, "real"))))[0]
    try:
        ordinary = _likeness(real, there, key)
    except MissingExtra as missing:
        return f"likeness needs {missing.library}: {missing.fix}"
    return Ruler(encoder, there, ordinary, key) if ordinary else f"likeness needs {FEWEST} training rows"


def _chosen(rows: Histories, key: int, most: int = MOST) -> np.ndarray[Any, np.dtype[np.int64]]:
    """int64 (at most `most`,): which rows are looked at, by their own keys."""
    drawn = seeds.bits(seeds.row_keys(key, rows.keys), 0)
    return np.sort(np.argsort(drawn, kind="stable")[:most])


def _likeness(new: Points, real: Points, key: int) -> Likeness | None:
    """Half of both sides at a time: half-samples spread as all rows would (see `judging/halves.py`)."""
    n = min(len(new), len(real))
    if n < FEWEST:
        return None
    values = []
    for number in range(HALVES):
        chance = seeds.generator(seeds.key(key, "half", number))
        mine, theirs = (side[chance.permutation(len(side))[: n // 2]] for side in (new, real))
        values.append(two_sample_auc(mine, theirs, seeds.key(key, "folds", number)))
    mean, spread = float(np.mean(values)), 1.96 * float(np.std(values, ddof=1))
    return Likeness(mean, max(mean - spread, 0.0), min(mean + spread, 1.0), n)
