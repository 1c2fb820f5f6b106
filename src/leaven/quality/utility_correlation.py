"""Rank correlation of quality figures with the measured effect of the synthetic rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leaven.facts import JsonObject, from_json, to_json
from leaven.quality.quality_facts import Figure, QualityFacts

MIN_VARIANTS = 4
"""Minimum number of variants for an interval."""


@dataclass(frozen=True)
class FigureCorrelation:
    """Spearman's rank correlation of one figure with the lift, and its 95 % interval."""

    kind: str
    rho: float
    low: float
    high: float


@dataclass(frozen=True)
class UtilityCorrelation:
    """Correlation of each figure with the lift over `n_variants` variants, strongest first; none for fewer than
    `min_variants`.
    """

    n_variants: int
    min_variants: int = MIN_VARIANTS
    figures: tuple[FigureCorrelation, ...] = ()

    def to_json(self) -> JsonObject:
        """Return a JSON object."""
        whole: JsonObject = to_json(self)
        return whole

    @classmethod
    def from_json(cls, data: JsonObject) -> UtilityCorrelation:
        """Return the correlation of a JSON object that `to_json` returned."""
        return from_json(cls, data, "the correlation of quality and effect")


def correlate_with_effects(qualities: Mapping[str, QualityFacts], lifts: Mapping[str, float]) -> UtilityCorrelation:
    """Return the rank correlation of each figure with the effect, over the variants with both; strongest first.

    A figure is better if it is lower, higher, or nearer to that of real rows, as its metric declares: a correlation of
    1 means that a better figure always comes with a larger lift.
    """
    variants = [name for name, quality in qualities.items() if name in lifts and quality.figures]
    if len(variants) < MIN_VARIANTS:
        return UtilityCorrelation(len(variants))
    effect = np.array([lifts[name] for name in variants])
    correlations = []
    for kind in dict.fromkeys(figure.kind for name in variants for figure in qualities[name].figures):
        scores = [
            score_figure(figure) for name in variants for figure in qualities[name].figures if figure.kind == kind
        ]
        if len(scores) < len(variants) or len(set(scores)) < 2:
            continue
        rho = spearman_correlation(np.array(scores), effect)
        low, high = compute_correlation_interval(rho, len(variants))
        correlations.append(FigureCorrelation(kind, round(rho, 4), round(low, 4), round(high, 4)))
    correlations.sort(key=lambda one: -abs(one.rho))
    return UtilityCorrelation(len(variants), figures=tuple(correlations))


def score_figure(figure: Figure) -> float:
    """Return a score of a figure; higher is better."""
    if figure.better == "real":
        return -abs(figure.value - figure.reference)
    return figure.value if figure.better == "high" else -figure.value


def spearman_correlation(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> float:
    """Return Spearman's rank correlation, ties at their middle rank; 0 if one side is constant.

    Own code: SciPy's `spearmanr` returns NaN with a warning for a constant side.
    """
    from scipy.stats import rankdata

    first, second = rankdata(a), rankdata(b)
    if first.std() == 0 or second.std() == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def compute_correlation_interval(rho: float, n: int) -> tuple[float, float]:
    """Return the 95 % interval by Fisher's z with variance (1 + rho^2 / 2) / (n - 3).

    Bonett and Wright, Psychometrika 65, 2000. A correlation of 1 has no z and is replaced by half a step of ranks
    below.

    >>> tuple(round(end, 2) for end in compute_correlation_interval(0.5, 20))
    (0.05, 0.78)
    """
    limit = 1 - 6 / (n * (n * n - 1))
    z = np.arctanh(np.clip(rho, -limit, limit))
    margin = 1.96 * np.sqrt((1 + rho * rho / 2) / (n - 3))
    return float(np.tanh(z - margin)), float(np.tanh(z + margin))
