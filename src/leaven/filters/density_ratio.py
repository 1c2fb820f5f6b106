"""A rejection sampler by the density ratio of real to synthetic rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import registry, rng
from leaven.datasets.histories import Histories
from leaven.errors import FitError, SpecError
from leaven.filters.surprisal import FittedSurprisal, Surprisal
from leaven.kernels.time_popularity import find_first_sale_times
from leaven.protocols import FilterResult, FittedGenerator, Generator

Floats = npt.NDArray[np.float64]

_MIN_ROWS = 40  # real rows; a classifier overfits fewer
_MAX_ROWS = 5_000
_RIDGE = 1.0  # the weight of one row


@dataclass(frozen=True)
class DensityRatio:
    """Rejection sampling by a calibrated classifier of real against synthetic rows (Azadi et al., ICLR 2019, sec. 3).

    The classifier is fitted on rows that `generator` generates here; a row is accepted with a probability proportional
    to the density ratio of real to synthetic rows, decided by a draw from the row's id. Features are independent of the
    number of events, so that longer rows are not penalized: popularity, repeats, gaps, item ages, and surprisal under a
    chain of the other half.

    generator         config or fitted generator of the rows; None: that of the step, or a Markov chain outside a step
    ceiling_quantile  quantile of the synthetic rows' ratio above which a row is always accepted: lower values accept
                      more
    """

    generator: Generator | FittedGenerator | None = None
    ceiling_quantile: float = 0.8

    def __post_init__(self) -> None:
        if not 0 < self.ceiling_quantile <= 1:
            raise SpecError(
                "density_ratio.ceiling_quantile", "a share above 0, at most 1", f"{self.ceiling_quantile}", ""
            )

    def fit(self, train: Histories, key: int) -> FittedDensityRatio:
        """Generate rows, fit the classifier, and calibrate it on rows outside its training fold.

        Raises FitError for fewer than 40 rows of two events or more.
        """
        long = np.flatnonzero(train.lengths >= 2)
        if len(long) < _MIN_ROWS:
            raise FitError(
                "density_ratio", f"at least {_MIN_ROWS} rows of two events or more", f"{len(long)}", "leave it out"
            )
        order = np.argsort(rng.derive_row_keys(rng.derive_key(key, "real"), train.row_ids[long]), kind="stable")
        real = train.take(np.sort(long[order[:_MAX_ROWS]]))
        featurizer = RowFeaturizer.fit(train, key)
        synthetic = self._fit_generator(train, key).sample(
            rng.derive_row_keys(rng.derive_key(key, "made"), real.row_ids), real
        )
        points = np.concatenate([featurizer(real), featurizer(synthetic)])
        middle, spread = points.mean(axis=0), points.std(axis=0)
        points = _expand_features(points, middle, spread)
        label = np.repeat([1.0, 0.0], [len(real), len(synthetic)])
        fold = (
            rng.draw_uniform(
                rng.derive_row_keys(rng.derive_key(key, "fold"), np.concatenate([real.row_ids, real.row_ids])), 0
            )
            < 0.5
        )
        scores = np.empty(len(points))
        for part in (False, True):  # a row and the synthetic row generated from it share a fold
            scores[fold == part] = points[fold == part] @ fit_logistic(points[fold != part], label[fold != part])
        platt = fit_logistic(np.column_stack([np.ones(len(scores)), scores]), label)
        ratio = platt[0] + platt[1] * scores[len(real) :]
        return FittedDensityRatio(
            key,
            featurizer,
            middle,
            spread,
            fit_logistic(points, label),
            platt,
            float(np.quantile(ratio, self.ceiling_quantile)),
        )

    def _fit_generator(self, train: Histories, key: int) -> FittedGenerator:
        given: Any = self.generator if self.generator is not None else registry.create_config("generators", "markov")
        fitted: FittedGenerator = given.fit(train, rng.derive_key(key, "generator")) if hasattr(given, "fit") else given
        return fitted


@dataclass(frozen=True, eq=False)
class FittedDensityRatio:
    """weights: of the standardized features; platt: calibration of their sum to the log density ratio; ceiling: log
    ratio above which a row is always accepted.
    """

    key: int
    featurizer: RowFeaturizer
    middle: Floats
    spread: Floats
    weights: Floats
    platt: Floats
    ceiling: float

    def __call__(self, new: Histories) -> FilterResult:
        draws = rng.draw_uniform(rng.derive_row_keys(rng.derive_key(self.key, "lot"), new.row_ids), 0)
        rejected = draws >= np.exp(np.minimum(self.log_ratio(new) - self.ceiling, 0.0))
        return FilterResult.from_reasons(len(new), {"more like synthetic rows than like real ones": rejected})

    def log_ratio(self, rows: Histories) -> Floats:
        """Return the log density ratio of real to synthetic rows, float64 (rows,)."""
        points = _expand_features(self.featurizer(rows), self.middle, self.spread)
        found: Floats = self.platt[0] + self.platt[1] * (points @ self.weights)
        return found


@dataclass(frozen=True, eq=False)
class RowFeaturizer:
    """Features of a row. log_popularity float64 (items + 2,); born int64 (items + 2,): first day of each item."""

    log_popularity: Floats
    born: npt.NDArray[np.int64]
    surprisal: FittedSurprisal

    @classmethod
    def fit(cls, train: Histories, key: int) -> RowFeaturizer:
        """Return the featurizer of the training rows."""
        popularity = np.log1p(np.bincount(train.items, minlength=train.n_items + 2))
        stated = train.catalog.first_sale_times if train.catalog is not None else None
        born = find_first_sale_times(train.items, train.times, train.n_items, stated)
        return cls(popularity, born, Surprisal().fit(train, rng.derive_key(key, "surprisal")))

    def __call__(self, rows: Histories) -> Floats:
        """Return float64 (rows, 10), all independent of the number of events."""
        row = rows.event_rows()
        popularity, inner = self.log_popularity[rows.items], np.append(row[1:] == row[:-1], False)
        age = np.log1p(np.maximum(rows.times - np.minimum(self.born[rows.items], rows.times), 0))
        gap = np.where(inner, np.log1p(np.maximum(np.diff(rows.times, append=0), 0)), 0.0)
        surprise = self.surprisal.compute_surprisal(rows)
        steps = np.maximum(rows.lengths - 1, 1)
        columns = [
            rows.average_events(popularity),
            _measure_spread_by_row(rows, popularity),
            rows.average_events(age),
            _measure_spread_by_row(rows, age),
            rows.average_events((popularity < np.log1p(5)).astype(np.float64)),
            1 - rows.count_distinct_items() / np.maximum(rows.lengths, 1),
            np.bincount(row, gap, len(rows)) / steps,
            np.sqrt(np.bincount(row, gap**2, len(rows)) / steps),
            np.bincount(row, inner & (gap == 0), len(rows)) / steps,
            np.nan_to_num(surprise, nan=float(self.surprisal.bands.mean())),
        ]
        return np.column_stack(columns)


def _measure_spread_by_row(rows: Histories, values: Floats) -> Floats:
    away = values - np.repeat(rows.average_events(values), rows.lengths)
    return np.sqrt(rows.average_events(away**2))


def _expand_features(points: Floats, middle: Floats, spread: Floats) -> Floats:
    """Return a constant 1, the standardized features clipped at 4 deviations, and their squares."""
    standardized = np.clip((points - middle) / np.where(spread > 0, spread, 1.0), -4, 4)
    return np.column_stack([np.ones(len(standardized)), standardized, standardized**2])


def fit_logistic(points: Floats, label: Floats) -> Floats:
    """Return weights of a logistic regression, float64 (features,): ridge on all but the first, by Newton's method.

    Own code: scikit-learn is an optional extra, and its penalty cannot leave out a column.
    """
    weights, ridge = np.zeros(points.shape[1]), np.full(points.shape[1], _RIDGE)
    ridge[0] = 1e-9
    for _ in range(30):
        probability = 1 / (1 + np.exp(-np.clip(points @ weights, -30, 30)))
        gradient = points.T @ (label - probability) - ridge * weights
        hessian = (points * (probability * (1 - probability))[:, None]).T @ points + np.diag(ridge)
        step = np.linalg.solve(hessian, gradient)
        weights = weights + np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < 1e-8:
            break
    return weights
