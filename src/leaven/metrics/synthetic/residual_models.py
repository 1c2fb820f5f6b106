"""Is what no model can predict as large, and of the same shape, in the new rows as in the real ones? (INDD)

"Intrinsic Noise Distribution Distance" is named by practitioners and defined nowhere in the literature; this is our
definition. Every row is structure and noise. A denoiser (numbers) or a model of likelihood (histories) is fitted to
one fold of real rows; what it leaves of *other* real rows and of new rows, residuals or surprisals, is compared:

    INDD = mean over coordinates of W1(F_new, F_real) / sd(real),

beside its signed part, the shift of the median in the same unit: below 0 the new rows are too smooth, above 0 too
noisy. It sees neither copying nor missing modes: read it beside coverage, a copying test and a membership attack.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leaven.errors import DataError
from leaven.metrics.synthetic.distribution_distances import wasserstein

Points = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Denoiser:
    """Projection on the few directions that hold structure. mean (width,), directions (width, kept), scale (width,)."""

    mean: Points
    directions: Points
    scale: Points

    @classmethod
    def fit(cls, rows: Points, directions: int | None = None) -> Denoiser:
        """Learned from one real fold; how many directions follows from the data where not said.

        A direction is structure where its variance exceeds what independent columns reach by chance (Marchenko and
        Pastur, 1967); one direction at least is left for the noise.
        Raises DataError for fewer than 10 rows.
        """
        if len(rows) < 10:
            raise DataError("indd", "at least 10 rows to learn what is structure", str(len(rows)), "give it more")
        mean = rows.mean(axis=0)
        spread = rows.std(axis=0)
        unit = (rows - mean) / np.where(spread > 0, spread, 1.0)
        values, vectors = np.linalg.eigh(unit.T @ unit / len(unit))
        bound = (1 + np.sqrt(rows.shape[1] / len(rows))) ** 2
        kept = int((values > bound).sum()) if directions is None else directions
        kept = min(kept, rows.shape[1] - 1)
        return cls(mean, vectors[:, len(values) - kept :], np.where(spread > 0, spread, 1.0))

    def residuals(self, rows: Points) -> Points:
        """float64 (rows, width): what is left of each coordinate when its structure is taken away."""
        unit = (rows - self.mean) / self.scale
        return np.asarray(unit - (unit @ self.directions) @ self.directions.T, np.float64)


@dataclass(frozen=True)
class Noise:
    """distance: W1 over the real standard deviation, mean over coordinates; shift: of the median, same unit, signed."""

    distance: float
    shift: float


def indd(new: Points, real: Points) -> Noise:
    """INDD of statistics of noise, float64 (rows,) or (rows, coordinates); coordinates without spread are left out.

    Pass the norm of the residuals for how much noise there is, residuals themselves for its shape in every coordinate,
    surprisals for histories.

    >>> indd(np.array([2.0, 4.0]), np.array([1.0, 3.0]))
    Noise(distance=1.0, shift=1.0)
    """
    new, real = new.reshape(len(new), -1), real.reshape(len(real), -1)
    found = []
    for mine, theirs in zip(new.T, real.T, strict=True):
        mine, theirs = mine[np.isfinite(mine)], theirs[np.isfinite(theirs)]
        unit = float(theirs.std()) if len(theirs) else 0.0
        if unit > 0 and len(mine):
            found.append((wasserstein(mine, theirs) / unit, (np.median(mine) - np.median(theirs)) / unit))
    if not found:
        return Noise(float("nan"), float("nan"))
    distance, shift = np.mean(found, axis=0)
    return Noise(float(distance), float(shift))
