"""Membership inference attacks on synthetic rows: metrics and estimators.

The attack of DOMIAS (van Breugel and others, AISTATS 2023, equation 3): a row scores high if it is more likely under a
model of the new rows than under one of other real rows. For histories both models are Markov chains; for points the
density is that of the k nearest neighbors.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.metrics.synthetic.distribution_distances import rank_auc
from leaven.metrics.synthetic.protocol import FeaturizedRows, MetricDetails, MetricTraits, Points, ReferenceData

_RARE_QUANTILE = 0.25  # quantile of the members' rarest items that defines users with rare items


def compute_membership_scores(
    new: FeaturizedRows, strangers: FeaturizedRows, known: ReferenceData, rare: bool = False
) -> tuple[Points, Points]:
    """Return (of the members, of the strangers), float64: log likelihood ratio of a row under the new and under other
    rows.

    rare: only the quarter of the members with the rarest items, and strangers with items as rare.
    """
    max_count = np.quantile(known.members.row_statistics["rarest"], _RARE_QUANTILE) if rare else np.inf
    scores = []
    for rows in (known.members, strangers):
        under_new = rows.row_statistics["under_new"] if new is known.synthetic else compute_log_likelihoods(new, rows)
        score = under_new - rows.row_statistics["reference"]
        is_used = np.isfinite(score)
        if rare:
            is_used &= rows.row_statistics["rarest"] <= max_count
        scores.append(score[is_used])
    return scores[0], scores[1]


def compute_log_likelihoods(model_rows: FeaturizedRows, rows: FeaturizedRows) -> Points:
    """Return the log likelihood of rows under a model of others, up to a constant, float64 (rows,)."""
    if model_rows.rows is None:
        return estimate_log_density(model_rows.points, rows.points)
    return -compute_surprisals(model_rows.histories, rows.histories)


@dataclass(frozen=True)
class AttackAuc:
    """How often a membership attack scores a training row above an unseen row: 0.5 is chance."""

    trait: ClassVar[MetricTraits] = MetricTraits("privacy", "low", min_rows=50, uses_all_rows=True, tolerance=0.05)

    def __call__(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> float:
        """About 0.5 to 1; NaN if rows are too short."""
        members, strangers = compute_membership_scores(new, real, known)
        return rank_auc(members, strangers) if len(members) and len(strangers) else float("nan")

    def explain(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> MetricDetails:
        """Return bootstrap_interval: at 95 %, members and strangers resampled; own_p: permutation p."""
        members, strangers = compute_membership_scores(new, real, known)
        found = evaluate_attack(members, strangers, key)
        return _describe_attack(found, found.auc_interval, found.auc_p)


@dataclass(frozen=True)
class AttackTpr:
    """The share of training rows that a membership attack identifies at a false positive rate of 1 %."""

    trait: ClassVar[MetricTraits] = MetricTraits("privacy", "low", min_rows=100, uses_all_rows=True, tolerance=0.03)

    def __call__(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> float:
        """About 0.01 to 1; NaN if rows are too short."""
        members, strangers = compute_membership_scores(new, real, known)
        return tpr_at_fpr(members, strangers) if len(members) and len(strangers) else float("nan")

    def explain(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> MetricDetails:
        """Return bootstrap_interval: at 95 %, members and strangers resampled; own_p: permutation p."""
        members, strangers = compute_membership_scores(new, real, known)
        found = evaluate_attack(members, strangers, key)
        return _describe_attack(found, found.tpr_interval, found.tpr_p)


@dataclass(frozen=True)
class AttackStrict:
    """The share of training rows that a membership attack identifies at a false positive rate of 0.1 %."""

    trait: ClassVar[MetricTraits] = MetricTraits("privacy", "low", min_rows=1000, uses_all_rows=True, tolerance=0.01)
    fpr: float = 0.001

    def __call__(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> float:
        """About 0.001 to 1; NaN if rows are too short."""
        members, strangers = compute_membership_scores(new, real, known)
        return tpr_at_fpr(members, strangers, self.fpr) if len(members) and len(strangers) else float("nan")

    def explain(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> MetricDetails:
        """Return bootstrap_interval: at 95 %, members and strangers resampled; own_p: permutation p."""
        members, strangers = compute_membership_scores(new, real, known)
        found = evaluate_attack(members, strangers, key, fpr=self.fpr)
        return _describe_attack(found, found.tpr_interval, found.tpr_p)


@dataclass(frozen=True)
class AttackRare:
    """How often the attack scores a training row above an unseen row, among users with rare items, the most exposed."""

    trait: ClassVar[MetricTraits] = MetricTraits(
        "privacy", "low", modalities=("sequence",), min_rows=100, uses_all_rows=True, tolerance=0.08
    )

    def __call__(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> float:
        """About 0.5 to 1; NaN for fewer than 20 rows with rare items on either side."""
        members, strangers = compute_membership_scores(new, real, known, rare=True)
        return rank_auc(members, strangers) if min(len(members), len(strangers)) >= 20 else float("nan")

    def explain(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> MetricDetails:
        """Return the same as `AttackAuc`, and the true positive rate at a false positive rate of 1 %."""
        members, strangers = compute_membership_scores(new, real, known, rare=True)
        found = evaluate_attack(members, strangers, key)
        details = _describe_attack(found, found.auc_interval, found.auc_p)
        return replace(details, tpr=found.tpr, tpr_interval=found.tpr_interval)


def _describe_attack(found: AttackResult, interval: tuple[float, float], p: float) -> MetricDetails:
    """Return the common part of the explanations; `own_p` must agree before anything is rejected."""
    return MetricDetails(bootstrap_interval=interval, own_p=p, members=found.members, strangers=found.strangers)


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
