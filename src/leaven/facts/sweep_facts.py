"""Facts of a sweep: effect and fidelity along the values of one field."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class SweepPoint:
    """One value of the field.

    value, x        the value as text, and its place on the axis
    synthetic_rows  number of rows that the variant adds; added: the same, as a multiple of the real rows
    mean, lift      the metric's mean, and its lift over the baseline
    verdict         "" for the baseline itself
    auc             how well a classifier separates synthetic from real rows; None where it was not measured
    """

    variant: str
    value: str
    x: float
    synthetic_rows: int
    added: float
    mean: float
    lift: Interval
    verdict: str = ""
    p_holm: float | None = None
    auc: Interval | None = None


@dataclass(frozen=True)
class SweepFacts:
    """A curve over the values of one field of a variant.

    variant, field     what was varied; axis: title of the axis
    best, harm         index of the best point; of the first one beyond it that is significantly worse
    effect_knee, fidelity_knee  indices of the knees of both curves
    training_auc       AUC of real training rows: the best that synthetic rows can reach
    sentences          what the curve shows
    """

    variant: str
    field: str
    metric: str
    axis: str
    points: tuple[SweepPoint, ...]
    best: int
    harm: int | None = None
    effect_knee: int | None = None
    fidelity_knee: int | None = None
    training_auc: Interval | None = None
    sentences: tuple[str, ...] = ()
