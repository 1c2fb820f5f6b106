"""Resampling tests of a difference under two sources of noise: other users, and another training.

*Users* are resampled with replacement, all variants and seeds of a user together (the design is crossed, so users must
not be drawn separately for each seed: Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 2007). *Training*:
the seeds' deviations are resampled.

Where we differ from resampling the few seeds themselves: two or three seeds have hardly any distinct resamples, and
their spread is short by (seeds - 1) / seeds and by the t quantile. The deviations of all variants are therefore pooled
(two-way residuals, variants x seeds: a seed that is lucky for all variants cancels, which is the purpose of pairing),
the part explained by the users' noise is removed, and the rest is widened by Student's t over the normal quantile
(Hesterberg, "What teachers should know about the bootstrap", The American Statistician 2015, sections 4.4 and 5.3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from leaven import rng
from leaven.kernels.bootstrap import count_extreme_flips, resample_sums

Values = npt.NDArray[np.float64]

MAX_BLOCKS = 32_768
"""Maximum number of resampled units; more users are grouped at random into this number of blocks."""
INTERVAL = (0.025, 0.975)


@dataclass(frozen=True, eq=False)
class TrainingNoise:
    """residuals float64 (variants * seeds,) with variance 1; scale: standard deviation of one training, in the
    metric's unit; freedom: degrees of freedom; widening: the t quantile over the normal one.
    """

    residuals: Values
    scale: float
    freedom: int
    widening: float

    @property
    def variance(self) -> float:
        return float(self.scale * self.scale)


def estimate_training_noise(values: Values) -> TrainingNoise:
    """Return the noise of one variant's mean over trainings; zero for a single seed.

    values float64 (variants, seeds, users).
    """
    variants, n_seeds, users = values.shape
    freedom = (variants - 1) * (n_seeds - 1)
    if freedom < 1 or users < 2:
        return TrainingNoise(np.zeros(1), 0.0, 0, 1.0)
    means = values.mean(axis=2)  # (arms, seeds)
    residuals = means - means.mean(axis=0) - means.mean(axis=1, keepdims=True) + means.mean()
    variance_of_means = float((residuals**2).sum() / freedom)
    variance = max(variance_of_means - _estimate_user_variance(values), 0.0)
    widening = float(stats.t.ppf(INTERVAL[1], freedom) / stats.norm.ppf(INTERVAL[1]))
    unit = math.sqrt(float((residuals**2).mean())) or 1.0
    return TrainingNoise((residuals / unit).ravel(), math.sqrt(variance), freedom, widening)


def _estimate_user_variance(values: Values) -> float:
    """Return the variance of a seed's mean explained by the users' seed-to-seed noise."""
    _, n_seeds, users = values.shape
    total = 0.0
    for of_variant in values:
        residuals = of_variant - of_variant.mean(axis=0) - of_variant.mean(axis=1, keepdims=True) + of_variant.mean()
        total += float((residuals**2).sum() / ((n_seeds - 1) * (users - 1)))
    return float(total / len(values) / users)


def group_users_into_blocks(per_user: Values, key: int) -> Values:
    """Return sums per user or block, float64 (users or blocks, columns + 1); the last column is the number of users.

    Sums of random blocks have the same variance of their mean as the users, and limit a bootstrap over millions of
    users to the cost of one over 32,768.
    """
    users = len(per_user)
    table = np.column_stack([per_user, np.ones(users)])
    if users <= MAX_BLOCKS:
        return table
    order = rng.make_generator(key).permutation(users)
    edges = np.linspace(0, users, MAX_BLOCKS + 1).astype(np.int64)[:-1]
    return np.asarray(np.add.reduceat(table[order], edges, axis=0), np.float64)


def resample_means(blocks: Values, n_draws: int, key: int) -> Values:
    """Return the means of the columns over resampled users, float64 (draws, columns)."""
    sums = resample_sums(np.ascontiguousarray(blocks), n_draws, np.uint64(key))
    return np.asarray(sums[:, :-1] / sums[:, -1:], np.float64)


def draw_training_noise(noise: TrainingNoise, n_seeds: int, n_draws: int, key: int) -> Values:
    """Return draws of the change of a difference when both variants are trained again, float64 (draws,)."""
    if noise.scale == 0.0:
        return np.zeros(n_draws)
    index = rng.make_generator(key).integers(0, len(noise.residuals), (n_draws, 2, n_seeds))
    by_variant = noise.residuals[index].mean(axis=2)  # (draws, 2)
    difference: Values = by_variant[:, 0] - by_variant[:, 1]
    return np.asarray(difference * noise.scale * noise.widening, np.float64)


def compute_interval(draws: Values) -> tuple[float, float]:
    """Return the central 95 % of the draws; infinite draws (a mean of 0) are allowed."""
    low, high = np.quantile(draws, INTERVAL, method="closest_observation")
    return float(low), float(high)


def compute_relative_difference(differences: Values, to: Values) -> Values:
    """Return differences over means, float64; for a mean of 0 plus or minus infinity, or 0 for no difference."""
    safe = np.where(to > 0, to, 1.0)
    undefined = np.where(differences == 0, 0.0, np.copysign(np.inf, differences))
    return np.where(to > 0, differences / safe, undefined)


def compute_sign_flip_p(differences: Values, n_flips: int, key: int) -> float:
    """Return the two-sided p of no difference under random signs of the users' differences.

    differences float64 (users or blocks,), averaged over the seeds. Zeros are left out. The smallest possible p is
    1 / (flips + 1) (Phipson and Smyth, 2010).
    """
    nonzero = np.ascontiguousarray(differences[differences != 0])
    if not len(nonzero):
        return 1.0
    return float((1 + count_extreme_flips(nonzero, n_flips, np.uint64(key))) / (1 + n_flips))


def compute_combined_p(difference: float, of_users: Values, noise: TrainingNoise, n_seeds: int) -> float:
    """Return the two-sided p of no difference under the noise of users and training.

    of_users float64 (draws,): differences over resampled users. Their variance and that of training add up. The larger
    of two p, because each is too small in one case: Student's t with Satterthwaite's degrees of freedom (1946) if the
    noise of training was underestimated; the normal p of the widened noise far out in the tail.
    """
    users, training = float(of_users.var()), 2 * noise.variance / n_seeds
    if users + training == 0.0:
        return 1.0 if difference == 0.0 else 0.0
    freedom = noise.freedom * ((users + training) / training) ** 2 if training else np.inf
    of_t = stats.t.sf(abs(difference) / math.sqrt(users + training), freedom)
    of_widened = stats.norm.sf(abs(difference) / math.sqrt(users + training * noise.widening**2))
    return float(2 * max(of_t, of_widened))


def adjust_holm(p: Values) -> Values:
    """Return p after Holm (1979), float64, in the given order.

    Own code: statsmodels is not a dependency, and SciPy has no Holm correction.

    >>> adjust_holm(np.array([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted
