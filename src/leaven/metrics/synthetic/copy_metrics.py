"""Are new rows training rows over again? Every figure is that of real rows that no generator saw, or it is copying."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from leaven.metrics.synthetic import memorization
from leaven.metrics.synthetic.protocol import Known, Sample, Trait


@dataclass(frozen=True)
class DataCopying:
    """Whether rows lie nearer to training rows than unseen real ones do: far below 0 is copying, far above too far."""

    trait: ClassVar[Trait] = Trait("not copied", "real", bearable=4.0)

    def __call__(self, new: Sample, real: Sample, known: Known, key: int) -> float:
        """About -1 to 1 for real rows, at any n (C_T)."""
        cells = [sample.facts["cell"].astype(int) for sample in (new, real)]
        return memorization.data_copying(new.facts["nearest"], real.facts["nearest"], *cells)


@dataclass(frozen=True)
class ClosestRecord:
    """How far the nearest training row is, over the same for real rows: a sanity check only, no sign of privacy."""

    trait: ClassVar[Trait] = Trait("private", "real", sanity=True, bearable=0.1)

    def __call__(self, new: Sample, real: Sample, known: Known, key: int) -> float:
        """Share of new rows farther from the training rows than an unseen real row: 0.5 where they are alike."""
        from leaven.metrics.synthetic.distribution_distances import auc

        return auc(new.facts["nearest"], real.facts["nearest"])
