"""Fidelity of a variant's synthetic rows as one cheap figure: the AUC of a classifier against real rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.augmentation.preview import get_plan_rows
from leaven.ctr_features import SampleSplit
from leaven.errors import MissingExtra
from leaven.metrics.synthetic.distribution_distances import two_sample_auc
from leaven.protocols import Rows
from leaven.splits.log_splits import Split

Points = npt.NDArray[np.float64]

MIN_ROWS = 60
"""Minimum rows of each side; below, there is no figure."""
MAX_ROWS = 2000
N_SPLITS = 12
_MAX_FIT_ROWS = 20_000


@dataclass(frozen=True)
class RowFidelity:
    """auc: how well a classifier separates synthetic from held-out real rows, from 0.5 (not at all) to 1. low, high:
    its 95 % interval. rows: of each side."""

    auc: float
    low: float
    high: float
    rows: int


@dataclass(frozen=True, eq=False)
class FidelityReference:
    """Reference for the fidelity of synthetic rows: real rows of users that no generator was trained on.

    features       rows -> float64 (rows, features)
    unseen_points  float64 (rows, features), of these real rows
    training_rows  the AUC of training rows themselves, the best that synthetic rows can be asked for
    """

    features: Callable[[Rows], Points]
    unseen_points: Points
    training_rows: RowFidelity
    key: int

    def measure(self, rows: Rows) -> RowFidelity | None:
        """The fidelity of some histories or labelled rows; None for fewer than `MIN_ROWS`."""
        some = rows.take(_sample_rows(rows, rng.derive_key(self.key, "new")))
        return _measure_auc(self.features(some), self.unseen_points, self.key)


def build_reference(split: Split | SampleSplit, unseen: Rows | None, seed: int) -> FidelityReference | str:
    """The reference of a split, or the reason why there is none. unseen: complete rows of control users, or None."""
    key = rng.derive_key(seed, "likeness")
    train: Rows = split.train
    if unseen is None or len(unseen) < MIN_ROWS:
        n_rows = 0 if unseen is None else len(unseen)
        return f"fidelity needs {MIN_ROWS} real rows of control users, there are {n_rows}: raise split.control_share"
    fitted_on = train.take(_sample_rows(train, key, _MAX_FIT_ROWS))
    features = get_plan_rows(train).fit_features(fitted_on, unseen, key)
    held_out = features(unseen.take(_sample_rows(unseen, rng.derive_key(key, "unseen"))))
    real = features(train.take(_sample_rows(train, rng.derive_key(key, "real"))))
    try:
        ordinary = _measure_auc(real, held_out, key)
    except MissingExtra as missing:
        return f"fidelity needs {missing.library}: {missing.fix}"
    return (
        FidelityReference(features, held_out, ordinary, key) if ordinary else f"fidelity needs {MIN_ROWS} training rows"
    )


def _sample_rows(rows: Rows, key: int, max_rows: int = MAX_ROWS) -> npt.NDArray[np.int64]:
    """int64 (at most max_rows,): indices of a random sample that follows from the rows' own keys, ascending."""
    draws = rng.draw_bits(rng.derive_row_keys(key, rows.row_ids), 0)
    return np.sort(np.argsort(draws, kind="stable")[:max_rows])


def _measure_auc(new: Points, real: Points, key: int) -> RowFidelity | None:
    """The mean over half-samples of both sides, which vary like all rows would (see `quality/null_reference.py`)."""
    n = min(len(new), len(real))
    if n < MIN_ROWS:
        return None
    values = []
    for number in range(N_SPLITS):
        generator = rng.make_generator(rng.derive_key(key, "half", number))
        new_half, real_half = (side[generator.permutation(len(side))[: n // 2]] for side in (new, real))
        values.append(two_sample_auc(new_half, real_half, rng.derive_key(key, "folds", number)))
    mean, margin = float(np.mean(values)), 1.96 * float(np.std(values, ddof=1))
    return RowFidelity(mean, max(mean - margin, 0.0), min(mean + margin, 1.0), n)
