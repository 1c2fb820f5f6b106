"""Coverage and diversity of synthetic rows: metrics and their estimators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from leaven.metrics.ranking.beyond_accuracy import compute_gini
from leaven.metrics.synthetic import diversity_metrics, memorization
from leaven.metrics.synthetic.distribution_distances import squared_distances
from leaven.metrics.synthetic.protocol import FeaturizedRows, MetricTraits, ReferenceData


@dataclass(frozen=True)
class Density:
    """How many real neighborhoods contain a new row, relative to real rows: about 1; above 1 is too typical."""

    trait: ClassVar[MetricTraits] = MetricTraits("fidelity", "real", tolerance=0.3)
    n_neighbors: int = 5

    def __call__(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> float:
        """0 or more."""
        return diversity_metrics.compute_density_coverage(new.points, real.points, self.n_neighbors)[0]


@dataclass(frozen=True)
class BallCoverage:
    """The share of real rows with a new row among their nearest neighbors."""

    trait: ClassVar[MetricTraits] = MetricTraits("diversity", "high", tolerance=0.1)
    n_neighbors: int = 5

    def __call__(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> float:
        """0 to 1."""
        return diversity_metrics.compute_density_coverage(new.points, real.points, self.n_neighbors)[1]


@dataclass(frozen=True)
class AlphaPrecision:
    """How well new rows match every quantile of typicality of the real rows: low if too typical or too atypical."""

    trait: ClassVar[MetricTraits] = MetricTraits("fidelity", "high", tolerance=0.1)

    def __call__(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> float:
        """0 to 1."""
        return diversity_metrics.compute_alpha_precision_beta_recall(new.points, real.points)[0]


@dataclass(frozen=True)
class BetaRecall:
    """The share of the real rows, typical and atypical, close to a new row."""

    trait: ClassVar[MetricTraits] = MetricTraits("diversity", "high", tolerance=0.1)

    def __call__(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> float:
        """0 to 1."""
        return diversity_metrics.compute_alpha_precision_beta_recall(new.points, real.points)[1]


@dataclass(frozen=True)
class Vendi:
    """The effective number of different rows."""

    trait: ClassVar[MetricTraits] = MetricTraits(
        "diversity", "real", is_one_sample=True, is_relative=True, tolerance=0.15
    )

    def __call__(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> float:
        """1 to the number of rows or coordinates."""
        return diversity_metrics.compute_vendi_score(new.points)


@dataclass(frozen=True)
class CatalogShare:
    """The share of the catalog in at least one row, at an equal number of rows."""

    trait: ClassVar[MetricTraits] = MetricTraits(
        "diversity", "high", modalities=("sequence",), is_one_sample=True, is_relative=True, tolerance=0.15
    )

    def __call__(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> float:
        """0 to 1."""
        rows = new.histories
        return len(np.unique(rows.items)) / max(rows.n_items, 1)


@dataclass(frozen=True)
class PopularityGini:
    """How unevenly the items are used: 0 for equal counts, near 1 for few items."""

    trait: ClassVar[MetricTraits] = MetricTraits(
        "diversity", "real", modalities=("sequence",), is_one_sample=True, tolerance=0.05
    )

    def __call__(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> float:
        """0 to 1, over the whole catalog."""
        return compute_gini(_count_items(new))


@dataclass(frozen=True)
class TopShare:
    """The share of all events of the most frequent items."""

    trait: ClassVar[MetricTraits] = MetricTraits(
        "diversity", "real", modalities=("sequence",), is_one_sample=True, tolerance=0.05
    )
    top: int = 100

    def __call__(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> float:
        """0 to 1."""
        return diversity_metrics.compute_top_share(_count_items(new), self.top)


@dataclass(frozen=True)
class PopularityDrift:
    """The share of events whose item would have to change to match the real item distribution."""

    trait: ClassVar[MetricTraits] = MetricTraits("diversity", "low", modalities=("sequence",), tolerance=0.1)

    def __call__(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> float:
        """0 to 1."""
        return diversity_metrics.compute_popularity_drift(_count_items(new), _count_items(real))


def _count_items(sample: FeaturizedRows) -> np.ndarray:  # type: ignore[type-arg]
    rows = sample.histories
    return np.bincount(rows.items, minlength=rows.n_items + 2)[1 : rows.n_items + 1]


@dataclass(frozen=True)
class DistinctRuns:
    """The share of runs of items that are distinct: low if rows repeat each other."""

    trait: ClassVar[MetricTraits] = MetricTraits(
        "diversity", "real", modalities=("sequence", "text"), is_one_sample=True, tolerance=0.1
    )
    run_length: int = 2

    def __call__(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> float:
        """0 to 1; NaN if all rows are too short."""
        return memorization.compute_distinct_share(new.histories, self.run_length)


@dataclass(frozen=True)
class SelfSimilarity:
    """How similar the texts are to each other: high if the same words recur."""

    trait: ClassVar[MetricTraits] = MetricTraits(
        "diversity", "real", modalities=("text",), is_one_sample=True, tolerance=0.05
    )

    def __call__(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> float:
        """-1 to 1: mean cosine over all pairs of different texts."""
        return diversity_metrics.compute_self_similarity(new.points)


Points = npt.NDArray[np.float64]


def compute_density_coverage(new: Points, real: Points, n_neighbors: int = 5) -> tuple[float, float]:
    """Return (density, coverage): new rows per real ball over the expected number; share of real balls with a new row.

    A ball reaches from a real row to its k-th nearest real row. Naeem and others, ICML 2020, equations 4 and 5.
    """
    within = np.partition(squared_distances(real, real), n_neighbors, axis=1)[
        :, n_neighbors
    ]  # index 0 is the row itself
    inside = squared_distances(real, new) <= within[:, None]
    return float(inside.sum(axis=0).mean() / n_neighbors), float(inside.any(axis=1).mean())


def compute_alpha_precision_beta_recall(new: Points, real: Points, levels: int = 30) -> tuple[float, float]:
    """Return (integrated alpha-precision, integrated beta-recall), each 1 for identical distributions.

    Alaa and others, ICML 2022, sections 3 and 4: 1 - 2 * mean |P(alpha) - alpha|. P(alpha): share of the new rows in
    the ball around the real center that holds alpha of the real rows. R(beta): share of the real rows with one of the
    beta most typical new rows nearer than their nearest real neighbor. Where we differ: the points are used without
    their one-class embedding.
    """
    grid = np.linspace(0.0, 1.0, levels)
    from_real = np.sqrt(((real - real.mean(axis=0)) ** 2).sum(axis=1))
    from_center = np.sqrt(((new - real.mean(axis=0)) ** 2).sum(axis=1))
    precision = (from_center[None, :] <= np.quantile(from_real, grid)[:, None]).mean(axis=1)

    squares = squared_distances(real, real)
    np.fill_diagonal(squares, np.inf)
    own = squares.min(axis=1)
    typical = np.sqrt(((new - new.mean(axis=0)) ** 2).sum(axis=1))
    nearest = squared_distances(real, new)
    hit, at = nearest.min(axis=1) <= own, typical[nearest.argmin(axis=1)]
    recall = (hit[None, :] & (at[None, :] <= np.quantile(typical, grid)[:, None])).mean(axis=1)
    return 1 - 2 * float(np.abs(precision - grid).mean()), 1 - 2 * float(np.abs(recall - grid).mean())


def compute_vendi_score(points: Points) -> float:
    """Return the Vendi score, the effective number of different rows: exp of the entropy of the similarity eigenvalues.

    Friedman and Dieng, TMLR 2023, definition 3.1, with cosine similarity, through the width x width matrix with the
    same eigenvalues. Zero rows are similar to no row.

    >>> round(compute_vendi_score(np.eye(3)), 6), round(compute_vendi_score(np.ones((5, 2))), 6)
    (3.0, 1.0)
    """
    norm = np.linalg.norm(points, axis=1, keepdims=True)
    unit = points / np.where(norm > 0, norm, 1.0)
    values = np.linalg.eigvalsh(unit.T @ unit / len(unit))
    share = values[values > 1e-12]
    return float(np.exp(-(share * np.log(share)).sum()))


def compute_top_share(counts: npt.NDArray[np.int64], top: int = 100) -> float:
    """Return the share of all events of the `top` most frequent items."""
    return float(np.sort(counts)[::-1][:top].sum() / max(counts.sum(), 1))


def compute_popularity_drift(new: npt.NDArray[np.int64], real: npt.NDArray[np.int64]) -> float:
    """Return the total variation distance of two item distributions: 0 equal, 1 disjoint."""
    return float(np.abs(new / max(new.sum(), 1) - real / max(real.sum(), 1)).sum() / 2)


def compute_self_similarity(points: Points) -> float:
    """Return the mean cosine of all pairs of different rows; zero rows are similar to none; NaN for a single row.

    >>> orthogonal, parallel = np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([[1.0, 0.0], [3.0, 0.0]])
    >>> compute_self_similarity(orthogonal), compute_self_similarity(parallel)
    (0.0, 1.0)
    """
    n = len(points)
    if n < 2:
        return float("nan")
    norm = np.linalg.norm(points, axis=1, keepdims=True)
    unit = points / np.where(norm > 0, norm, 1.0)
    total = unit.sum(axis=0)
    return float((total @ total - (unit**2).sum()) / (n * (n - 1)))
