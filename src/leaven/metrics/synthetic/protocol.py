"""Containers and the protocol of metrics of synthetic rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import Histories

Points = npt.NDArray[np.float64]
Group = Literal["fidelity", "diversity", "consistency", "memorization", "privacy"]


@dataclass(frozen=True, eq=False)
class FeaturizedRows:
    """A set of rows with everything that a metric reads.

    points    float64 (rows, width)     embeddings
    features  float64 (rows, features)  interpretable features
    residuals     float64 (rows, width)     residuals of the denoiser, or (rows, 1) mean surprisal per event
    row_statistics     name -> float64 (rows,)   statistics against training rows and catalog: nearest, cell, copied …
    rows      the histories; token histories of texts; None for tables and images
    """

    points: Points
    features: Points
    residuals: Points
    row_statistics: Mapping[str, Points]
    rows: Histories | None = None

    def __len__(self) -> int:
        return len(self.points)

    def take(self, index: npt.NDArray[np.int64]) -> FeaturizedRows:
        """These rows, int64, in that order."""
        facts = {name: values[index] for name, values in self.row_statistics.items()}
        rows = None if self.rows is None else self.rows.take(index)
        return replace(
            self,
            points=self.points[index],
            features=self.features[index],
            residuals=self.residuals[index],
            row_statistics=facts,
            rows=rows,
        )

    @property
    def histories(self) -> Histories:
        """The rows of a sample of histories."""
        assert self.rows is not None, "a metric of histories needs histories"
        return self.rows


@dataclass(frozen=True, eq=False)
class ReferenceData:
    """What is fitted before the comparison, from training rows and one fold of real rows with no other use.

    members        a sample of the training rows, for attacks
    fold           the fold: real rows outside the generator's data and outside the compared halves
    synthetic      the sample of new rows
    feature_names  names of the features
    item_groups    int64 (n_items + 2,): group of each item; popularity int64 (n_items + 1,): training events of each
                   item
    frechet_name   for images: the name of the Fréchet distance in this embedding
    """

    members: FeaturizedRows
    fold: FeaturizedRows
    synthetic: FeaturizedRows
    feature_names: Sequence[str]
    item_groups: npt.NDArray[np.int64]
    popularity: npt.NDArray[np.int64]
    frechet_name: str = ""


@dataclass(frozen=True)
class MetricTraits:
    """Declared properties of a metric.

    better              low, high, or real (close to the value of real rows)
    modalities          names of the supported modalities; none: all
    min_rows            minimum number of rows of each side
    is_one_sample       a figure of one set of rows: compared through its difference between two halves of real rows
    is_near_zero        a share of rows near 0 for real rows: none among n does not exclude 3 / n
    uses_all_rows       uses all new rows, not a half: an attacker has them all
    needs_clock         needs timestamps
    is_relative         whether `tolerance` is relative to the reference, or absolute
    tolerance           maximum distance from the reference of a yellow figure
    is_sanity_check     shown as a sanity check, without a verdict
    required_statistic  a required statistic of the rows, and the input that provides it
    """

    group: Group
    better: Literal["low", "high", "real"]
    modalities: tuple[str, ...] = ()
    min_rows: int = 20
    is_one_sample: bool = False
    is_near_zero: bool = False
    uses_all_rows: bool = False
    needs_clock: bool = False
    is_relative: bool = False
    tolerance: float = 0.1
    is_sanity_check: bool = False
    required_statistic: tuple[str, str] | None = None


@dataclass(frozen=True)
class MetricDetails:
    """Explanation of a figure over all rows; None or empty where a metric does not state it.

    value_of_all_rows       the figure of all rows instead of the mean over halves, as in published figures
    frechet_name            name of the Fréchet distance in this embedding: FID, or the encoder
    separating_features     features that separate new from real rows best, each with twice the distance of its AUC
                            from 0.5
    shift, shift_direction  shift of the median of the noise in standard deviations; "too smooth" or "too noisy"
    permutation_p           p of a permutation test of the metric, for information
    own_p                   p of a test by the metric itself; it rejects if both tests do
    bootstrap_interval      95 % interval that replaces the one over the splits
    members, strangers      rows of an attack: training rows, and rows that were not trained on
    tpr, tpr_interval       true positive rate of an attack at a false positive rate of 1 %, and its 95 % interval
    """

    value_of_all_rows: float | None = None
    frechet_name: str = ""
    separating_features: tuple[tuple[str, float], ...] = ()
    shift: float | None = None
    shift_direction: str = ""
    permutation_p: float | None = None
    own_p: float | None = None
    bootstrap_interval: tuple[float, float] | None = None
    members: int | None = None
    strangers: int | None = None
    tpr: float | None = None
    tpr_interval: tuple[float, float] | None = None


class SampleMetric(Protocol):
    """One number for new rows against as many real rows. The registered docstring is shown to users.

    Real rows in place of new ones are rejected at most 5 % of the time.
    """

    @property
    def trait(self) -> MetricTraits: ...

    def __call__(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> float:
        """Return the figure; NaN if it is undefined for these rows."""
        ...


@runtime_checkable
class ExplainableMetric(Protocol):
    """A metric with an explanation over all rows."""

    def explain(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> MetricDetails: ...


def compute_finite_mean(values: Points) -> float:
    """Return the mean of the finite values; NaN without any."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")
