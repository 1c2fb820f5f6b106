"""The intrinsic noise distribution distance (INDD) and its linear denoiser.

"Intrinsic Noise Distribution Distance" is used by practitioners and defined nowhere in the literature; this is our
definition. Every row is structure plus noise. A denoiser (numbers) or a likelihood model (histories) is fitted to one
fold of real rows; its residuals or surprisals on *other* real rows and on new rows are compared:

    INDD = mean over coordinates of W1(F_new, F_real) / sd(real),

together with its signed part, the shift of the median in the same unit: below 0 the new rows are too smooth, above 0
too noisy. INDD detects neither copying nor missing modes: read it with coverage, a copying test and a membership
attack.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from leaven.errors import DataError
from leaven.metrics.synthetic.distribution_distances import wasserstein_distance
from leaven.metrics.synthetic.protocol import FeaturizedRows, MetricDetails, MetricTraits, Points, ReferenceData


@dataclass(frozen=True, eq=False)
class LinearDenoiser:
    """Projection on the directions with structure. mean (width,), directions (width, kept), scale (width,)."""

    mean: Points
    directions: Points
    scale: Points

    @classmethod
    def fit(cls, rows: Points, directions: int | None = None) -> LinearDenoiser:
        """Return a denoiser fitted on one real fold; `directions` None: chosen from the data.

        A direction is structure if its variance exceeds what independent columns reach by chance (Marchenko and Pastur,
        1967); at least one direction is left for the noise. Raises DataError for fewer than 10 rows.
        """
        if len(rows) < 10:
            raise DataError("indd", "at least 10 rows to fit the denoiser", str(len(rows)), "give more rows")
        mean = rows.mean(axis=0)
        spread = rows.std(axis=0)
        unit = (rows - mean) / np.where(spread > 0, spread, 1.0)
        values, vectors = np.linalg.eigh(unit.T @ unit / len(unit))
        bound = (1 + np.sqrt(rows.shape[1] / len(rows))) ** 2
        n_kept = int((values > bound).sum()) if directions is None else directions
        n_kept = min(n_kept, rows.shape[1] - 1)
        return cls(mean, vectors[:, len(values) - n_kept :], np.where(spread > 0, spread, 1.0))

    def residuals(self, rows: Points) -> Points:
        """Return what the projection leaves of each standardized coordinate, float64 (rows, width)."""
        unit = (rows - self.mean) / self.scale
        return np.asarray(unit - (unit @ self.directions) @ self.directions.T, np.float64)


@dataclass(frozen=True)
class InddResult:
    """distance: W1 over the real standard deviation, mean over coordinates; shift: of the median, same unit, signed."""

    distance: float
    shift: float


def compute_indd(new: Points, real: Points) -> InddResult:
    """Return INDD of noise statistics, float64 (rows,) or (rows, coordinates); constant coordinates are left out.

    Pass the norm of the residuals for the amount of noise, the residuals for its shape per coordinate, surprisals for
    histories.

    >>> compute_indd(np.array([2.0, 4.0]), np.array([1.0, 3.0]))
    InddResult(distance=1.0, shift=1.0)
    """
    new, real = new.reshape(len(new), -1), real.reshape(len(real), -1)
    by_coordinate = []
    for values, real_values in zip(new.T, real.T, strict=True):
        values, real_values = values[np.isfinite(values)], real_values[np.isfinite(real_values)]
        unit = float(real_values.std()) if len(real_values) else 0.0
        if unit > 0 and len(values):
            by_coordinate.append(
                (wasserstein_distance(values, real_values) / unit, (np.median(values) - np.median(real_values)) / unit)
            )
    if not by_coordinate:
        return InddResult(float("nan"), float("nan"))
    distance, shift = np.mean(by_coordinate, axis=0)
    return InddResult(float(distance), float(shift))


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

    trait: ClassVar[MetricTraits] = MetricTraits("fidelity", "low", modalities=("tabular", "image"), tolerance=0.15)

    def __call__(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> float:
        """0 or more, in real standard deviations of each coordinate."""
        return compute_indd(new.residuals, real.residuals).distance
