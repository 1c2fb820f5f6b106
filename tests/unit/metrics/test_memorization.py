"""Copies, runs and copying tests against hand-computed values."""

import numpy as np
import pytest
from scipy import stats

from leaven.datasets.histories import Histories
from leaven.metrics.synthetic import memorization

TRAIN = Histories.from_lists([[1, 2, 3, 4, 5], [6, 7, 8], [9]], n_items=12)
NEW = Histories.from_lists([[1, 2, 3, 4, 5], [8, 7, 6], [2, 3, 4, 5, 10], [9], [11, 12, 6, 7]], n_items=12)


def test_exact_copies_have_the_same_items_in_the_same_order_and_some_length() -> None:
    assert memorization.is_exact_copy(NEW, TRAIN).tolist() == [True, False, False, False, False]


def test_the_longest_common_run_is_counted() -> None:
    assert memorization.measure_longest_runs(NEW, TRAIN).tolist() == [5, 1, 4, 1, 2]
    assert memorization.measure_longest_runs(NEW, TRAIN, most=3).tolist() == [3, 1, 3, 1, 2]


def test_a_near_copy_shares_one_run_of_four_fifths() -> None:
    assert memorization.is_near_copy(NEW, TRAIN).tolist() == [True, False, True, False, False]


def test_novel_and_distinct_runs_are_shares() -> None:
    assert memorization.compute_novel_share(NEW, TRAIN, 2)[[0, 1, 2, 4]].tolist() == [0.0, 1.0, 1 / 4, 2 / 3]
    assert np.isnan(memorization.compute_novel_share(NEW, TRAIN, 2)[3])
    rows = Histories.from_lists([[1, 2, 1, 2], [1, 2]], n_items=2)
    assert memorization.compute_distinct_share(rows, 2) == pytest.approx(2 / 4)  # 12, 21, 12 and 12
    assert np.isnan(memorization.compute_distinct_share(Histories.from_lists([[1]], n_items=1), 2))


def test_the_nearest_training_row_is_found_and_a_row_is_not_its_own_neighbour() -> None:
    training = np.array([[0.0, 0.0], [1.0, 0.0], [5.0, 0.0]])
    distance, place = memorization.find_nearest(np.array([[0.0, 0.0], [4.0, 0.0]]), training)
    assert (distance.tolist(), place.tolist()) == ([0.0, 1.0], [0, 2])
    distance, place = memorization.find_nearest(training, training, np.arange(3))
    assert (distance.tolist(), place.tolist()) == ([1.0, 1.0, 4.0], [1, 0, 1])


def test_a_row_is_authentic_unless_it_is_nearer_than_the_nearest_training_row_s_own_neighbour() -> None:
    training = np.array([[0.0], [1.0], [5.0]])
    distance, place = memorization.find_nearest(np.array([[0.2], [2.5], [3.5]]), training)
    assert memorization.is_authentic(distance, place, training).tolist() == [
        False,
        True,
        False,
    ]  # 5.0's own lies 4 away


def test_data_copying_is_the_standardised_mann_whitney_statistic_ties_included() -> None:
    chance = np.random.default_rng(1)
    new, held = np.round(chance.random(40), 1), np.round(chance.random(50) + 0.1, 1)
    one = np.zeros(40, int), np.zeros(50, int)
    found = memorization.compute_data_copying(new, held, *one)
    p = stats.mannwhitneyu(new, held, method="asymptotic", use_continuity=False).pvalue
    assert 2 * stats.norm.sf(abs(found)) == pytest.approx(p, abs=1e-9)
    assert found < 0
    assert memorization.compute_data_copying(np.ones(9), np.ones(9), np.zeros(9, int), np.zeros(9, int)) == 0.0
    assert np.isnan(memorization.compute_data_copying(new[:3], held, one[0][:3], one[1]))
