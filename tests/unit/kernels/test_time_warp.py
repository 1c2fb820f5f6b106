"""Changes of event times."""

import numpy as np
import pytest
from tests.unit.kernels.batches import empty_ints, small_batch

from leaven.kernels.time_warp import (
    FIRST,
    JITTER,
    LAST,
    MIDDLE,
    SCALE,
    SHIFT,
    WARP,
    draw_lengths,
    resample_rows,
    warp_times,
)

TIMES = [100, 110, 130, 200]


def move(mode: int, bounds: tuple[float, float], anchor: int = FIRST, limit: int = 10_000) -> np.ndarray:
    rows, times = small_batch([[1, 2, 3, 4]], times=[TIMES]), empty_ints(4)
    warp_times(0, 1, rows, mode, bounds, anchor, 3, 1.0, limit, times)
    assert (np.diff(times) >= 0).all()
    return times


@pytest.mark.parametrize(
    ("anchor", "expected"),
    [(FIRST, [100, 120, 160, 300]), (MIDDLE, [90, 110, 150, 290]), (LAST, [0, 20, 60, 200])],
)
def test_times_are_scaled_around_the_anchor(anchor: int, expected: list[int]) -> None:
    assert move(SCALE, (np.log(2), np.log(2)), anchor).tolist() == expected


def test_a_shift_keeps_the_gaps_and_the_limit() -> None:
    assert move(SHIFT, (50.0, 50.0)).tolist() == [150, 160, 180, 250]
    assert move(SHIFT, (50.0, 50.0), limit=220).tolist() == [120, 130, 150, 220]


def test_a_warp_keeps_both_ends() -> None:
    assert move(WARP, (0.0, 0.0)).tolist() == TIMES  # constant speed
    warped = move(WARP, (-2.0, 2.0))
    assert warped[[0, 3]].tolist() == [100, 200]
    assert warped.tolist() != TIMES


def test_jitter_is_limited_to_half_the_gap() -> None:
    jittered = move(JITTER, (1e6, 1e6))
    limits = np.array([[np.inf, 5], [5, 10], [10, 35], [35, np.inf]])
    change = jittered - np.array(TIMES)
    assert (change >= -limits[:, 0]).all()
    assert (change <= limits[:, 1]).all()


def test_resampled_lengths_follow_share_or_count() -> None:
    lengths = empty_ints(1)
    draw_lengths(0, 1, small_batch([[1, 2, 3, 4]]), (0.5, 0.5), True, 1.0, lengths)
    assert lengths.tolist() == [2]
    draw_lengths(0, 1, small_batch([[1, 2, 3, 4]]), (7.0, 7.0), False, 1.0, lengths)
    assert lengths.tolist() == [7]


def test_resampling_takes_the_nearest_item_and_interpolates_the_time() -> None:
    rows = small_batch([[1, 2, 3]], times=[[0, 100, 300]])
    items, times, source = np.zeros(5, np.int32), empty_ints(5), empty_ints(5)
    resample_rows(0, 1, rows, np.array([0, 5]), items, times, source)
    assert items.tolist() == [1, 2, 2, 3, 3]
    assert times.tolist() == [0, 50, 100, 200, 300]
    assert source.tolist() == [0, 1, 1, 2, 2]
