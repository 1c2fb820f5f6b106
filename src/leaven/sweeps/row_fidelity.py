"""How like real rows are the rows of an arm, in one cheap figure?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from leaven import rng
from leaven.ctr_features import SampleParts
from leaven.datasets.histories import Histories
from leaven.datasets.samples import Samples
from leaven.errors import MissingExtra
from leaven.experiment.synthetic_quality import unseen_of
from leaven.metrics.synthetic.distribution_distances import two_sample_auc
from leaven.metrics.synthetic.featurizers import HistoryEncoder, TableEncoder
from leaven.quality.table_rows import names_of_owners, of_samples
from leaven.splits.log_splits import Split

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

    features  rows -> float64 (rows, features)
    ordinary  what training rows themselves get: no made row can be asked for more
    """

    features: Callable[[Any], Points]
    unseen: Points
    ordinary: Likeness
    key: int

    def measure(self, rows: Any) -> Likeness | None:
        """The likeness of some histories or labelled rows; None for fewer than FEWEST."""
        some = rows.take(_chosen(rows, rng.key(self.key, "new")))
        return _likeness(self.features(some), self.unseen, self.key)


def ruler(split: Split | SampleParts, seed: int) -> Ruler | str:
    """What made rows are held against, or why there is nothing."""
    key = rng.key(seed, "likeness")
    train: Any = split.train
    unseen = unseen_of(split)
    if unseen is None or len(unseen) < FEWEST:
        few = 0 if unseen is None else len(unseen)
        return f"likeness needs {FEWEST} real rows of users kept apart, there are {few}: raise split.control_share"
    learned_from = train.take(_chosen(train, key, _LEARNED_FROM))
    features = _of_histories(learned_from, key) if isinstance(train, Histories) else _of_samples(learned_from, unseen)
    there = features(unseen.take(_chosen(unseen, rng.key(key, "unseen"))))
    real = features(train.take(_chosen(train, rng.key(key, "real"))))
    try:
        ordinary = _likeness(real, there, key)
    except MissingExtra as missing:
        return f"likeness needs {missing.library}: {missing.fix}"
    return Ruler(features, there, ordinary, key) if ordinary else f"likeness needs {FEWEST} training rows"


def _of_histories(train: Histories, key: int) -> Callable[[Any], Points]:
    encoder = HistoryEncoder.fit(train, key)
    return lambda rows: encoder.features(rows)[0]


def _of_samples(train: Samples, unseen: Any) -> Callable[[Any], Points]:
    """By all columns but those that say whose row it is."""
    real = of_samples(train)
    owners = names_of_owners(real, of_samples(unseen))
    encoder = TableEncoder.fit({name: column for name, column in real.columns.items() if name not in owners})
    return lambda rows: encoder.points(of_samples(rows).columns)


def _chosen(rows: Any, key: int, most: int = MOST) -> np.ndarray[Any, np.dtype[np.int64]]:
    """int64 (at most `most`,): which rows are looked at, by their own keys."""
    drawn = rng.bits(rng.row_keys(key, rows.keys), 0)
    return np.sort(np.argsort(drawn, kind="stable")[:most])


def _likeness(new: Points, real: Points, key: int) -> Likeness | None:
    """Half of both sides at a time: half-samples spread as all rows would (see `quality/null_reference.py`)."""
    n = min(len(new), len(real))
    if n < FEWEST:
        return None
    values = []
    for number in range(HALVES):
        chance = rng.generator(rng.key(key, "half", number))
        mine, theirs = (side[chance.permutation(len(side))[: n // 2]] for side in (new, real))
        values.append(two_sample_auc(mine, theirs, rng.key(key, "folds", number)))
    mean, spread = float(np.mean(values)), 1.96 * float(np.std(values, ddof=1))
    return Likeness(mean, max(mean - spread, 0.0), min(mean + spread, 1.0), n)
