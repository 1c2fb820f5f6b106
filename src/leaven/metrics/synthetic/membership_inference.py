"""Metrics of membership inference attacks on synthetic rows (estimators: `metrics/synthetic/privacy_estimators.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from leaven.metrics.synthetic import privacy_estimators
from leaven.metrics.synthetic.distribution_distances import auc
from leaven.metrics.synthetic.protocol import Known, Points, Sample, Trait

_RARE_QUANTILE = 0.25  # quantile of the members' rarest items that defines users with rare items


def compute_membership_scores(
    new: Sample, strangers: Sample, known: Known, rare: bool = False
) -> tuple[Points, Points]:
    """Return (of the members, of the strangers), float64: log likelihood ratio of a row under the new and under other
    rows.

    rare: only the quarter of the members with the rarest items, and strangers with items as rare.
    """
    max_count = np.quantile(known.members.facts["rarest"], _RARE_QUANTILE) if rare else np.inf
    scores = []
    for rows in (known.members, strangers):
        under_new = rows.facts["under_new"] if new is known.judged else likelihoods(new, rows)
        score = under_new - rows.facts["reference"]
        is_used = np.isfinite(score)
        if rare:
            is_used &= rows.facts["rarest"] <= max_count
        scores.append(score[is_used])
    return scores[0], scores[1]


def likelihoods(of: Sample, rows: Sample) -> Points:
    """Return the log likelihood of rows under a model of others, up to a constant, float64 (rows,)."""
    if of.rows is None:
        return privacy_estimators.log_density(of.points, rows.points)
    return -privacy_estimators.surprisals(of.histories, rows.histories)


@dataclass(frozen=True)
class AttackAuc:
    """How often a membership attack scores a training row above an unseen row: 0.5 is chance."""

    trait: ClassVar[Trait] = Trait("private", "low", fewest=50, whole=True, bearable=0.05)

    def __call__(self, new: Sample, real: Sample, known: Known, key: int) -> float:
        """About 0.5 to 1; NaN if rows are too short."""
        members, strangers = compute_membership_scores(new, real, known)
        return auc(members, strangers) if len(members) and len(strangers) else float("nan")

    def explain(self, new: Sample, real: Sample, known: Known, key: int) -> Mapping[str, Any]:
        """Return bootstrap_interval: at 95 %, members and strangers resampled; own_p: permutation p."""
        members, strangers = compute_membership_scores(new, real, known)
        found = privacy_estimators.attack(members, strangers, key)
        return _describe_attack(found, found.auc_interval, found.auc_p)


@dataclass(frozen=True)
class AttackTpr:
    """The share of training rows that a membership attack identifies at a false positive rate of 1 %."""

    trait: ClassVar[Trait] = Trait("private", "low", fewest=100, whole=True, bearable=0.03)

    def __call__(self, new: Sample, real: Sample, known: Known, key: int) -> float:
        """About 0.01 to 1; NaN if rows are too short."""
        members, strangers = compute_membership_scores(new, real, known)
        return privacy_estimators.tpr_at(members, strangers) if len(members) and len(strangers) else float("nan")

    def explain(self, new: Sample, real: Sample, known: Known, key: int) -> Mapping[str, Any]:
        """Return bootstrap_interval: at 95 %, members and strangers resampled; own_p: permutation p."""
        members, strangers = compute_membership_scores(new, real, known)
        found = privacy_estimators.attack(members, strangers, key)
        return _describe_attack(found, found.tpr_interval, found.tpr_p)


@dataclass(frozen=True)
class AttackStrict:
    """The share of training rows that a membership attack identifies at a false positive rate of 0.1 %."""

    trait: ClassVar[Trait] = Trait("private", "low", fewest=1000, whole=True, bearable=0.01)
    fpr: float = 0.001

    def __call__(self, new: Sample, real: Sample, known: Known, key: int) -> float:
        """About 0.001 to 1; NaN if rows are too short."""
        members, strangers = compute_membership_scores(new, real, known)
        return (
            privacy_estimators.tpr_at(members, strangers, self.fpr) if len(members) and len(strangers) else float("nan")
        )

    def explain(self, new: Sample, real: Sample, known: Known, key: int) -> Mapping[str, Any]:
        """Return bootstrap_interval: at 95 %, members and strangers resampled; own_p: permutation p."""
        members, strangers = compute_membership_scores(new, real, known)
        found = privacy_estimators.attack(members, strangers, key, fpr=self.fpr)
        return _describe_attack(found, found.tpr_interval, found.tpr_p)


@dataclass(frozen=True)
class AttackRare:
    """How often the attack scores a training row above an unseen row, among users with rare items, the most exposed."""

    trait: ClassVar[Trait] = Trait("private", "low", of=("histories",), fewest=100, whole=True, bearable=0.08)

    def __call__(self, new: Sample, real: Sample, known: Known, key: int) -> float:
        """About 0.5 to 1; NaN for fewer than 20 rows with rare items on either side."""
        members, strangers = compute_membership_scores(new, real, known, rare=True)
        return auc(members, strangers) if min(len(members), len(strangers)) >= 20 else float("nan")

    def explain(self, new: Sample, real: Sample, known: Known, key: int) -> Mapping[str, Any]:
        """Return the same as `AttackAuc`, and the true positive rate at a false positive rate of 1 %."""
        members, strangers = compute_membership_scores(new, real, known, rare=True)
        found = privacy_estimators.attack(members, strangers, key)
        return {
            **_describe_attack(found, found.auc_interval, found.auc_p),
            "tpr": found.tpr,
            "tpr_interval": found.tpr_interval,
        }


def _describe_attack(found: privacy_estimators.Attack, interval: tuple[float, float], p: float) -> Mapping[str, Any]:
    """Return the common part of the explanations; `own_p` must agree before anything is rejected."""
    return {"bootstrap_interval": interval, "own_p": p, "members": found.members, "strangers": found.strangers}
