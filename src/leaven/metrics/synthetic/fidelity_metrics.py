"""Metrics of fidelity: distances between the distributions of synthetic and real rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from leaven.metrics.synthetic import distribution_distances, featurizers
from leaven.metrics.synthetic.protocol import FeaturizedRows, MetricDetails, MetricTraits, Points, ReferenceData


@dataclass(frozen=True)
class Frechet:
    """The distance between the mean and covariance of the rows in the embedding space."""

    trait: ClassVar[MetricTraits] = MetricTraits("fidelity", "low", is_relative=True, tolerance=1.0)

    def __call__(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> float:
        """0 or more; decreases with n even for real rows."""
        return distribution_distances.frechet_distance(new.points, real.points)

    def explain(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> MetricDetails:
        """Return the name of the distance, and the distance over all rows, as in published figures."""
        distance = round(self(new, real, known, key), 4)
        return MetricDetails(value_of_all_rows=distance, frechet_name=known.frechet_name)


@dataclass(frozen=True)
class FrechetInfinity:
    """The same distance extrapolated to infinitely many rows: about 0 for real rows."""

    trait: ClassVar[MetricTraits] = MetricTraits("fidelity", "low", min_rows=100, tolerance=0.1)

    def __call__(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> float:
        """About 0 or more."""
        return distribution_distances.frechet_distance_at_infinity(new.points, real.points, key)


@dataclass(frozen=True)
class SlicedWasserstein:
    """The transport distance between the embeddings, averaged over random directions."""

    trait: ClassVar[MetricTraits] = MetricTraits("fidelity", "low", is_relative=True, tolerance=1.0)
    directions: int = 128

    def __call__(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> float:
        """0 or more, in units of the real standard deviation."""
        return distribution_distances.sliced_wasserstein(new.points, real.points, key, self.directions)


@dataclass(frozen=True)
class Mmd:
    """The kernel distance of the two distributions, sensitive to differences beyond mean and covariance."""

    trait: ClassVar[MetricTraits] = MetricTraits("fidelity", "low", tolerance=0.02)
    max_rows: int = 600

    def __call__(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> float:
        """About 0 or more; uses at most `most` rows of each side."""
        gram, first = self._compute_gram(new, real)
        return distribution_distances.squared_mmd(gram, first)

    def explain(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> MetricDetails:
        """Return permutation_p: the probability of as large a distance between randomly mixed rows."""
        gram, first = self._compute_gram(new, real)
        return MetricDetails(permutation_p=round(distribution_distances.mmd_permutation_p(gram, first, key), 4))

    def _compute_gram(self, new: FeaturizedRows, real: FeaturizedRows) -> tuple[Points, npt.NDArray[np.bool_]]:
        a, b = new.points[: self.max_rows], real.points[: self.max_rows]
        return distribution_distances.gaussian_kernel(a, b), np.arange(len(a) + len(b)) < len(a)


@dataclass(frozen=True)
class ClassifierAuc:
    """How well a classifier separates new rows from real ones: 0.5 is chance, 1 perfect."""

    trait: ClassVar[MetricTraits] = MetricTraits("fidelity", "low", min_rows=40, tolerance=0.15)

    def __call__(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> float:
        """About 0.5 to 1."""
        return distribution_distances.two_sample_auc(new.features, real.features, key)

    def explain(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> MetricDetails:
        """Return gave_away: the most separating features, each alone, 0 none to 1 perfect."""
        names = list(known.feature_names)
        ranked = distribution_distances.rank_separating_features(new.features, real.features, names)
        return MetricDetails(separating_features=tuple(ranked))


@dataclass(frozen=True)
class MarginalDistances:
    """The distance between the marginal distributions of the columns, in standard deviations."""

    trait: ClassVar[MetricTraits] = MetricTraits("fidelity", "low", modalities=("tabular",), tolerance=0.1)

    def __call__(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> float:
        """0 or more: mean Wasserstein-1 distance over the columns."""
        columns = zip(new.points.T, real.points.T, strict=True)
        return float(np.mean([distribution_distances.wasserstein_distance(a, b) for a, b in columns]))


@dataclass(frozen=True)
class PairCorrelations:
    """The distance between the pairwise correlations of the columns."""

    trait: ClassVar[MetricTraits] = MetricTraits("fidelity", "low", modalities=("tabular",), tolerance=0.05)

    def __call__(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> float:
        """0 to 2: mean absolute difference over the pairs; NaN for a single column."""
        width = new.points.shape[1]
        if width < 2:
            return float("nan")
        upper = np.triu_indices(width, 1)
        return float(np.abs(_compute_correlations(new.points) - _compute_correlations(real.points))[upper].mean())


def _compute_correlations(points: Points) -> Points:
    centered = points - points.mean(axis=0)
    norm = np.linalg.norm(centered, axis=0)
    unit = centered / np.where(norm > 0, norm, 1.0)
    return np.asarray(unit.T @ unit)


@dataclass(frozen=True)
class TransitionDivergence:
    """The divergence of the transitions between groups of items."""

    trait: ClassVar[MetricTraits] = MetricTraits("fidelity", "low", modalities=("sequence",), tolerance=0.02)

    def __call__(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> float:
        """0 to 1 bit: Jensen-Shannon divergence of the next group given the last, mean over the real last groups.

        Conditional on the last group, as the frequency of groups is covered by `popularity_drift`.
        """
        counts_new, counts_real = _count_transitions(new, known), _count_transitions(real, known)
        divergences = [
            distribution_distances.jensen_shannon_divergence(a + 0.5, b + 0.5)
            for a, b in zip(counts_new, counts_real, strict=True)
        ]
        return float(np.average(divergences, weights=counts_real.sum(axis=1))) if counts_real.sum() else float("nan")


def _count_transitions(sample: FeaturizedRows, known: ReferenceData) -> Points:
    """Return the number of transitions between groups of items, float64 (groups, groups)."""
    rows, n_groups = sample.histories, int(known.item_groups.max()) + 1
    group = known.item_groups[rows.items]
    is_within_row = np.ones(max(rows.n_events - 1, 0), bool)
    is_within_row[rows.starts[1:-1][(rows.starts[1:-1] > 0) & (rows.starts[1:-1] < rows.n_events)] - 1] = False
    codes = (group[:-1] * n_groups + group[1:])[is_within_row]
    return np.bincount(codes, minlength=n_groups * n_groups).reshape(n_groups, n_groups).astype(np.float64)


@dataclass(frozen=True)
class TimeGaps:
    """The distance between the distributions of times between events."""

    trait: ClassVar[MetricTraits] = MetricTraits(
        "fidelity", "low", modalities=("sequence",), needs_clock=True, tolerance=0.2
    )

    def __call__(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> float:
        """0 or more: Wasserstein-1 distance of log(1 + seconds); 0.7 is a factor of two. NaN without gaps."""
        a, b = featurizers.compute_log_gaps(new.histories), featurizers.compute_log_gaps(real.histories)
        return distribution_distances.wasserstein_distance(a, b) if len(a) and len(b) else float("nan")


@dataclass(frozen=True)
class RowLengths:
    """The distance between the distributions of history lengths."""

    trait: ClassVar[MetricTraits] = MetricTraits(
        "fidelity", "low", modalities=("sequence", "text"), is_relative=True, tolerance=1.0
    )

    def __call__(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> float:
        """0 or more events: Wasserstein-1 distance."""
        a, b = (sample.histories.lengths.astype(np.float64) for sample in (new, real))
        return distribution_distances.wasserstein_distance(a, b)


@dataclass(frozen=True)
class RepeatShare:
    """The share of events whose item occurs earlier in the history."""

    trait: ClassVar[MetricTraits] = MetricTraits(
        "fidelity", "real", modalities=("sequence",), is_one_sample=True, tolerance=0.05
    )

    def __call__(self, new: FeaturizedRows, real: FeaturizedRows, known: ReferenceData, key: int) -> float:
        """0 to 1: mean over the rows."""
        return float(featurizers.compute_repeat_share(new.histories).mean())
