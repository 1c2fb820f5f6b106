"""The gap model: buckets, categories and sampled gaps."""

import numpy as np

from leaven import rng
from leaven.kernels.inter_event_times import (
    N_GAP_BUCKETS,
    N_TIME_CLASSES,
    NO_PREVIOUS_GAP,
    classify_time_left,
    compact_categories,
    find_gap_buckets,
    fit_gap_model,
    sample_gaps,
)


def test_buckets_are_bit_lengths() -> None:
    gaps = np.array([0, 1, 2, 3, 4, 1023, 1024, 2**60])
    assert find_gap_buckets(gaps).tolist() == [0, 1, 2, 2, 3, 10, 11, N_GAP_BUCKETS - 1]


def test_the_time_left_per_event_is_classified() -> None:
    assert classify_time_left(2**15 - 1, 1) == 0
    assert classify_time_left(2**15, 1) == 1
    assert classify_time_left(2**16, 2) == 1
    assert classify_time_left(2**60, 1) == N_TIME_CLASSES - 1


def test_the_largest_categories_get_codes_from_one() -> None:
    category = np.array([0, 7, 7, 3, 0], np.int32)
    items = np.array([1, 2, 3, 1, 4], np.int32)
    assert compact_categories(category, items, 4).tolist() == [0, 1, 1, 2, 0, 0]
    assert not compact_categories(None, items, 4).any()


def test_sampled_gaps_are_observed_gaps_within_the_time_left() -> None:
    gaps = np.tile([3, 1_000], 50)
    times = np.concatenate([[0], np.cumsum(gaps)])
    items = np.ones(len(times), np.int32)
    clock = fit_gap_model(items, times, np.array([0, len(times)]), np.zeros(3, np.int32), 1)
    assert clock.max_time == times[-1]
    n = 400
    last = np.full(n, find_gap_buckets(np.array([3]))[0])  # after a gap of 3 seconds, 1,000 follow
    keys = rng.derive_row_keys(1, np.arange(n, dtype=np.uint64))
    left, events = np.full(n, 100_000), np.full(n, 100)
    after_short = sample_gaps(clock, items[:1].repeat(n), last, left, events, keys, np.zeros(n, np.int64))
    assert set(after_short.tolist()) <= {3, 1_000}
    assert (after_short == 1_000).mean() > 0.9
    tight = sample_gaps(
        clock,
        items[:1].repeat(n),
        np.full(n, NO_PREVIOUS_GAP),
        np.full(n, 5),
        np.ones(n, np.int64),
        keys,
        np.zeros(n, np.int64),
    )
    assert tight.max() <= 5
