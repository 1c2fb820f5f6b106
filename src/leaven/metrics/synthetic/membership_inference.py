"""Could someone who has the new rows tell who was in the training data? (`metrics/synthetic/privacy_estimators.py`)"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from leaven.metrics.synthetic import privacy_estimators
from leaven.metrics.synthetic.distribution_distances import auc
from leaven.metrics.synthetic.protocol import Known, Points, Sample, Trait

_RARE = 0.25  # quantile of the members' rarest items below which a user counts as one with rare items


def suspicions(new: Sample, strangers: Sample, known: Known, rare: bool = False) -> tuple[Points, Points]:
    """(of the members, of the strangers), float64: log of how much likelier the new rows make them than others do.

    rare: only of the quarter of the members whose rarest item is the rarest, and of strangers with items as rare.
    """
    bound = np.quantile(known.members.facts["rarest"], _RARE) if rare else np.inf
    found = []
    for rows in (known.members, strangers):
        here = rows.facts["under_new"] if new is known.judged else likelihoods(new, rows)
        score = here - rows.facts["reference"]
        asked = np.isfinite(score)
        if rare:
            asked &= rows.facts["rarest"] <= bound
        found.append(score[asked])
    return found[0], found[1]


def likelihoods(of: Sample, rows: Sample) -> Points:
    """float64 (rows,): log of how likely rows are under a model of others, up to a constant; NaN where none is."""
    if of.rows is None:
        return privacy_estimators.log_density(of.points, rows.points)
    return -privacy_estimators.surprisals(of.histories, rows.histories)


@dataclass(frozen=True)
class AttackAuc:
    """How often a membership attack suspects a training row more than a stranger: 0.5 is chance."""

    trait: ClassVar[Trait] = Trait("private", "low", fewest=50, whole=True, bearable=0.05)

    def __call__(self, new: Sample, real: Sample, known: Known, key: int) -> float:
        """About 0.5 to 1; NaN where rows are too short to be told apart."""
        members, strangers = suspicions(new, real, known)
        return auc(members, strangers) if len(members) and len(strangers) else float("nan")

    def explain(self, new: Sample, real: Sample, known: Known, key: int) -> Mapping[str, Any]:
        """interval: at 95 %, members and strangers resampled; p: where nothing tells them apart."""
        found = privacy_estimators.attack(*suspicions(new, real, known), key)
        return _said(found, found.auc_interval, found.auc_p)


@dataclass(frozen=True)
class AttackTpr:
    """The share of training rows that a membership attack finds while it accuses 1 % of the strangers."""

    trait: ClassVar[Trait] = Trait("private", "low", fewest=100, whole=True, bearable=0.03)

    def __call__(self, new: Sample, real: Sample, known: Known, key: int) -> float:
        """About 0.01 to 1; NaN where rows are too short to be told apart."""
        members, strangers = suspicions(new, real, known)
        return privacy_estimators.tpr_at(members, strangers) if len(members) and len(strangers) else float("nan")

    def explain(self, new: Sample, real: Sample, known: Known, key: int) -> Mapping[str, Any]:
        """interval: at 95 %, members and strangers resampled; p: where nothing tells them apart."""
        found = privacy_estimators.attack(*suspicions(new, real, known), key)
        return _said(found, found.tpr_interval, found.tpr_p)


@dataclass(frozen=True)
class AttackStrict:
    """The share of training rows that a membership attack finds while it accuses 0.1 % of the strangers."""

    trait: ClassVar[Trait] = Trait("private", "low", fewest=1000, whole=True, bearable=0.01)
    fpr: float = 0.001

    def __call__(self, new: Sample, real: Sample, known: Known, key: int) -> float:
        """About 0.001 to 1; NaN where rows are too short to be told apart."""
        members, strangers = suspicions(new, real, known)
        return (
            privacy_estimators.tpr_at(members, strangers, self.fpr) if len(members) and len(strangers) else float("nan")
        )

    def explain(self, new: Sample, real: Sample, known: Known, key: int) -> Mapping[str, Any]:
        """interval: at 95 %, members and strangers resampled; p: where nothing tells them apart."""
        found = privacy_estimators.attack(*suspicions(new, real, known), key, fpr=self.fpr)
        return _said(found, found.tpr_interval, found.tpr_p)


@dataclass(frozen=True)
class AttackRare:
    """How often the attack suspects a training row more than a stranger, among users with rare items: the worst off."""

    trait: ClassVar[Trait] = Trait("private", "low", of=("histories",), fewest=100, whole=True, bearable=0.08)

    def __call__(self, new: Sample, real: Sample, known: Known, key: int) -> float:
        """About 0.5 to 1; NaN where fewer than 20 rows of either side have rare items."""
        members, strangers = suspicions(new, real, known, rare=True)
        return auc(members, strangers) if min(len(members), len(strangers)) >= 20 else float("nan")

    def explain(self, new: Sample, real: Sample, known: Known, key: int) -> Mapping[str, Any]:
        """The same as `AttackAuc`, and the share found while 1 % of such strangers are accused."""
        found = privacy_estimators.attack(*suspicions(new, real, known, rare=True), key)
        return {**_said(found, found.auc_interval, found.auc_p), "tpr": found.tpr, "tpr_interval": found.tpr_interval}


def _said(found: privacy_estimators.Attack, interval: tuple[float, float], p: float) -> Mapping[str, Any]:
    """What both say beside their figure; `own_p` must agree before anything is rejected."""
    return {"bootstrap_interval": interval, "own_p": p, "members": found.members, "strangers": found.strangers}
