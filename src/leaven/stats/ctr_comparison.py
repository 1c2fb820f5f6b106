"""Comparison of CTR models on the same test rows, with users resampled jointly for all variants."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leaven import rng as seeds
from leaven.datasets.samples import Samples
from leaven.errors import DataError, suggest_name
from leaven.protocols import CtrMetric
from leaven.stats.effect import MIN_USERS

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class CtrEffect:
    """One variant on one metric, and its difference to another.

    value                  mean over the variant's seeds
    difference, low, high  to the other variant's value, and its 95 % interval over resampled users
    better                 whether the whole interval is on the better side of 0; worse: on the other
    spread                 standard deviation of the difference between seeds; 0 for one seed: the interval then does
                           not cover the noise of training
    """

    variant: str
    against: str
    metric: str
    value: float
    difference: float
    low: float
    high: float
    better: bool
    worse: bool
    spread: float
    users: int
    seeds: int


def compare_ctr(
    predictions: Mapping[str, Sequence[Values]],
    test: Samples,
    metrics: Mapping[str, CtrMetric | Mapping[str, CtrMetric]],
    against: str = "baseline",
    key: int = 0,
    n_draws: int = 200,
) -> list[CtrEffect]:
    """Return the effect of every variant on every metric, paired with `against` on the same users.

    predictions  variant -> for each seed, float64 (rows,): predictions for `test`
    metrics      name -> a metric, or one per variant if variants have thresholds of their own

    Raises DataError if `against` is missing or predictions do not fit the rows.
    """
    if against not in predictions:
        raise DataError("compare_ctr.against", "a variant", repr(against), suggest_name(against, predictions))
    for variant, seeds_of in predictions.items():
        if not seeds_of or any(len(one) != len(test) for one in seeds_of):
            raise DataError(
                f"variant {variant!r}", f"predictions of {len(test)} rows", "another number of rows or no seed", ""
            )
    names, owner = np.unique(test.user_ids, return_inverse=True)
    weights = _resample_users(len(names), n_draws, key)[:, owner]
    effects = []
    for metric, given in metrics.items():
        by_variant = {variant: given[variant] if isinstance(given, Mapping) else given for variant in predictions}
        values = {
            variant: _evaluate_resamples(by_variant[variant], predictions[variant], test, weights)
            for variant in predictions
        }
        effects += [
            _build_effect(variant, against, metric, by_variant[variant], values, len(names)) for variant in predictions
        ]
    return effects


def _resample_users(users: int, draws: int, key: int) -> Values:
    """Return how often each user is drawn, float64 (draws + 1, users); the first row is one each."""
    generator = seeds.make_generator(seeds.derive_key(key, "users"))
    counts = [np.bincount(generator.integers(0, users, users), minlength=users) for _ in range(draws)]
    return np.vstack([np.ones(users), *counts])


def _evaluate_resamples(metric: CtrMetric, chances: Sequence[Values], test: Samples, weights: Values) -> Values:
    """Return the metric per seed and resample, float64 (seeds, draws + 1)."""
    values = np.empty((len(chances), len(weights)))
    for seed, chance in enumerate(chances):
        order = np.argsort(chance, kind="stable")  # sorted once: sorting sorted rows again is cheap
        label, predicted, users = test.label[order].astype(np.float64), chance[order], test.user_ids[order]
        for draw, weight in enumerate(weights):
            values[seed, draw] = metric(label, predicted, weight[order], users)
    return values


def _build_effect(
    variant: str, against: str, metric: str, metric_of_variant: CtrMetric, values: Mapping[str, Values], users: int
) -> CtrEffect:
    """Return the effect of a variant; `values`: variant -> float64 (seeds, draws + 1)."""
    mine, other = values[variant].mean(axis=0), values[against].mean(axis=0)
    differences = mine[1:] - other[1:]
    known = differences[np.isfinite(differences)]
    low, high = (float(x) for x in np.quantile(known, [0.025, 0.975])) if len(known) else (math.nan, math.nan)
    paired = len(values[variant]) == len(values[against]) > 1
    spread = float((values[variant][:, 0] - values[against][:, 0]).std(ddof=1)) if paired else 0.0
    enough = users >= MIN_USERS and variant != against
    return CtrEffect(
        variant=variant,
        against=against,
        metric=metric,
        value=float(mine[0]),
        difference=float(mine[0] - other[0]),
        low=low,
        high=high,
        better=enough and (low > 0 if metric_of_variant.higher_is_better else high < 0),
        worse=enough and (high < 0 if metric_of_variant.higher_is_better else low > 0),
        spread=spread,
        users=users,
        seeds=len(values[variant]),
    )
