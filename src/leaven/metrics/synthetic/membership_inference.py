"""Metrics of membership inference attacks on synthetic rows (estimators: `metrics/synthetic/privacy_estimators.py`)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from leaven.metrics.synthetic import privacy_estimators
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
        return privacy_estimators.estimate_log_density(model_rows.points, rows.points)
    return -privacy_estimators.compute_surprisals(model_rows.histories, rows.histories)


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
        found = privacy_estimators.evaluate_attack(members, strangers, key)
        return _describe_attack(found, found.auc_interval, found.auc_p)


@dataclass(frozen=True)
class AttackTpr:
    """The share of training rows that a membership attack identifies at a false positive rate of 1 %."""

    trait: ClassVar[MetricTraits] = MetricTraits("privacy", "low", min_rows=100, uses_all_rows=True, tolerance=0.03)

    def __call__(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> float:
        """About 0.01 to 1; NaN if rows are too short."""
        members, strangers = compute_membership_scores(new, real, known)
        return privacy_estimators.tpr_at_fpr(members, strangers) if len(members) and len(strangers) else float("nan")

    def explain(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> MetricDetails:
        """Return bootstrap_interval: at 95 %, members and strangers resampled; own_p: permutation p."""
        members, strangers = compute_membership_scores(new, real, known)
        found = privacy_estimators.evaluate_attack(members, strangers, key)
        return _describe_attack(found, found.tpr_interval, found.tpr_p)


@dataclass(frozen=True)
class AttackStrict:
    """The share of training rows that a membership attack identifies at a false positive rate of 0.1 %."""

    trait: ClassVar[MetricTraits] = MetricTraits("privacy", "low", min_rows=1000, uses_all_rows=True, tolerance=0.01)
    fpr: float = 0.001

    def __call__(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> float:
        """About 0.001 to 1; NaN if rows are too short."""
        members, strangers = compute_membership_scores(new, real, known)
        return (
            privacy_estimators.tpr_at_fpr(members, strangers, self.fpr)
            if len(members) and len(strangers)
            else float("nan")
        )

    def explain(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> MetricDetails:
        """Return bootstrap_interval: at 95 %, members and strangers resampled; own_p: permutation p."""
        members, strangers = compute_membership_scores(new, real, known)
        found = privacy_estimators.evaluate_attack(members, strangers, key, fpr=self.fpr)
        return _describe_attack(found, found.tpr_interval, found.tpr_p)


@dataclass(frozen=True)
class AttackRare:
    """How often the attack scores a training row above an unseen row, among users with rare items, the most exposed."""

    trait: ClassVar[MetricTraits] = MetricTraits(
        "privacy", "low", data_kinds=("histories",), min_rows=100, uses_all_rows=True, tolerance=0.08
    )

    def __call__(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> float:
        """About 0.5 to 1; NaN for fewer than 20 rows with rare items on either side."""
        members, strangers = compute_membership_scores(new, real, known, rare=True)
        return rank_auc(members, strangers) if min(len(members), len(strangers)) >= 20 else float("nan")

    def explain(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> MetricDetails:
        """Return the same as `AttackAuc`, and the true positive rate at a false positive rate of 1 %."""
        members, strangers = compute_membership_scores(new, real, known, rare=True)
        found = privacy_estimators.evaluate_attack(members, strangers, key)
        details = _describe_attack(found, found.auc_interval, found.auc_p)
        return replace(details, tpr=found.tpr, tpr_interval=found.tpr_interval)


def _describe_attack(found: privacy_estimators.AttackResult, interval: tuple[float, float], p: float) -> MetricDetails:
    """Return the common part of the explanations; `own_p` must agree before anything is rejected."""
    return MetricDetails(bootstrap_interval=interval, own_p=p, members=found.members, strangers=found.strangers)
