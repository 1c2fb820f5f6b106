"""Resampling statistics against independent references."""

import numpy as np
import pytest
from scipy import stats

from leaven.stats import resampling_tests


def test_holm_by_hand() -> None:
    # sorted .01 .02 .03 .04 times 4 3 2 1: .04 .06 .06 .04, never falling: .04 .06 .06 .06
    adjusted = resampling_tests.adjust_holm(np.array([0.04, 0.01, 0.03, 0.02]))
    np.testing.assert_allclose(adjusted, [0.06, 0.04, 0.06, 0.06])
    assert resampling_tests.adjust_holm(np.array([0.6, 0.7])).tolist() == [1.0, 1.0]
    assert resampling_tests.adjust_holm(np.zeros(0)).tolist() == []


def test_the_permutation_agrees_with_the_exact_one() -> None:
    differences = np.array([0.3, -0.1, 0.5, 0.2, 0.4, -0.05, 0.1, 0.3])
    signs = 1 - 2 * ((np.arange(256)[:, None] >> np.arange(8)) & 1)
    exact = (np.abs(signs @ differences) >= differences.sum() - 1e-12).mean()
    assert resampling_tests.compute_sign_flip_p(differences, 40_000, 5) == pytest.approx(exact, abs=0.005)


def test_users_without_a_difference_are_ignored() -> None:
    differences = np.array([0.3, -0.1, 0.5, 0.2])
    padded = np.insert(differences, [0, 2, 2], 0.0)
    assert resampling_tests.compute_sign_flip_p(padded, 1000, 5) == resampling_tests.compute_sign_flip_p(
        differences, 1000, 5
    )
    assert resampling_tests.compute_sign_flip_p(np.zeros(9), 1000, 5) == 1.0


def test_resampled_means_have_the_textbook_standard_error() -> None:
    column = np.random.default_rng(1).exponential(size=(500, 1))
    means = resampling_tests.resample_means(resampling_tests.group_users_into_blocks(column, 1), 4000, 2)
    assert means.std() == pytest.approx(column.std() / np.sqrt(500), rel=0.05)
    assert means.mean() == pytest.approx(column.mean(), rel=0.01)


def test_blocks_of_a_million_users_have_the_same_standard_error() -> None:
    column = np.random.default_rng(1).exponential(size=(100_001, 1))
    dealt = resampling_tests.group_users_into_blocks(column, 1)
    assert len(dealt) == resampling_tests.MAX_BLOCKS
    assert dealt.sum(axis=0).tolist() == pytest.approx([column.sum(), 100_001])
    means = resampling_tests.resample_means(dealt, 1000, 2)
    assert means.std() == pytest.approx(column.std() / np.sqrt(100_001), rel=0.1)


def test_training_noise_is_found_and_the_users_own_noise_is_not_taken_for_it() -> None:
    chance = np.random.default_rng(3)
    own = chance.normal(0, 1.0, (6, 20, 2000))
    luck = chance.normal(0, 0.3, (6, 20, 1))
    assert resampling_tests.estimate_training_noise(own + luck).scale == pytest.approx(0.3, rel=0.2)
    assert resampling_tests.estimate_training_noise(own).scale < 0.02


def test_a_seed_that_is_lucky_for_all_arms_is_no_noise_of_their_difference() -> None:
    taste = np.random.default_rng(4).random(50)
    luck = np.array([0.1, -0.2, 0.3])[None, :, None]
    assert resampling_tests.estimate_training_noise(np.stack([taste + luck[0], taste + 0.5 + luck[0]])).scale < 1e-9


def test_few_seeds_widen_the_noise_by_student_s_t() -> None:
    values = np.random.default_rng(5).normal(0, 1, (2, 2, 40))
    values[0, 0] += 5
    noise = resampling_tests.estimate_training_noise(values)
    assert noise.widening == pytest.approx(stats.t.ppf(0.975, 1) / stats.norm.ppf(0.975))
    drawn = resampling_tests.draw_training_noise(noise, 2, 20_000, 1)
    assert drawn.std() == pytest.approx(noise.scale * noise.widening, rel=0.03)  # sqrt(2 / 2 seeds)


def test_one_seed_has_no_training_noise() -> None:
    noise = resampling_tests.estimate_training_noise(np.ones((3, 1, 10)))
    assert resampling_tests.draw_training_noise(noise, 1, 10, 1).tolist() == [0.0] * 10


def test_a_lift_over_zero_is_infinite_and_zero_over_zero_is_zero() -> None:
    lifts = resampling_tests.compute_relative_difference(
        np.array([0.2, -0.2, 0.0, 0.1]), np.array([0.0, 0.0, 0.0, 0.2])
    )
    assert lifts.tolist() == [np.inf, -np.inf, 0.0, 0.5]
