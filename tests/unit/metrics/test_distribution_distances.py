"""Distances between distributions: closed forms, laws, and reference implementations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg, spatial, stats

from leaven.metrics.synthetic import distribution_distances as distances


def draw_points(seed: int, n: int = 60, width: int = 3, shift: float = 0.0, scale: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, width)) * scale + shift


@pytest.mark.parametrize("seed", range(3))
def test_the_frechet_distance_agrees_with_the_matrix_root_of_scipy(seed: int) -> None:
    a, b = draw_points(seed) @ draw_points(seed + 10, 3), draw_points(seed + 20, shift=0.5, scale=1.5)
    first, second = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = linalg.sqrtm(first @ second).real
    shift = a.mean(axis=0) - b.mean(axis=0)
    expected = shift @ shift + np.trace(first + second - 2 * root)
    assert distances.frechet_distance(a, b) == pytest.approx(expected, rel=1e-6)


def test_the_frechet_distance_of_shifted_points_is_the_squared_shift() -> None:
    points = draw_points(1)
    assert distances.frechet_distance(points, points + np.array([3.0, 0.0, 4.0])) == pytest.approx(25.0)
    assert distances.frechet_distance(points, points) == pytest.approx(0.0, abs=1e-9)


def test_the_frechet_distance_is_symmetric_and_ignores_rotation() -> None:
    a, b = draw_points(2), draw_points(3, shift=1.0)
    rotation = np.linalg.qr(draw_points(4, 3))[0]
    expected = distances.frechet_distance(a, b)
    assert distances.frechet_distance(b, a) == pytest.approx(expected)
    assert distances.frechet_distance(a @ rotation, b @ rotation) == pytest.approx(expected)


def test_the_extrapolated_frechet_distance_has_less_bias() -> None:
    a, b = draw_points(5, 400, 8), draw_points(6, 400, 8)
    plain = distances.frechet_distance(a, b)
    assert abs(distances.frechet_distance_at_infinity(a, b, 3)) < plain
    assert distances.frechet_distance_at_infinity(a, b, 3) == distances.frechet_distance_at_infinity(a, b, 3)


def test_squared_distances_are_those_of_scipy() -> None:
    a, b = draw_points(1, 20), draw_points(2, 30)
    np.testing.assert_allclose(
        distances.squared_distances(a, b), spatial.distance.cdist(a, b, "sqeuclidean"), atol=1e-9
    )
    assert (distances.squared_distances(a, a) >= 0).all()  # rounding never makes one negative


def test_the_unbiased_mmd_equals_the_double_sum() -> None:
    a, b = draw_points(1, 12), draw_points(2, 9, shift=0.4)
    gram = distances.gaussian_kernel(a, b)
    is_first = np.arange(21) < 12
    same_a = (gram[:12, :12].sum() - np.trace(gram[:12, :12])) / (12 * 11)
    same_b = (gram[12:, 12:].sum() - np.trace(gram[12:, 12:])) / (9 * 8)
    assert distances.squared_mmd(gram, is_first) == pytest.approx(same_a + same_b - 2 * gram[:12, 12:].mean())
    np.testing.assert_allclose(np.diag(gram), 1.0)
    np.testing.assert_allclose(gram, gram.T)


def test_the_permutation_p_is_small_for_different_sets_only() -> None:
    is_first = np.arange(80) < 40
    same = distances.gaussian_kernel(draw_points(1, 40), draw_points(2, 40))
    other = distances.gaussian_kernel(draw_points(1, 40), draw_points(2, 40, shift=1.0))
    assert distances.mmd_permutation_p(other, is_first, 1) == pytest.approx(1 / 201)
    assert distances.mmd_permutation_p(same, is_first, 1) > 0.05


def test_the_sliced_distance_of_shifted_points_is_the_mean_projection_of_the_shift() -> None:
    points = draw_points(3, 200, 4)
    moved = points + np.array([2.0, 0.0, 0.0, 0.0])
    # a random unit vector of width 4 has a squared first coordinate of 1/4 on average
    assert distances.sliced_wasserstein(points, moved, 1, 4000) == pytest.approx(2 * 0.5, rel=0.05)
    assert distances.sliced_wasserstein(points, points, 1) == 0.0


@settings(deadline=None, max_examples=50)
@given(
    a=st.lists(st.integers(-20, 20), min_size=1, max_size=15),
    b=st.lists(st.integers(-20, 20), min_size=1, max_size=15),
)
def test_wasserstein_and_rank_auc_agree_with_scipy(a: list[int], b: list[int]) -> None:
    first, second = np.array(a, float), np.array(b, float)
    expected = stats.wasserstein_distance(first, second)
    assert distances.wasserstein_distance(first, second) == pytest.approx(expected, abs=1e-9)
    wins = stats.mannwhitneyu(first, second).statistic / (len(a) * len(b))
    assert distances.rank_auc(first, second) == pytest.approx(wins)
    assert distances.rank_auc(second, first) == pytest.approx(1 - wins)


@settings(deadline=None, max_examples=50)
@given(
    counts=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=10).filter(
        lambda rows: sum(one for one, _ in rows) and sum(two for _, two in rows)
    )
)
def test_the_jensen_shannon_divergence_is_the_square_of_scipy_s_distance(counts: list[tuple[int, int]]) -> None:
    p, q = (np.array(column, float) for column in zip(*counts, strict=True))
    found = distances.jensen_shannon_divergence(p, q)
    assert found == pytest.approx(spatial.distance.jensenshannon(p, q, base=2) ** 2, abs=1e-7)
    assert -1e-12 <= found <= 1 + 1e-12
    assert found == pytest.approx(distances.jensen_shannon_divergence(q, p), abs=1e-12)


def test_disjoint_tables_have_divergence_1_and_equal_ones_0() -> None:
    assert distances.jensen_shannon_divergence(np.array([2.0, 0.0]), np.array([0.0, 5.0])) == pytest.approx(1.0)
    assert distances.jensen_shannon_divergence(np.array([2.0, 4.0]), np.array([1.0, 2.0])) == pytest.approx(0.0)


def test_a_classifier_separates_shifted_sets_and_not_equal_ones() -> None:
    pytest.importorskip("sklearn")
    a, b, moved = draw_points(1, 300), draw_points(2, 300), draw_points(3, 300, shift=1.5)
    assert distances.two_sample_auc(moved, b, 1) > 0.9
    assert distances.two_sample_auc(a, b, 1) == pytest.approx(0.5, abs=0.08)


def test_the_feature_that_separates_best_is_named_first() -> None:
    a, b = draw_points(1, 200), draw_points(2, 200)
    a[:, 1] += 3.0
    named = distances.rank_separating_features(a, b, ["price", "age", "size"], max_features=2)
    assert next(name for name, _ in named) == "age"
    assert len(named) == 2
    assert named[0][1] > 0.9 > named[1][1]
