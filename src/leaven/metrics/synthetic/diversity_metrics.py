"""Do the new rows cover what is real, and only that?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from leaven.metrics.synthetic import coverage_estimators, memorization
from leaven.metrics.synthetic.protocol import Known, Sample, Trait


@dataclass(frozen=True)
class Density:
    """How often a new row lies where real rows are dense: about 1; more than 1 is too typical."""

    trait: ClassVar[Trait] = Trait("alike", "real", bearable=0.3)
    neighbours: int = 5

    def __call__(self, new: Sample, real: Sample, known: Known, key: int) -> float:
        """0 or more."""
        return coverage_estimators.density_coverage(new.points, real.points, self.neighbours)[0]


@dataclass(frozen=True)
class BallCoverage:
    """The share of real rows that have a new row among their nearest neighbours."""

    trait: ClassVar[Trait] = Trait("varied", "high", bearable=0.1)
    neighbours: int = 5

    def __call__(self, new: Sample, real: Sample, known: Known, key: int) -> float:
        """0 to 1."""
        return coverage_estimators.density_coverage(new.points, real.points, self.neighbours)[1]


@dataclass(frozen=True)
class AlphaPrecision:
    """How well every quantile of the typical real rows is met: falls for rows too typical and too odd."""

    trait: ClassVar[Trait] = Trait("alike", "high", bearable=0.1)

    def __call__(self, new: Sample, real: Sample, known: Known, key: int) -> float:
        """0 to 1."""
        return coverage_estimators.alpha_precision_beta_recall(new.points, real.points)[0]


@dataclass(frozen=True)
class BetaRecall:
    """How much of the real rows, typical and odd, lies close to a new one."""

    trait: ClassVar[Trait] = Trait("varied", "high", bearable=0.1)

    def __call__(self, new: Sample, real: Sample, known: Known, key: int) -> float:
        """0 to 1."""
        return coverage_estimators.alpha_precision_beta_recall(new.points, real.points)[1]


@dataclass(frozen=True)
class Vendi:
    """The effective number of different rows."""

    trait: ClassVar[Trait] = Trait("varied", "real", alone=True, ratio=True, bearable=0.15)

    def __call__(self, new: Sample, real: Sample, known: Known, key: int) -> float:
        """1 to the number of rows or coordinates."""
        return coverage_estimators.vendi(new.points)


@dataclass(frozen=True)
class CatalogShare:
    """The share of the catalogue that so many rows name at least once."""

    trait: ClassVar[Trait] = Trait("varied", "high", of=("histories",), alone=True, ratio=True, bearable=0.15)

    def __call__(self, new: Sample, real: Sample, known: Known, key: int) -> float:
        """0 to 1."""
        rows = new.histories
        return len(np.unique(rows.items)) / max(rows.n_items, 1)


@dataclass(frozen=True)
class PopularityGini:
    """How unevenly the items are taken: near 1 a few rule."""

    trait: ClassVar[Trait] = Trait("varied", "real", of=("histories",), alone=True, bearable=0.05)

    def __call__(self, new: Sample, real: Sample, known: Known, key: int) -> float:
        """0 to 1, over the whole catalogue."""
        return coverage_estimators.gini(_counts(new))


@dataclass(frozen=True)
class TopShare:
    """The share of all events that the most frequent items take."""

    trait: ClassVar[Trait] = Trait("varied", "real", of=("histories",), alone=True, bearable=0.05)
    top: int = 100

    def __call__(self, new: Sample, real: Sample, known: Known, key: int) -> float:
        """0 to 1."""
        return coverage_estimators.top_share(_counts(new), self.top)


@dataclass(frozen=True)
class PopularityDrift:
    """How much of the events would have to change their item to give each item its real share."""

    trait: ClassVar[Trait] = Trait("varied", "low", of=("histories",), bearable=0.1)

    def __call__(self, new: Sample, real: Sample, known: Known, key: int) -> float:
        """0 to 1."""
        return coverage_estimators.popularity_drift(_counts(new), _counts(real))


def _counts(sample: Sample) -> np.ndarray:  # type: ignore[type-arg]
    rows = sample.histories
    return np.bincount(rows.items, minlength=rows.n_items + 2)[1 : rows.n_items + 1]


@dataclass(frozen=True)
class DistinctRuns:
    """The share of runs of items that differ from all others: low where rows repeat each other."""

    trait: ClassVar[Trait] = Trait("varied", "real", of=("histories", "text"), alone=True, bearable=0.1)
    size: int = 2

    def __call__(self, new: Sample, real: Sample, known: Known, key: int) -> float:
        """0 to 1; NaN where no row is long enough."""
        return memorization.distinct_share(new.histories, self.size)


@dataclass(frozen=True)
class SelfSimilarity:
    """How alike the texts are to each other: high where the same words come again and again."""

    trait: ClassVar[Trait] = Trait("varied", "real", of=("text",), alone=True, bearable=0.05)

    def __call__(self, new: Sample, real: Sample, known: Known, key: int) -> float:
        """-1 to 1: mean cosine over all pairs of two different texts."""
        return coverage_estimators.self_similarity(new.points)
