"""Could someone who sees the new rows tell who was in the training data?

The attack of DOMIAS (van Breugel and others, AISTATS 2023, equation 3): a row is suspected where it is likelier under
a model of the new rows than under one of other real rows. For histories both models are Markov chains; for points the
density is that of the k nearest neighbours.
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
    """auc: chance that a member is suspected more than a stranger. tpr: share of the members found while a given share
    of the strangers is accused. Intervals at 95 %: both sides resampled. p: chance of as much where nothing tells
    members from strangers, their labels dealt anew."""

    auc: float
    auc_interval: tuple[float, float]
    auc_p: float
    tpr: float
    tpr_p: float
    tpr_interval: tuple[float, float]
    members: int
    strangers: int


def surprisals(of: Histories, rows: Histories, order: int = 2) -> Scores:
    """float64 (rows,): surprisal, in nats, of each row's events after the first under a Markov chain of other rows.

    NaN for rows of one event. of: the rows that the chain learns from, over the same catalogue.
    """
    from leaven.kernels.markov import learned, log_likelihoods
    from leaven.kernels.time_popularity import fashion_of

    fashion = fashion_of(of.items, of.times, of.n_items)
    chain = learned(of.items, of.times, of.starts, fashion, of.n_items, order)
    found = -log_likelihoods(chain, fashion, rows.items, rows.times, rows.starts)
    return np.where(rows.lengths >= 2, found, np.nan)


def log_density(of: Scores, rows: Scores, neighbours: int = 5) -> Scores:
    """float64 (rows,): minus width times the log of the distance to the k-th nearest point, up to a constant."""
    from scipy.spatial import cKDTree

    k = min(neighbours, len(of))
    distance = np.asarray(cKDTree(of).query(rows, k=[k])[0], np.float64)[:, 0]
    return np.asarray(-of.shape[1] * np.log(np.maximum(distance, 1e-9)), np.float64)


def tpr_at(members: Scores, strangers: Scores, fpr: float = 0.01) -> float:
    """Share of the members above the score that at most `fpr` of the strangers exceed."""
    allowed = int(fpr * len(strangers))
    bar = np.sort(strangers)[::-1][allowed]
    return float((members > bar).mean())


def attack(members: Scores, strangers: Scores, key: int, draws: int = 200, fpr: float = 0.01) -> Attack:
    """What an attacker reaches with these suspicions, with bootstrap intervals; `fpr`: accused strangers."""
    chance = rng.generator(rng.key(key, "attack"))
    found = np.empty((draws, 2))
    for place in range(draws):
        mine = members[chance.integers(0, len(members), len(members))]
        others = strangers[chance.integers(0, len(strangers), len(strangers))]
        found[place] = auc(mine, others), tpr_at(mine, others, fpr)
    low, high = np.quantile(found, (0.025, 0.975), axis=0)
    pairs = [(float(a), float(b)) for a, b in zip(low, high, strict=True)]
    seen = np.array([auc(members, strangers), tpr_at(members, strangers, fpr)])
    both, above = np.concatenate([members, strangers]), np.ones(2)
    for _ in range(draws):
        dealt = both[chance.permutation(len(both))]
        mine, others = dealt[: len(members)], dealt[len(members) :]
        above += np.array([auc(mine, others), tpr_at(mine, others, fpr)]) >= seen
    (auc_p, tpr_p), counts = above / (1 + draws), (len(members), len(strangers))
    ranked = (float(seen[0]), pairs[0], float(auc_p))
    return Attack(*ranked, float(seen[1]), float(tpr_p), pairs[1], *counts)
