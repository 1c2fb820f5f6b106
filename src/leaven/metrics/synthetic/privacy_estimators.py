"""Estimators of membership inference attacks on synthetic rows.

The attack of DOMIAS (van Breugel and others, AISTATS 2023, equation 3): a row scores high if it is more likely under a
model of the new rows than under one of other real rows. For histories both models are Markov chains; for points the
density is that of the k nearest neighbors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.metrics.synthetic.distribution_distances import auc

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Attack:
    """auc: probability that a member scores above a stranger. tpr: share of the members found at a given false positive
    rate. Intervals at 95 %: both sides resampled. p: permutation test of the member labels.
    """

    auc: float
    auc_interval: tuple[float, float]
    auc_p: float
    tpr: float
    tpr_p: float
    tpr_interval: tuple[float, float]
    members: int
    strangers: int


def surprisals(of: Histories, rows: Histories, order: int = 2) -> Scores:
    """Return the surprisal, in nats, of each row's events after the first under a Markov chain of other rows.

    float64 (rows,); NaN for rows of one event. of: the rows on which the chain is fitted, over the same catalog.
    """
    from leaven.kernels.markov import learned, log_likelihoods
    from leaven.kernels.time_popularity import fashion_of

    popularity = fashion_of(of.items, of.times, of.n_items)
    chain = learned(of.items, of.times, of.starts, popularity, of.n_items, order)
    surprisal = -log_likelihoods(chain, popularity, rows.items, rows.times, rows.starts)
    return np.where(rows.lengths >= 2, surprisal, np.nan)


def log_density(of: Scores, rows: Scores, neighbours: int = 5) -> Scores:
    """Return minus width times the log distance to the k-th nearest point, up to a constant, float64 (rows,)."""
    from scipy.spatial import cKDTree

    k = min(neighbours, len(of))
    distance = np.asarray(cKDTree(of).query(rows, k=[k])[0], np.float64)[:, 0]
    return np.asarray(-of.shape[1] * np.log(np.maximum(distance, 1e-9)), np.float64)


def tpr_at(members: Scores, strangers: Scores, fpr: float = 0.01) -> float:
    """Return the share of the members above the score that at most `fpr` of the strangers exceed."""
    allowed = int(fpr * len(strangers))
    threshold = np.sort(strangers)[::-1][allowed]
    return float((members > threshold).mean())


def attack(members: Scores, strangers: Scores, key: int, draws: int = 200, fpr: float = 0.01) -> Attack:
    """Return the success of an attack with these scores, with bootstrap intervals; `fpr`: false positive rate."""
    generator = rng.generator(rng.key(key, "attack"))
    resampled = np.empty((draws, 2))
    for draw in range(draws):
        of_members = members[generator.integers(0, len(members), len(members))]
        of_strangers = strangers[generator.integers(0, len(strangers), len(strangers))]
        resampled[draw] = auc(of_members, of_strangers), tpr_at(of_members, of_strangers, fpr)
    low, high = np.quantile(resampled, (0.025, 0.975), axis=0)
    pairs = [(float(a), float(b)) for a, b in zip(low, high, strict=True)]
    observed = np.array([auc(members, strangers), tpr_at(members, strangers, fpr)])
    pooled, n_above = np.concatenate([members, strangers]), np.ones(2)
    for _ in range(draws):
        shuffled = pooled[generator.permutation(len(pooled))]
        of_members, of_strangers = shuffled[: len(members)], shuffled[len(members) :]
        n_above += np.array([auc(of_members, of_strangers), tpr_at(of_members, of_strangers, fpr)]) >= observed
    auc_p, tpr_p = n_above / (1 + draws)
    return Attack(
        auc=float(observed[0]),
        auc_interval=pairs[0],
        auc_p=float(auc_p),
        tpr=float(observed[1]),
        tpr_p=float(tpr_p),
        tpr_interval=pairs[1],
        members=len(members),
        strangers=len(strangers),
    )
