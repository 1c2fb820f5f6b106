"""Metrics of the intrinsic noise of synthetic rows (INDD, defined in `metrics/synthetic/residual_models.py`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from leaven.metrics.synthetic.protocol import FeaturizedRows, MetricDetails, MetricTraits, Points, ReferenceData
from leaven.metrics.synthetic.residual_models import compute_indd


@dataclass(frozen=True)
class Indd:
    """The distance between the amounts of unpredictable noise in new and real rows (our definition of INDD)."""

    trait: ClassVar[MetricTraits] = MetricTraits("fidelity", "low", tolerance=0.15)

    def __call__(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> float:
        """0 or more, in real standard deviations."""
        return compute_indd(_measure_noise(new), _measure_noise(real)).distance

    def explain(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> MetricDetails:
        """Return shift: of the median, below 0 too smooth, above 0 too noisy."""
        shift = compute_indd(_measure_noise(new), _measure_noise(real)).shift
        return MetricDetails(shift=round(shift, 4), shift_direction="too smooth" if shift < 0 else "too noisy")


def _measure_noise(sample: FeaturizedRows) -> Points:
    """Return the norm of the residuals, or the mean surprisal, float64 (rows,)."""
    noise = sample.residuals
    return noise[:, 0] if noise.shape[1] == 1 else np.asarray(np.linalg.norm(noise, axis=1), np.float64)


@dataclass(frozen=True)
class InddShape:
    """The same per coordinate: sensitive to noise of the right amount and the wrong shape."""

    trait: ClassVar[MetricTraits] = MetricTraits("fidelity", "low", data_kinds=("table", "image"), tolerance=0.15)

    def __call__(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> float:
        """0 or more, in real standard deviations of each coordinate."""
        return compute_indd(new.residuals, real.residuals).distance
