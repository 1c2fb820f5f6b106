"""Markov chains with back-off on rows with known counts."""

from itertools import pairwise
from time import process_time

import numpy as np
import pytest

from leaven.kernels.markov import (
    advance_contexts,
    compute_log_likelihoods,
    compute_probability,
    count_context,
    count_transitions,
    fit_chain,
    measure_repeats,
    sharpen_chain,
    start_contexts,
)
from leaven.kernels.time_popularity import TimePopularity, fit_time_popularity

ITEMS = np.array([1, 2, 1, 2, 1, 3], np.int32)  # rows [1, 2, 1, 2] and [1, 3]
TIMES, STARTS = np.arange(6), np.array([0, 4, 6])


def stationary() -> TimePopularity:
    return fit_time_popularity(ITEMS, TIMES, 3)._replace(
        global_share=1.0
    )  # item frequencies instead of recent popularity


def after(history: list[int], item: int, order: int = 1, prior: float = 1.0) -> float:
    chain, contexts = count_transitions(ITEMS, STARTS, 3, order, prior), np.zeros(order + 1, np.int64)
    start_contexts(chain, contexts)
    for past in history:
        advance_contexts(chain, contexts, past)
    return compute_probability(chain, stationary(), contexts, 0, item, 0)


def test_contexts_count_their_followers() -> None:
    chain = count_transitions(ITEMS, STARTS, 3, 1)
    first = chain.level_offsets[1]
    assert [count_context(chain, 0), *(count_context(chain, first + item) for item in range(4))] == [6, 2, 3, 1, 0]
    low, high = chain.bounds[first + 1], chain.bounds[first + 2]
    assert chain.followers[low:high].tolist() == [2, 3]
    assert chain.cumulative_counts[low:high].tolist() == [2, 3]


def test_probabilities_interpolate_all_levels() -> None:
    unigram = (2 + 1 / 3) / 7  # item 2: two of six events, m = 1, uniform over three items below
    assert after([], 2, order=0) == pytest.approx(unigram)
    assert after([1], 2) == pytest.approx((2 + unigram) / 4)
    assert after([3], 2) == pytest.approx(unigram)  # item 3 has no follower


def test_probabilities_sum_to_one() -> None:
    for history in ([], [1], [2, 1], [3]):
        assert sum(after(history, item, order=2) for item in (1, 2, 3)) == pytest.approx(1)


def test_the_fit_trusts_a_deterministic_sequence() -> None:
    items = np.tile(np.array([1, 2, 3], np.int32), 100)
    starts, times = np.array([0, 150, 300]), np.arange(300)
    fashion = fit_time_popularity(items, times, 3)._replace(global_share=1.0)
    chain = fit_chain(items, times, starts, fashion, 3, 1)
    assert chain.concentration[1] < chain.concentration[0]
    likelihood = compute_log_likelihoods(chain, fashion, items, times, starts)
    assert (likelihood > 149 * np.log(0.98)).all()


def test_log_likelihoods_are_sums_over_events_after_the_first() -> None:
    chain = count_transitions(ITEMS, STARTS, 3, 1)
    expected = [2 * np.log(after([1], 2)) + np.log(after([2], 1)), np.log(after([1], 3))]
    np.testing.assert_allclose(compute_log_likelihoods(chain, stationary(), ITEMS, TIMES, STARTS), expected)


def test_sharpening_keeps_the_top_followers() -> None:
    chain = count_transitions(ITEMS, STARTS, 3, 1)
    assert sharpen_chain(chain, 1.0, 0, 1.0) is chain
    context = chain.level_offsets[1] + 1
    low, high = chain.bounds[context], chain.bounds[context + 1]
    assert sharpen_chain(chain, 1.0, 1, 1.0).cumulative_weights[low:high].tolist() == [2, 2]  # only item 2
    np.testing.assert_allclose(sharpen_chain(chain, 0.5, 0, 1.0).cumulative_weights[low:high], [4, 5])  # squared counts


def test_repeats_are_measured_and_predicted() -> None:
    real, expected = measure_repeats(count_transitions(ITEMS, STARTS, 3, 1), stationary(), ITEMS, TIMES, STARTS)
    assert real == pytest.approx(2 / 4)
    assert 0 < expected < 1


def test_repeats_are_those_of_a_search_for_every_earlier_item() -> None:
    generator = np.random.default_rng(5)
    items, starts = generator.integers(1, 40, 600).astype(np.int32), np.array([0, 300, 301, 600])
    times = np.arange(600)
    fashion, chain = fit_time_popularity(items, times, 39), count_transitions(items, starts, 39, 2)
    real, expected = 0, 0.0
    for first, end in pairwise(starts.tolist()):
        contexts = np.empty(3, np.int64)
        start_contexts(chain, contexts)
        for at in range(first, end):
            real += int(items[at] in items[first:at])
            for item in set(items[first:at].tolist()):
                expected += compute_probability(chain, fashion, contexts, times[at], item, 0)
            advance_contexts(chain, contexts, items[at])
    found = measure_repeats(chain, fashion, items, times, starts)
    np.testing.assert_allclose(found, (real / 597, expected / 597), rtol=1e-12)


def test_a_long_row_is_measured_in_linear_time() -> None:
    generator = np.random.default_rng(5)
    items = generator.integers(1, 2001, 60_000).astype(np.int32)
    starts, times = np.array([0, 60_000]), np.arange(60_000)
    fashion, chain = fit_time_popularity(items, times, 2000), count_transitions(items, starts, 2000, 2)
    measure_repeats(chain, fashion, items[:10], times[:10], np.array([0, 10]))  # compiled
    begin = process_time()
    real, expected = measure_repeats(chain, fashion, items, times, starts)
    assert process_time() - begin < 10  # about 0.5 s; with every event measured, a minute
    assert real > 0.9
    assert expected > 0.9
