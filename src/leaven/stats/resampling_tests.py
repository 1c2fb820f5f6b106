"""How far could chance have moved the difference: other users, and another training?

Two sources of chance. *Users*: resampled with replacement, all arms and seeds of a user together
(the design is crossed, so users must not be drawn anew for each seed: Owen, "The pigeonhole
bootstrap", Annals of Applied Statistics 2007). *Training*: the seeds' deviations, resampled.

Where we differ from resampling the few seeds themselves: two or three seeds have hardly any
distinct resamples, and their spread is short by (seeds - 1) / seeds and by the t quantile. So the
deviations of all arms are pooled (two-way residuals, arms x seeds: a seed that is lucky for all arms
cancels, which is what pairing is for), the part that the users' own noise explains is taken out,
and the rest is widened by Student's t over the normal quantile (Hesterberg, "What teachers should
know about the bootstrap", The American Statistician 2015, sections 4.4 and 5.3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from leaven import rng
from leaven.kernels.bootstrap import flips_as_extreme, resampled_sums

Values = npt.NDArray[np.float64]

MOST_BLOCKS = 32_768
"""More users than this are dealt at random into so many blocks, and blocks are resampled."""
INTERVAL = (0.025, 0.975)


@dataclass(frozen=True, eq=False)
class TrainingNoise:
    """residuals float64 (arms * seeds,) with variance 1; scale: standard deviation of one training,
    in the metric's unit; freedom: degrees of freedom behind it; widening: the t quantile over the normal one."""

    residuals: Values
    scale: float
    freedom: int
    widening: float

    @property
    def variance(self) -> float:
        return float(self.scale * self.scale)


def training_noise(values: Values) -> TrainingNoise:
    """How much one arm's mean moves when it is trained again: nothing where there is one seed.

    values float64 (arms, seeds, users).
    """
    arms, n_seeds, users = values.shape
    freedom = (arms - 1) * (n_seeds - 1)
    if freedom < 1 or users < 2:
        return TrainingNoise(np.zeros(1), 0.0, 0, 1.0)
    means = values.mean(axis=2)  # (arms, seeds)
    left = means - means.mean(axis=0) - means.mean(axis=1, keepdims=True) + means.mean()
    of_means = float((left**2).sum() / freedom)
    variance = max(of_means - _users_part(values), 0.0)
    widening = float(stats.t.ppf(INTERVAL[1], freedom) / stats.norm.ppf(INTERVAL[1]))
    unit = math.sqrt(float((left**2).mean())) or 1.0
    return TrainingNoise((left / unit).ravel(), math.sqrt(variance), freedom, widening)


def _users_part(values: Values) -> float:
    """Variance of a seed's mean that the users' own seed-to-seed noise explains."""
    _, n_seeds, users = values.shape
    total = 0.0
    for arm in values:
        left = arm - arm.mean(axis=0) - arm.mean(axis=1, keepdims=True) + arm.mean()
        total += float((left**2).sum() / ((n_seeds - 1) * (users - 1)))
    return float(total / len(values) / users)


def deal(per_user: Values, key: int) -> Values:
    """float64 (users or blocks, columns + 1): sums, and in the last column how many users they are.

    Sums of random blocks have the same variance for their mean as the users themselves, and keep a
    bootstrap over millions of users at the price of one over 32,768.
    """
    users = len(per_user)
    table = np.column_stack([per_user, np.ones(users)])
    if users <= MOST_BLOCKS:
        return table
    order = rng.generator(key).permutation(users)
    edges = np.linspace(0, users, MOST_BLOCKS + 1).astype(np.int64)[:-1]
    return np.asarray(np.add.reduceat(table[order], edges, axis=0), np.float64)


def resampled_means(dealt: Values, draws: int, key: int) -> Values:
    """float64 (draws, columns): means of the columns over resampled users."""
    sums = resampled_sums(np.ascontiguousarray(dealt), draws, np.uint64(key))
    return np.asarray(sums[:, :-1] / sums[:, -1:], np.float64)


def noise_draws(noise: TrainingNoise, n_seeds: int, draws: int, key: int) -> Values:
    """float64 (draws,): how far training both arms again would move their difference."""
    if noise.scale == 0.0:
        return np.zeros(draws)
    place = rng.generator(key).integers(0, len(noise.residuals), (draws, 2, n_seeds))
    arm_and_other = noise.residuals[place].mean(axis=2)  # (draws, 2)
    moved: Values = arm_and_other[:, 0] - arm_and_other[:, 1]
    return np.asarray(moved * noise.scale * noise.widening, np.float64)


def interval(draws: Values) -> tuple[float, float]:
    """The central 95 % of the draws; draws that are infinite (a mean of 0 below) are allowed."""
    low, high = np.quantile(draws, INTERVAL, method="closest_observation")
    return float(low), float(high)


def relative(differences: Values, to: Values) -> Values:
    """float64: differences over means; where a mean is 0, plus or minus infinity, or 0 for no difference."""
    safe = np.where(to > 0, to, 1.0)
    odd = np.where(differences == 0, 0.0, np.copysign(np.inf, differences))
    return np.where(to > 0, differences / safe, odd)


def sign_flip_p(differences: Values, flips: int, key: int) -> float:
    """Two-sided p of no difference: each user's difference could as well have had the other sign.

    differences float64 (users or blocks,), averaged over the seeds. Users without one say nothing and
    are left out. The smallest possible p is 1 / (flips + 1) (Phipson and Smyth, 2010).
    """
    moved = np.ascontiguousarray(differences[differences != 0])
    if not len(moved):
        return 1.0
    return float((1 + flips_as_extreme(moved, flips, np.uint64(key))) / (1 + flips))


def chance_p(difference: float, of_users: Values, noise: TrainingNoise, n_seeds: int) -> float:
    """Two-sided p of no difference when users and training both vary.

    of_users float64 (draws,): differences over resampled users. Their variance and that of training add
    up. The larger of two p, because the few seeds fool each in its own way: Student's t with
    Satterthwaite's degrees of freedom (1946), too hopeful where the noise of training was estimated
    too small; and the normal p of the widened noise, too hopeful far out in the tail.
    """
    users, training = float(of_users.var()), 2 * noise.variance / n_seeds
    if users + training == 0.0:
        return 1.0 if difference == 0.0 else 0.0
    freedom = noise.freedom * ((users + training) / training) ** 2 if training else np.inf
    of_t = stats.t.sf(abs(difference) / math.sqrt(users + training), freedom)
    of_widened = stats.norm.sf(abs(difference) / math.sqrt(users + training * noise.widening**2))
    return float(2 * max(of_t, of_widened))


def holm(p: Values) -> Values:
    """float64: p after Holm (1979), in the order given.

    >>> holm(np.array([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted
