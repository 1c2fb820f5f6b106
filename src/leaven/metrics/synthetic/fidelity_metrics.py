"""Are the new rows like the real ones, as wholes?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from leaven.metrics.synthetic import distribution_distances, featurizers
from leaven.metrics.synthetic.protocol import Known, Sample, Trait


@dataclass(frozen=True)
class Frechet:
    """How far the mean and the spread of the rows' places lie apart."""

    trait: ClassVar[Trait] = Trait("alike", "low", ratio=True, bearable=1.0)

    def __call__(self, new: Sample, real: Sample, known: Known, key: int) -> float:
        """0 or more; falls with n even for real rows."""
        return distribution_distances.frechet(new.points, real.points)

    def explain(self, new: Sample, real: Sample, known: Known, key: int) -> Mapping[str, Any]:
        """called: FID, or in which encoder; of_all: the distance of all rows, as published figures have it."""
        of_all = {"of_all": round(self(new, real, known, key), 4)}
        return {"called": known.called} | of_all if known.called else of_all


@dataclass(frozen=True)
class FrechetInfinity:
    """The same distance as it would be with endlessly many rows: about 0 for real ones."""

    trait: ClassVar[Trait] = Trait("alike", "low", fewest=100, bearable=0.1)

    def __call__(self, new: Sample, real: Sample, known: Known, key: int) -> float:
        """About 0 or more."""
        return distribution_distances.frechet_at_infinity(new.points, real.points, key)


@dataclass(frozen=True)
class SlicedWasserstein:
    """How far the rows' places would have to move to become the real ones, seen from many directions."""

    trait: ClassVar[Trait] = Trait("alike", "low", ratio=True, bearable=1.0)
    directions: int = 128

    def __call__(self, new: Sample, real: Sample, known: Known, key: int) -> float:
        """0 or more, in units of the real spread."""
        return distribution_distances.sliced_wasserstein(new.points, real.points, key, self.directions)


@dataclass(frozen=True)
class Mmd:
    """How unlike the two clouds of places are anywhere, not only in mean and spread."""

    trait: ClassVar[Trait] = Trait("alike", "low", bearable=0.02)
    most: int = 600

    def __call__(self, new: Sample, real: Sample, known: Known, key: int) -> float:
        """About 0 or more; at most `most` rows of each side."""
        gram, first = self._gram(new, real)
        return distribution_distances.mmd(gram, first)

    def explain(self, new: Sample, real: Sample, known: Known, key: int) -> Mapping[str, Any]:
        """permutation_p: chance of as much between rows that were mixed at random."""
        gram, first = self._gram(new, real)
        return {"permutation_p": round(distribution_distances.mmd_permutation_p(gram, first, key), 4)}

    def _gram(self, new: Sample, real: Sample) -> tuple[Any, Any]:
        a, b = new.points[: self.most], real.points[: self.most]
        return distribution_distances.kernel(a, b), np.arange(len(a) + len(b)) < len(a)


@dataclass(frozen=True)
class ClassifierAuc:
    """How well a classifier tells new rows from real ones: 0.5 not at all, 1 always."""

    trait: ClassVar[Trait] = Trait("alike", "low", fewest=40, bearable=0.15)

    def __call__(self, new: Sample, real: Sample, known: Known, key: int) -> float:
        """About 0.5 to 1."""
        return distribution_distances.two_sample_auc(new.features, real.features, key)

    def explain(self, new: Sample, real: Sample, known: Known, key: int) -> Mapping[str, Any]:
        """gave_away: the features that tell most, each by itself, 0 nothing to 1 everything."""
        return {"gave_away": distribution_distances.gave_away(new.features, real.features, list(known.names))}


@dataclass(frozen=True)
class Marginals:
    """How far the columns lie apart, one by one, in standard deviations."""

    trait: ClassVar[Trait] = Trait("alike", "low", of=("table",), bearable=0.1)

    def __call__(self, new: Sample, real: Sample, known: Known, key: int) -> float:
        """0 or more: mean over the columns of their Wasserstein-1 distance."""
        return float(
            np.mean(
                [distribution_distances.wasserstein(a, b) for a, b in zip(new.points.T, real.points.T, strict=True)]
            )
        )


@dataclass(frozen=True)
class Pairs:
    """How far the correlations of the columns lie apart, pair by pair."""

    trait: ClassVar[Trait] = Trait("alike", "low", of=("table",), bearable=0.05)

    def __call__(self, new: Sample, real: Sample, known: Known, key: int) -> float:
        """0 to 2: mean absolute difference over the pairs; NaN for a single column."""
        width = new.points.shape[1]
        if width < 2:
            return float("nan")
        upper = np.triu_indices(width, 1)
        return float(np.abs(_correlations(new.points) - _correlations(real.points))[upper].mean())


def _correlations(points: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    centred = points - points.mean(axis=0)
    norm = np.linalg.norm(centred, axis=0)
    unit = centred / np.where(norm > 0, norm, 1.0)
    return np.asarray(unit.T @ unit)


@dataclass(frozen=True)
class Transitions:
    """How unlike the step from one kind of item to the next is."""

    trait: ClassVar[Trait] = Trait("alike", "low", of=("histories",), bearable=0.02)

    def __call__(self, new: Sample, real: Sample, known: Known, key: int) -> float:
        """0 to 1 bit: divergence of the next group given the last (Jensen-Shannon), mean over the real last groups.

        Given the last, because how much each group is taken is another question (`popularity_drift`).
        """
        mine, theirs = _steps(new, known), _steps(real, known)
        apart = [distribution_distances.jensen_shannon(a + 0.5, b + 0.5) for a, b in zip(mine, theirs, strict=True)]
        return float(np.average(apart, weights=theirs.sum(axis=1))) if theirs.sum() else float("nan")


def _steps(sample: Sample, known: Known) -> np.ndarray:  # type: ignore[type-arg]
    """float64 (groups, groups): how often an event of one group is followed by one of another."""
    rows, many = sample.histories, int(known.groups.max()) + 1
    group = known.groups[rows.items]
    inside = np.ones(max(rows.events - 1, 0), bool)
    inside[rows.starts[1:-1][(rows.starts[1:-1] > 0) & (rows.starts[1:-1] < rows.events)] - 1] = False
    codes = (group[:-1] * many + group[1:])[inside]
    return np.bincount(codes, minlength=many * many).reshape(many, many).astype(np.float64)


@dataclass(frozen=True)
class Gaps:
    """How unlike the times between two events are."""

    trait: ClassVar[Trait] = Trait("alike", "low", of=("histories",), clock=True, bearable=0.2)

    def __call__(self, new: Sample, real: Sample, known: Known, key: int) -> float:
        """0 or more: Wasserstein-1 distance of log(1 + seconds); 0.7 is a factor of two. NaN without gaps."""
        a, b = featurizers.gaps(new.histories), featurizers.gaps(real.histories)
        return distribution_distances.wasserstein(a, b) if len(a) and len(b) else float("nan")


@dataclass(frozen=True)
class Lengths:
    """How unlike the lengths of the histories are."""

    trait: ClassVar[Trait] = Trait("alike", "low", of=("histories", "text"), ratio=True, bearable=1.0)

    def __call__(self, new: Sample, real: Sample, known: Known, key: int) -> float:
        """0 or more events: Wasserstein-1 distance."""
        a, b = (sample.histories.lengths.astype(np.float64) for sample in (new, real))
        return distribution_distances.wasserstein(a, b)


@dataclass(frozen=True)
class Repeats:
    """The share of events whose item the history had before."""

    trait: ClassVar[Trait] = Trait("alike", "real", of=("histories",), alone=True, bearable=0.05)

    def __call__(self, new: Sample, real: Sample, known: Known, key: int) -> float:
        """0 to 1: mean over the rows."""
        return float(featurizers.repeat_share(new.histories).mean())
