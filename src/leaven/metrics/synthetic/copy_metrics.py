"""Memorization metrics that compare distances to training rows with those of unseen real rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from leaven.metrics.synthetic import memorization
from leaven.metrics.synthetic.protocol import FeaturizedRows, MetricTraits, ReferenceData


@dataclass(frozen=True)
class DataCopying:
    """Distances to training rows against those of unseen real rows: far below 0 is copying, far above too far."""

    trait: ClassVar[MetricTraits] = MetricTraits("memorization", "real", tolerance=4.0)

    def __call__(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> float:
        """Return C_T: about -1 to 1 for real rows, at any n."""
        cell_new, cell_real = (sample.row_statistics["cell"].astype(int) for sample in (new, real))
        return memorization.compute_data_copying(
            new.row_statistics["nearest"], real.row_statistics["nearest"], cell_new, cell_real
        )


@dataclass(frozen=True)
class ClosestRecord:
    """Distance to the nearest training row against that of real rows: a sanity check only, not evidence of privacy."""

    trait: ClassVar[MetricTraits] = MetricTraits("privacy", "real", is_sanity_check=True, tolerance=0.1)

    def __call__(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> float:
        """Return the probability that a new row is farther from the training rows than an unseen real row; 0.5 for
        equal.
        """
        from leaven.metrics.synthetic.distribution_distances import rank_auc

        return rank_auc(new.row_statistics["nearest"], real.row_statistics["nearest"])
