"""Rank correlation of quality figures with the measured effect of the synthetic rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

MIN_VARIANTS = 4
"""Minimum number of variants for an interval."""


def correlate_with_effects(judgements: Mapping[str, Mapping[str, Any]], lifts: Mapping[str, float]) -> dict[str, Any]:
    """Return the rank correlation of each figure with the effect, over the variants with both; best first.

    A figure is better if it is lower, higher, or nearer to that of real rows, as its metric declares: a correlation of
    1 means that a better figure always comes with a larger lift. rho, low, high: Spearman's rank correlation and its 95
    % interval.
    """
    variants = [variant for variant in judgements if variant in lifts and judgements[variant].get("figures")]
    if len(variants) < MIN_VARIANTS:
        return {"arms": len(variants), "fewest": MIN_VARIANTS, "figures": []}
    effect = np.array([lifts[variant] for variant in variants])
    kinds = dict.fromkeys(one["kind"] for variant in variants for one in judgements[variant]["figures"])
    found = []
    for kind in kinds:
        by_variant = [
            next((one for one in judgements[variant]["figures"] if one["kind"] == kind), None) for variant in variants
        ]
        scores = [score_goodness(one) for one in by_variant if one is not None]
        if len(scores) < len(variants) or len(set(scores)) < 2:
            continue
        rho = spearman_correlation(np.array(scores), effect)
        low, high = compute_correlation_interval(rho, len(variants))
        found.append({"kind": kind, "rho": round(rho, 4), "low": round(low, 4), "high": round(high, 4)})
    found.sort(key=lambda one: -abs(one["rho"]))
    return {"arms": len(variants), "fewest": MIN_VARIANTS, "figures": found}


def score_goodness(figure: Mapping[str, Any]) -> float:
    """Return a score of a figure; higher is better."""
    value = float(figure["value"])
    if figure["better"] == "real":
        return -abs(value - float(figure["reference"]))
    return value if figure["better"] == "high" else -value


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
