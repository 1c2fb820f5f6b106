"""Metrics of coverage and diversity of synthetic rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from leaven.metrics.ranking.beyond_accuracy import compute_gini
from leaven.metrics.synthetic import coverage_estimators, memorization
from leaven.metrics.synthetic.protocol import FeaturizedRows, MetricTraits, ReferenceData


@dataclass(frozen=True)
class Density:
    """How many real neighborhoods contain a new row, relative to real rows: about 1; above 1 is too typical."""

    trait: ClassVar[MetricTraits] = MetricTraits("fidelity", "real", tolerance=0.3)
    n_neighbors: int = 5

    def __call__(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> float:
        """0 or more."""
        return coverage_estimators.compute_density_coverage(new.points, real.points, self.n_neighbors)[0]


@dataclass(frozen=True)
class BallCoverage:
    """The share of real rows with a new row among their nearest neighbors."""

    trait: ClassVar[MetricTraits] = MetricTraits("diversity", "high", tolerance=0.1)
    n_neighbors: int = 5

    def __call__(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> float:
        """0 to 1."""
        return coverage_estimators.compute_density_coverage(new.points, real.points, self.n_neighbors)[1]


@dataclass(frozen=True)
class AlphaPrecision:
    """How well new rows match every quantile of typicality of the real rows: low if too typical or too atypical."""

    trait: ClassVar[MetricTraits] = MetricTraits("fidelity", "high", tolerance=0.1)

    def __call__(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> float:
        """0 to 1."""
        return coverage_estimators.compute_alpha_precision_beta_recall(new.points, real.points)[0]


@dataclass(frozen=True)
class BetaRecall:
    """The share of the real rows, typical and atypical, close to a new row."""

    trait: ClassVar[MetricTraits] = MetricTraits("diversity", "high", tolerance=0.1)

    def __call__(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> float:
        """0 to 1."""
        return coverage_estimators.compute_alpha_precision_beta_recall(new.points, real.points)[1]


@dataclass(frozen=True)
class Vendi:
    """The effective number of different rows."""

    trait: ClassVar[MetricTraits] = MetricTraits(
        "diversity", "real", is_one_sample=True, is_relative=True, tolerance=0.15
    )

    def __call__(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> float:
        """1 to the number of rows or coordinates."""
        return coverage_estimators.compute_vendi_score(new.points)


@dataclass(frozen=True)
class CatalogShare:
    """The share of the catalog in at least one row, at an equal number of rows."""

    trait: ClassVar[MetricTraits] = MetricTraits(
        "diversity", "high", data_kinds=("histories",), is_one_sample=True, is_relative=True, tolerance=0.15
    )

    def __call__(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> float:
        """0 to 1."""
        rows = new.histories
        return len(np.unique(rows.items)) / max(rows.n_items, 1)


@dataclass(frozen=True)
class PopularityGini:
    """How unevenly the items are used: 0 for equal counts, near 1 for few items."""

    trait: ClassVar[MetricTraits] = MetricTraits(
        "diversity", "real", data_kinds=("histories",), is_one_sample=True, tolerance=0.05
    )

    def __call__(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> float:
        """0 to 1, over the whole catalog."""
        return compute_gini(_count_items(new))


@dataclass(frozen=True)
class TopShare:
    """The share of all events of the most frequent items."""

    trait: ClassVar[MetricTraits] = MetricTraits(
        "diversity", "real", data_kinds=("histories",), is_one_sample=True, tolerance=0.05
    )
    top: int = 100

    def __call__(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> float:
        """0 to 1."""
        return coverage_estimators.compute_top_share(_count_items(new), self.top)


@dataclass(frozen=True)
class PopularityDrift:
    """The share of events whose item would have to change to match the real item distribution."""

    trait: ClassVar[MetricTraits] = MetricTraits("diversity", "low", data_kinds=("histories",), tolerance=0.1)

    def __call__(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> float:
        """0 to 1."""
        return coverage_estimators.compute_popularity_drift(_count_items(new), _count_items(real))


def _count_items(sample: FeaturizedRows) -> np.ndarray:  # type: ignore[type-arg]
    rows = sample.histories
    return np.bincount(rows.items, minlength=rows.n_items + 2)[1 : rows.n_items + 1]


@dataclass(frozen=True)
class DistinctRuns:
    """The share of runs of items that are distinct: low if rows repeat each other."""

    trait: ClassVar[MetricTraits] = MetricTraits(
        "diversity", "real", data_kinds=("histories", "text"), is_one_sample=True, tolerance=0.1
    )
    run_length: int = 2

    def __call__(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> float:
        """0 to 1; NaN if all rows are too short."""
        return memorization.compute_distinct_share(new.histories, self.run_length)


@dataclass(frozen=True)
class SelfSimilarity:
    """How similar the texts are to each other: high if the same words recur."""

    trait: ClassVar[MetricTraits] = MetricTraits(
        "diversity", "real", data_kinds=("text",), is_one_sample=True, tolerance=0.05
    )

    def __call__(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> float:
        """-1 to 1: mean cosine over all pairs of different texts."""
        return coverage_estimators.compute_self_similarity(new.points)
