"""Did it help a click model? The same test rows, users resampled for all arms together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import rng as seeds
from leaven.datasets.samples import Samples
from leaven.errors import DataError, nearest
from leaven.protocols import ClickMetric
from leaven.stats.effect import FEWEST_USERS

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ClickEffect:
    """One arm on one metric, and against another.

    value            mean over the arm's seeds
    difference, low, high   to the other arm's value, and its 95 % interval over resampled users
    better           whether the whole interval lies on the better side of 0; worse: on the other
    spread           standard deviation of the difference between seeds; 0 for one seed: then the interval knows
                     nothing of another training
    """

    arm: str
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

    def as_dict(self) -> dict[str, Any]:
        """For JSON: what is not defined becomes null."""
        known = asdict(self).items()
        return {name: None if isinstance(v, float) and not math.isfinite(v) else v for name, v in known}


def compare_clicks(
    chances: Mapping[str, Sequence[Values]],
    test: Samples,
    metrics: Mapping[str, ClickMetric | Mapping[str, ClickMetric]],
    against: str = "baseline",
    key: int = 0,
    draws: int = 200,
) -> list[ClickEffect]:
    """Every arm and metric, paired with `against` on the same users.

    chances  arm -> for each seed, float64 (rows,): predictions for `test`
    metrics  name -> a metric, or one for each arm where arms have thresholds of their own

    Raises DataError where `against` is no arm, or predictions do not fit the rows.
    """
    if against not in chances:
        raise DataError("compare_clicks.against", "an arm", repr(against), nearest(against, chances))
    for arm, seeds_of in chances.items():
        if not seeds_of or any(len(one) != len(test) for one in seeds_of):
            raise DataError(f"arm {arm!r}", f"predictions of {len(test)} rows", "others", "")
    names, owner = np.unique(test.users, return_inverse=True)
    weights = _resampled(len(names), draws, key)[:, owner]
    effects = []
    for metric, given in metrics.items():
        of_arm = {arm: given[arm] if isinstance(given, Mapping) else given for arm in chances}
        values = {arm: _values(of_arm[arm], chances[arm], test, weights) for arm in chances}
        effects += [_effect(arm, against, metric, of_arm[arm], values, len(names)) for arm in chances]
    return effects


def _resampled(users: int, draws: int, key: int) -> Values:
    """float64 (draws + 1, users): how often each user is drawn; first, everybody once."""
    chance = seeds.generator(seeds.key(key, "users"))
    counts = [np.bincount(chance.integers(0, users, users), minlength=users) for _ in range(draws)]
    return np.vstack([np.ones(users), *counts])


def _values(metric: ClickMetric, chances: Sequence[Values], test: Samples, weights: Values) -> Values:
    """float64 (seeds, draws + 1)."""
    found = np.empty((len(chances), len(weights)))
    for seed, chance in enumerate(chances):
        order = np.argsort(chance, kind="stable")  # sorted once: sorting again what is sorted costs little
        label, said, users = test.label[order].astype(np.float64), chance[order], test.users[order]
        for draw, weight in enumerate(weights):
            found[seed, draw] = metric(label, said, weight[order], users)
    return found


def _effect(
    arm: str, against: str, metric: str, judge: ClickMetric, values: Mapping[str, Values], users: int
) -> ClickEffect:
    mine, other = values[arm].mean(axis=0), values[against].mean(axis=0)
    moved = mine[1:] - other[1:]
    known = moved[np.isfinite(moved)]
    low, high = (float(x) for x in np.quantile(known, [0.025, 0.975])) if len(known) else (math.nan, math.nan)
    paired = len(values[arm]) == len(values[against]) > 1
    spread = float((values[arm][:, 0] - values[against][:, 0]).std(ddof=1)) if paired else 0.0
    up = getattr(judge, "higher_is_better", True)
    enough = users >= FEWEST_USERS and arm != against
    return ClickEffect(
        arm=arm,
        against=against,
        metric=metric,
        value=float(mine[0]),
        difference=float(mine[0] - other[0]),
        low=low,
        high=high,
        better=enough and (low > 0 if up else high < 0),
        worse=enough and (high < 0 if up else low > 0),
        spread=spread,
        users=users,
        seeds=len(values[arm]),
    )
