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
from leaven.metrics.synthetic.distribution_distances import rank_auc

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True)
class AttackResult:
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


def compute_surprisals(model_rows: Histories, rows: Histories, order: int = 2) -> Scores:
    """Return the surprisal, in nats, of each row's events after the first under a Markov chain of other rows.

    float64 (rows,); NaN for rows of one event. model_rows: the rows on which the chain is fitted, over the same
    catalog.
    """
    from leaven.kernels.markov import compute_log_likelihoods, fit_chain
    from leaven.kernels.time_popularity import fit_time_popularity

    popularity = fit_time_popularity(model_rows.items, model_rows.times, model_rows.n_items)
    chain = fit_chain(model_rows.items, model_rows.times, model_rows.starts, popularity, model_rows.n_items, order)
    surprisal = -compute_log_likelihoods(chain, popularity, rows.items, rows.times, rows.starts)
    return np.where(rows.lengths >= 2, surprisal, np.nan)


def estimate_log_density(model_points: Scores, rows: Scores, n_neighbors: int = 5) -> Scores:
    """Return minus width times the log distance to the k-th nearest point, up to a constant, float64 (rows,)."""
    from scipy.spatial import cKDTree

    k = min(n_neighbors, len(model_points))
    distance = np.asarray(cKDTree(model_points).query(rows, k=[k])[0], np.float64)[:, 0]
    return np.asarray(-model_points.shape[1] * np.log(np.maximum(distance, 1e-9)), np.float64)


def tpr_at_fpr(members: Scores, strangers: Scores, fpr: float = 0.01) -> float:
    """Return the share of the members above the score that at most `fpr` of the strangers exceed."""
    allowed = int(fpr * len(strangers))
    threshold = np.sort(strangers)[::-1][allowed]
    return float((members > threshold).mean())


def evaluate_attack(
    members: Scores, strangers: Scores, key: int, n_draws: int = 200, fpr: float = 0.01
) -> AttackResult:
    """Return the success of an attack with these scores, with bootstrap intervals; `fpr`: false positive rate."""
    generator = rng.make_generator(rng.derive_key(key, "attack"))
    resampled = np.empty((n_draws, 2))
    for draw in range(n_draws):
        of_members = members[generator.integers(0, len(members), len(members))]
        of_strangers = strangers[generator.integers(0, len(strangers), len(strangers))]
        resampled[draw] = rank_auc(of_members, of_strangers), tpr_at_fpr(of_members, of_strangers, fpr)
    low, high = np.quantile(resampled, (0.025, 0.975), axis=0)
    pairs = [(float(a), float(b)) for a, b in zip(low, high, strict=True)]
    observed = np.array([rank_auc(members, strangers), tpr_at_fpr(members, strangers, fpr)])
    pooled, n_above = np.concatenate([members, strangers]), np.ones(2)
    for _ in range(n_draws):
        shuffled = pooled[generator.permutation(len(pooled))]
        of_members, of_strangers = shuffled[: len(members)], shuffled[len(members) :]
        n_above += np.array([rank_auc(of_members, of_strangers), tpr_at_fpr(of_members, of_strangers, fpr)]) >= observed
    auc_p, tpr_p = n_above / (1 + n_draws)
    return AttackResult(
        auc=float(observed[0]),
        auc_interval=pairs[0],
        auc_p=float(auc_p),
        tpr=float(observed[1]),
        tpr_p=float(tpr_p),
        tpr_interval=pairs[1],
        members=len(members),
        strangers=len(strangers),
    )
