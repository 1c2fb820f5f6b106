"""Coverage and diversity estimators against hand-computed values."""

import numpy as np
import pytest

from leaven.metrics.ranking.beyond_accuracy import compute_gini
from leaven.metrics.synthetic import diversity_metrics

LINE = np.array([[0.0], [1.0], [2.0], [3.0]])


def test_density_and_coverage_counted_by_hand() -> None:
    """Balls to the nearest neighbour on the line 0, 1, 2, 3 have radius 1."""
    new = np.array([[0.5], [10.0]])  # 0.5 lies in the balls of 0 and 1; 10 in none
    density, coverage = diversity_metrics.compute_density_coverage(new, LINE, n_neighbors=1)
    assert density == pytest.approx((2 + 0) / 2 / 1)
    assert coverage == pytest.approx(2 / 4)


def test_density_and_coverage_agree_with_scikit_learn_s_neighbours() -> None:
    neighbours = pytest.importorskip("sklearn.neighbors").NearestNeighbors
    chance = np.random.default_rng(1)
    real, new = chance.standard_normal((120, 4)), chance.standard_normal((100, 4)) * 0.8
    radius = neighbours(n_neighbors=6).fit(real).kneighbors(real)[0][:, 5]
    inside = np.linalg.norm(real[:, None] - new[None], axis=2) <= radius[:, None]
    density, coverage = diversity_metrics.compute_density_coverage(new, real, n_neighbors=5)
    assert density == pytest.approx(inside.sum() / 5 / 100, abs=1e-6)
    assert coverage == pytest.approx(inside.any(axis=1).mean(), abs=1e-6)


def test_rows_of_one_distribution_are_precise_at_every_level_and_collapsed_ones_are_not() -> None:
    chance = np.random.default_rng(4)
    real, new = chance.standard_normal((800, 3)), chance.standard_normal((800, 3))
    precision, recall = diversity_metrics.compute_alpha_precision_beta_recall(new, real)
    assert precision > 0.93
    few, less = diversity_metrics.compute_alpha_precision_beta_recall(new * 0.3, real)
    assert few < 0.6
    assert less < recall - 0.1


def test_alpha_precision_of_rows_at_the_centre_is_one_half() -> None:
    """All of them lie in every ball but the empty one: 1 - 2 * mean |1 - alpha| is about 0."""
    real = np.random.default_rng(4).standard_normal((200, 2))
    centre = np.repeat(real.mean(axis=0, keepdims=True), 50, axis=0)
    precision, _ = diversity_metrics.compute_alpha_precision_beta_recall(centre, real, levels=101)
    assert precision == pytest.approx(1 - 2 * np.mean(1 - np.linspace(0, 1, 101)[1:]), abs=0.03)


def test_the_vendi_score_counts_different_rows() -> None:
    assert diversity_metrics.compute_vendi_score(np.repeat(np.eye(4), 5, axis=0)) == pytest.approx(4.0)
    assert diversity_metrics.compute_vendi_score(np.ones((9, 3))) == pytest.approx(1.0)
    points = np.random.default_rng(2).standard_normal((40, 60))
    unit = points / np.linalg.norm(points, axis=1, keepdims=True)
    values = np.linalg.eigvalsh(unit @ unit.T / 40)
    entropy = -(values[values > 1e-12] * np.log(values[values > 1e-12])).sum()
    assert diversity_metrics.compute_vendi_score(points) == pytest.approx(np.exp(entropy), abs=1e-6)


def test_inequality_of_counts_by_hand() -> None:
    assert compute_gini(np.array([5, 5, 5, 5])) == pytest.approx(0.0)
    assert compute_gini(np.array([0, 0, 0, 8])) == pytest.approx(3 / 4)
    assert compute_gini(np.zeros(4, np.int64)) == 0.0
    assert diversity_metrics.compute_top_share(np.array([1, 6, 3]), top=2) == pytest.approx(9 / 10)
    assert diversity_metrics.compute_popularity_drift(np.array([2, 2, 0]), np.array([0, 1, 1])) == pytest.approx(1 / 2)
