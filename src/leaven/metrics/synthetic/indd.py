"""Is there as much chance in the new rows as in real ones? (INDD: `metrics/synthetic/residual_models.py` defines it)"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from leaven.metrics.synthetic.protocol import Known, Points, Sample, Trait
from leaven.metrics.synthetic.residual_models import indd


@dataclass(frozen=True)
class Indd:
    """How far the amount of what no model can predict lies from that of real rows (our definition of INDD)."""

    trait: ClassVar[Trait] = Trait("alike", "low", bearable=0.15)

    def __call__(self, new: Sample, real: Sample, known: Known, key: int) -> float:
        """0 or more, in real standard deviations."""
        return indd(_amount(new), _amount(real)).distance

    def explain(self, new: Sample, real: Sample, known: Known, key: int) -> Mapping[str, Any]:
        """shift: of the median, below 0 too smooth, above 0 too noisy."""
        shift = indd(_amount(new), _amount(real)).shift
        return {"shift": round(shift, 4), "means": "too smooth" if shift < 0 else "too noisy"}


def _amount(sample: Sample) -> Points:
    """float64 (rows,): the norm of the residuals, or the mean surprisal."""
    noise = sample.noise
    return noise[:, 0] if noise.shape[1] == 1 else np.asarray(np.linalg.norm(noise, axis=1), np.float64)


@dataclass(frozen=True)
class InddShape:
    """The same, coordinate by coordinate: also noise of the right amount and the wrong shape is seen."""

    trait: ClassVar[Trait] = Trait("alike", "low", of=("table", "image"), bearable=0.15)

    def __call__(self, new: Sample, real: Sample, known: Known, key: int) -> float:
        """0 or more, in real standard deviations of each coordinate."""
        return indd(new.noise, real.noise).distance
