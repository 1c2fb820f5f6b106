"""Laws of the resampling tests, checked on random values."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from leaven.stats import resampling_tests
from leaven.stats.resampling_tests import TrainingNoise

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=12).map(np.array)


def adjust_by_definition(p: np.ndarray) -> np.ndarray:
    """Holm's correction by its definition: max over smaller p of (number of p not below it) times p."""
    rank = np.argsort(np.argsort(p, kind="stable"), kind="stable")
    scaled = [min((len(p) - r) * value, 1.0) for r, value in zip(rank, p, strict=True)]
    return np.array([max(scaled[j] for j in range(len(p)) if rank[j] <= rank[i]) for i in range(len(p))])


@settings(deadline=None)
@given(p=P_VALUES)
def test_holm_equals_its_definition_and_lies_between_p_and_bonferroni(p: np.ndarray) -> None:
    adjusted = resampling_tests.adjust_holm(p)
    np.testing.assert_allclose(adjusted, adjust_by_definition(p), rtol=1e-12)
    assert (adjusted >= p - 1e-15).all()
    assert (adjusted <= np.minimum(len(p) * p, 1.0) + 1e-15).all()


@settings(deadline=None)
@given(p=P_VALUES, seed=st.integers(0, 100))
def test_holm_does_not_depend_on_the_order(p: np.ndarray, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(p))
    np.testing.assert_allclose(resampling_tests.adjust_holm(p[order]), resampling_tests.adjust_holm(p)[order])


@settings(deadline=None, max_examples=20)
@given(differences=st.lists(st.integers(-5, 5), min_size=3, max_size=9), key=st.integers(1, 1000))
def test_the_sign_flip_p_is_symmetric_and_never_0(differences: list[int], key: int) -> None:
    values = np.array(differences, float)
    p = resampling_tests.compute_sign_flip_p(values, 200, key)
    assert 1 / 201 <= p <= 1
    assert p == resampling_tests.compute_sign_flip_p(-values, 200, key)
    assert p == resampling_tests.compute_sign_flip_p(10 * values, 200, key)  # the unit does not matter


def test_under_the_null_hypothesis_p_is_uniform() -> None:
    generator = np.random.default_rng(1)
    found = [resampling_tests.compute_sign_flip_p(generator.normal(size=40), 400, key) for key in range(300)]
    assert stats.kstest(found, "uniform").pvalue > 0.01


def test_without_training_noise_the_combined_p_is_the_normal_one() -> None:
    draws = np.random.default_rng(2).normal(0.3, 0.1, 5000)
    quiet = TrainingNoise(np.zeros(1), 0.0, 0, 1.0)
    found = resampling_tests.compute_combined_p(0.2, draws, quiet, 3)
    assert found == pytest.approx(2 * stats.norm.sf(0.2 / draws.std()))
    assert resampling_tests.compute_combined_p(0.0, np.zeros(5), quiet, 3) == 1.0
    assert resampling_tests.compute_combined_p(0.1, np.zeros(5), quiet, 3) == 0.0


def test_training_noise_makes_p_larger_and_seeds_make_it_smaller_again() -> None:
    draws = np.random.default_rng(2).normal(0.3, 0.1, 5000)
    noise = TrainingNoise(np.array([-1.0, 1.0]), 0.2, 4, 1.4)
    quiet = TrainingNoise(np.zeros(1), 0.0, 0, 1.0)
    few, many = (resampling_tests.compute_combined_p(0.3, draws, noise, seeds) for seeds in (2, 50))
    assert resampling_tests.compute_combined_p(0.3, draws, quiet, 2) < many < few


def test_blocks_keep_the_sums_and_the_number_of_users() -> None:
    values = np.random.default_rng(3).random((100, 2))
    blocks = resampling_tests.group_users_into_blocks(values, 1)
    np.testing.assert_allclose(blocks.sum(axis=0), [*values.sum(axis=0), 100])
    np.testing.assert_array_equal(blocks[:, :2], values)  # few users stay single


def test_the_interval_of_draws_holds_95_per_cent_of_them() -> None:
    low, high = resampling_tests.compute_interval(np.arange(1.0, 1001.0))
    assert (low, high) == (25.0, 975.0)
    assert resampling_tests.compute_interval(np.array([0.1, math.inf]))[1] == math.inf


def test_drawn_training_noise_has_its_scale_and_mean_0() -> None:
    noise = TrainingNoise(np.array([-1.0, 1.0]), 0.3, 5, 1.2)
    draws = resampling_tests.draw_training_noise(noise, n_seeds=4, n_draws=20_000, key=1)
    assert draws.mean() == pytest.approx(0.0, abs=0.01)
    assert draws.std() == pytest.approx(0.3 * 1.2 * math.sqrt(2 / 4), rel=0.03)
