"""Do made rows come as often as real ones of their kind do?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import registry, rng
from leaven.datasets.histories import Histories
from leaven.errors import FitError, SpecError
from leaven.filters.rejection_reasons import kept
from leaven.filters.surprisal import FittedSurprisal, Surprisal
from leaven.kernels.first_seen import first_days
from leaven.protocols import FittedGenerator, Generator, Kept

Floats = npt.NDArray[np.float64]

_FEWEST = 40  # real rows, below which a classifier learns them by heart
_MOST = 5_000
_RIDGE = 1.0  # holds weights back as one row does


@dataclass(frozen=True)
class DensityRatio:
    """Rejection by a calibrated classifier of real against made rows (Azadi et al., ICLR 2019, sec. 3).

    It learns from rows that `generator` makes here, and keeps a row with a chance in proportion to how much more often
    real rows look like it; a draw by the row's own key decides. What it looks at does not count events, so that longer
    rows are no stranger: popularity, repeats, gaps, ages of items, and surprise under a chain of the other half.

    generator  whose rows they are, a wish or a fitted one; None: that of the step, and where there is none a Markov
               chain
    ceiling    quantile of the made rows' ratio from which on a row is kept for sure: lower keeps more
    """

    generator: Generator | FittedGenerator | None = None
    ceiling: float = 0.8

    def __post_init__(self) -> None:
        if not 0 < self.ceiling <= 1:
            raise SpecError("density_ratio.ceiling", "a share above 0, at most 1", f"{self.ceiling}", "")

    def fit(self, train: Histories, key: int) -> FittedDensityRatio:
        """Make rows, learn to tell them from real ones, and calibrate on rows that the classifier has not seen.

        Raises FitError for fewer than 40 rows of two events and more.
        """
        long = np.flatnonzero(train.lengths >= 2)
        if len(long) < _FEWEST:
            raise FitError(
                "density_ratio", f"at least {_FEWEST} rows of two events or more", f"{len(long)}", "leave it out"
            )
        order = np.argsort(rng.row_keys(rng.key(key, "real"), train.keys[long]), kind="stable")
        real = train.take(np.sort(long[order[:_MOST]]))
        eyes = Eyes.of(train, key)
        made = self._maker(train, key).sample(rng.row_keys(rng.key(key, "made"), real.keys), real)
        points = np.concatenate([eyes(real), eyes(made)])
        middle, spread = points.mean(axis=0), points.std(axis=0)
        points = _widened(points, middle, spread)
        label = np.repeat([1.0, 0.0], [len(real), len(made)])
        fold = rng.uniform(rng.row_keys(rng.key(key, "fold"), np.concatenate([real.keys, real.keys])), 0) < 0.5
        said = np.empty(len(points))
        for part in (False, True):  # a row and what was made from it are on one side
            said[fold == part] = points[fold == part] @ logistic(points[fold != part], label[fold != part])
        platt = logistic(np.column_stack([np.ones(len(said)), said]), label)
        ratio = platt[0] + platt[1] * said[len(real) :]
        return FittedDensityRatio(
            key, eyes, middle, spread, logistic(points, label), platt, float(np.quantile(ratio, self.ceiling))
        )

    def _maker(self, train: Histories, key: int) -> FittedGenerator:
        given: Any = self.generator if self.generator is not None else registry.made("generators", "markov")
        fitted: FittedGenerator = given.fit(train, rng.key(key, "generator")) if hasattr(given, "fit") else given
        return fitted


@dataclass(frozen=True, eq=False)
class FittedDensityRatio:
    """weights: of the standardised features; platt: what turns their sum into the logarithm of the ratio;
    ceiling: that logarithm from which on a row is kept for sure."""

    key: int
    eyes: Eyes
    middle: Floats
    spread: Floats
    weights: Floats
    platt: Floats
    ceiling: float

    def __call__(self, new: Histories) -> Kept:
        lot = rng.uniform(rng.row_keys(rng.key(self.key, "lot"), new.keys), 0)
        lost = lot >= np.exp(np.minimum(self.log_ratio(new) - self.ceiling, 0.0))
        return kept(len(new), {"more like made rows than like real ones": lost})

    def log_ratio(self, rows: Histories) -> Floats:
        """float64 (rows,): logarithm of how much more often such a row is real than made."""
        points = _widened(self.eyes(rows), self.middle, self.spread)
        found: Floats = self.platt[0] + self.platt[1] * (points @ self.weights)
        return found


@dataclass(frozen=True, eq=False)
class Eyes:
    """What is seen of a row. fame float64, born int64 (items + 2,): training events and first day of each item."""

    fame: Floats
    born: npt.NDArray[np.int64]
    surprisal: FittedSurprisal

    @classmethod
    def of(cls, train: Histories, key: int) -> Eyes:
        """Learned from the training rows."""
        fame = np.log1p(np.bincount(train.items, minlength=train.n_items + 2))
        stated = train.catalog.born if train.catalog is not None else None
        born = first_days(train.items, train.times, train.n_items, stated)
        return cls(fame, born, Surprisal().fit(train, rng.key(key, "surprisal")))

    def __call__(self, rows: Histories) -> Floats:
        """float64 (rows, 10), none of them a count of events."""
        row = rows.row_of_event()
        fame, inner = self.fame[rows.items], np.append(row[1:] == row[:-1], False)
        age = np.log1p(np.maximum(rows.times - np.minimum(self.born[rows.items], rows.times), 0))
        gap = np.where(inner, np.log1p(np.maximum(np.diff(rows.times, append=0), 0)), 0.0)
        surprise = self.surprisal.scores(rows)
        steps = np.maximum(rows.lengths - 1, 1)
        seen = [
            _mean(rows, fame),
            _spread(rows, fame),
            _mean(rows, age),
            _spread(rows, age),
            _mean(rows, (fame < np.log1p(5)).astype(np.float64)),
            1 - rows.distinct() / np.maximum(rows.lengths, 1),
            np.bincount(row, gap, len(rows)) / steps,
            np.sqrt(np.bincount(row, gap**2, len(rows)) / steps),
            np.bincount(row, inner & (gap == 0), len(rows)) / steps,
            np.nan_to_num(surprise, nan=float(self.surprisal.bands.mean())),
        ]
        return np.column_stack(seen)


def _mean(rows: Histories, values: Floats) -> Floats:
    found: Floats = np.bincount(rows.row_of_event(), values, len(rows)) / np.maximum(rows.lengths, 1)
    return found


def _spread(rows: Histories, values: Floats) -> Floats:
    away = values - np.repeat(_mean(rows, values), rows.lengths)
    return np.sqrt(_mean(rows, away**2))


def _widened(points: Floats, middle: Floats, spread: Floats) -> Floats:
    """A 1, the standardised features, and their squares; far ones count as 4 deviations."""
    own = np.clip((points - middle) / np.where(spread > 0, spread, 1.0), -4, 4)
    return np.column_stack([np.ones(len(own)), own, own**2])


def logistic(points: Floats, label: Floats) -> Floats:
    """float64 (features,): weights of a logistic regression with a ridge on all but the first, by Newton's steps."""
    weights, ridge = np.zeros(points.shape[1]), np.full(points.shape[1], _RIDGE)
    ridge[0] = 1e-9
    for _ in range(30):
        chance = 1 / (1 + np.exp(-np.clip(points @ weights, -30, 30)))
        slope = points.T @ (label - chance) - ridge * weights
        bend = (points * (chance * (1 - chance))[:, None]).T @ points + np.diag(ridge)
        step = np.linalg.solve(bend, slope)
        weights = weights + np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < 1e-8:
            break
    return weights
