"""Could someone who has the new rows tell who was in the training data? (`metrics/privacy.py`)"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from leaven.metrics import privacy
from leaven.metrics.fidelity import auc
from leaven.metrics.samples.sample import Known, Points, Sample, Trait


def suspicions(new: Sample, strangers: Sample, known: Known) -> tuple[Points, Points]:
    """(of the members, of the strangers), float64: log of how much likelier the new rows make them than others do."""
    found = []
    for rows in (known.members, strangers):
        here = rows.facts["under_new"] if new is known.judged else likelihoods(new, rows)
        score = here - rows.facts["reference"]
        found.append(score[np.isfinite(score)])
    return found[0], found[1]


def likelihoods(of: Sample, rows: Sample) -> Points:
    """float64 (rows,): log of how likely rows are under a model of others, up to a constant; NaN where none is."""
    if of.rows is None:
        return privacy.log_density(of.points, rows.points)
    return -privacy.surprisals(of.histories, rows.histories)


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
        found = privacy.attack(*suspicions(new, real, known), key)
        return _said(found, found.auc_interval, found.auc_p)


@dataclass(frozen=True)
class AttackTpr:
    """The share of training rows that a membership attack finds while it accuses 1 % of the strangers."""

    trait: ClassVar[Trait] = Trait("private", "low", fewest=100, whole=True, bearable=0.03)

    def __call__(self, new: Sample, real: Sample, known: Known, key: int) -> float:
        """About 0.01 to 1; NaN where rows are too short to be told apart."""
        members, strangers = suspicions(new, real, known)
        return privacy.tpr_at(members, strangers) if len(members) and len(strangers) else float("nan")

    def explain(self, new: Sample, real: Sample, known: Known, key: int) -> Mapping[str, Any]:
        """interval: at 95 %, members and strangers resampled; p: where nothing tells them apart."""
        found = privacy.attack(*suspicions(new, real, known), key)
        return _said(found, found.tpr_interval, found.tpr_p)


def _said(found: privacy.Attack, interval: tuple[float, float], p: float) -> Mapping[str, Any]:
    """What both say beside their figure; `own_p` must agree before anything is rejected."""
    return {"bootstrap_interval": interval, "own_p": p, "members": found.members, "strangers": found.strangers}
