"""Distances of two sets of points agree with reference computations."""

import warnings

import numpy as np
import pytest
from scipy import linalg, stats

from leaven.metrics.synthetic import distribution_distances

CHANCE = np.random.default_rng(5)
A, B = CHANCE.standard_normal((300, 6)), CHANCE.standard_normal((250, 6)) @ np.diag([1, 2, 1, 1, 0.5, 1]) + 0.3


def test_frechet_is_the_formula_with_scipy_s_matrix_root() -> None:
    first, second = np.cov(A, rowvar=False), np.cov(B, rowvar=False)
    shift = A.mean(axis=0) - B.mean(axis=0)
    root = linalg.sqrtm(first @ second).real
    assert distribution_distances.frechet_distance(A, B) == pytest.approx(
        shift @ shift + np.trace(first + second - 2 * root), abs=1e-6
    )


def test_frechet_of_normal_laws_in_one_dimension_is_known() -> None:
    wide = np.array([[-2.0], [2.0]]) / np.sqrt(2)  # variance 4, mean 0
    narrow = np.array([[-1.0], [1.0]]) / np.sqrt(2) + 3  # variance 1, mean 3
    assert distribution_distances.frechet_distance(wide, narrow) == pytest.approx(3**2 + (2 - 1) ** 2, abs=1e-9)


def test_extrapolation_takes_the_bias_away() -> None:
    a, b = CHANCE.standard_normal((1000, 32)), CHANCE.standard_normal((1000, 32))
    assert distribution_distances.frechet_distance(a, b) > 0.4
    assert abs(distribution_distances.frechet_distance_at_infinity(a, b, 1)) < 0.15


def test_sliced_wasserstein_in_one_dimension_is_the_distance_of_sorted_values() -> None:
    a, b = A[:200, :1], B[:200, :1]
    exact = np.sqrt(((np.sort(a[:, 0]) - np.sort(b[:, 0])) ** 2).mean())
    assert distribution_distances.sliced_wasserstein(a, b, 3) == pytest.approx(exact, abs=1e-9)


def test_mmd_is_the_mean_over_pairs_of_different_rows() -> None:
    a, b = A[:7], B[:5]
    gram = distribution_distances.gaussian_kernel(a, b)
    pairs = [
        np.mean([gram[i, j] for i in range(7) for j in range(7) if i != j]),
        np.mean([gram[i, j] for i in range(7, 12) for j in range(7, 12) if i != j]),
        np.mean([gram[i, j] for i in range(7) for j in range(7, 12)]),
    ]
    first = np.arange(12) < 7
    assert distribution_distances.squared_mmd(gram, first) == pytest.approx(
        pairs[0] + pairs[1] - 2 * pairs[2], abs=1e-12
    )


def test_the_kernel_agrees_with_scikit_learn_s() -> None:
    rbf_kernel = pytest.importorskip("sklearn.metrics.pairwise").rbf_kernel
    both = np.concatenate([A[:20], B[:20]])
    middle = np.median(((both[:, None] - both[None]) ** 2).sum(axis=2)[np.triu_indices(40, 1)])
    mean = np.mean([rbf_kernel(both, gamma=1 / (width * middle)) for width in (0.25, 1, 4)], axis=0)
    np.testing.assert_allclose(distribution_distances.gaussian_kernel(A[:20], B[:20]), mean, atol=1e-9)


def test_the_permutation_p_of_mmd_is_small_for_other_laws_and_not_for_the_same() -> None:
    first = np.arange(200) < 100
    assert (
        distribution_distances.mmd_permutation_p(distribution_distances.gaussian_kernel(A[:100], B[:100]), first, 1)
        < 0.02
    )
    assert (
        distribution_distances.mmd_permutation_p(distribution_distances.gaussian_kernel(A[:100], A[100:200]), first, 1)
        > 0.05
    )


def test_auc_agrees_with_scikit_learn_ties_included() -> None:
    score = pytest.importorskip("sklearn.metrics").roc_auc_score
    high, low = np.round(A[:, 0] + 0.5, 1), np.round(B[:, 0], 1)
    label = np.repeat([1, 0], [len(high), len(low)])
    assert distribution_distances.rank_auc(high, low) == pytest.approx(
        score(label, np.concatenate([high, low])), abs=1e-9
    )


def test_jensen_shannon_is_scipy_s_squared_distance_in_bits() -> None:
    from scipy.spatial.distance import jensenshannon

    p, q = np.array([3.0, 0, 5, 2]), np.array([1.0, 4, 0, 5])
    assert distribution_distances.jensen_shannon_divergence(p, q) == pytest.approx(
        jensenshannon(p, q, base=2) ** 2, abs=1e-9
    )
    assert distribution_distances.jensen_shannon_divergence(p, p) == pytest.approx(0.0, abs=1e-12)
    assert distribution_distances.jensen_shannon_divergence(np.array([1.0, 0]), np.array([0, 1.0])) == pytest.approx(
        1.0
    )


def test_a_classifier_separates_differences_in_mean_variance_or_dependence() -> None:
    pytest.importorskip("sklearn")
    chance = np.random.default_rng(2)
    plain, other = chance.standard_normal((400, 3)), chance.standard_normal((400, 3))
    assert 0.4 < distribution_distances.two_sample_auc(plain, other, 1) < 0.6
    assert distribution_distances.two_sample_auc(plain + 0.7, other, 1) > 0.7
    assert distribution_distances.two_sample_auc(plain * 2, other, 1) > 0.7
    tied = np.column_stack([plain[:, 0], plain[:, 0], plain[:, 2]])
    assert distribution_distances.two_sample_auc(tied, other, 1) > 0.7


def test_constant_features_have_no_influence_and_raise_no_warning() -> None:
    pytest.importorskip("sklearn")
    flat = np.column_stack([A[:100, 0], np.ones(100)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        distribution_distances.two_sample_auc(flat, flat[::-1] + 0.0, 1)


def test_the_most_separating_feature_comes_first() -> None:
    moved = A.copy()
    moved[:, 2] += 3
    (name, share), *_ = distribution_distances.rank_separating_features(moved, A, list("abcdef"))
    assert name == "c"
    assert share > 0.9


def test_wasserstein_takes_sets_of_different_sizes() -> None:
    assert distribution_distances.wasserstein_distance(np.array([0.0, 1.0]), np.array([2.0])) == pytest.approx(1.5)
    assert distribution_distances.wasserstein_distance(A[:, 0], B[:, 0]) == pytest.approx(
        stats.wasserstein_distance(A[:, 0], B[:, 0])
    )
