"""Random segments of rows."""

import numpy as np
import pytest
from tests.unit.kernels.batches import empty_ints, small_batch

from leaven.arrays.ragged import copy_segments
from leaven.kernels.crop import EVENTS, SECONDS, SHARE, draw_segments

ROW = list(range(1, 9))


def crop(size: float, unit: int, keep_last: bool, n: int = 400, strength: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rows = small_batch([ROW] * n, times=[[10 * i for i in range(8)]] * n, strength=strength)
    firsts, lengths = empty_ints(n), empty_ints(n)
    end, total = draw_segments(0, n, rows, (size, size), unit, keep_last, 1.0, firsts, lengths)
    assert (end, total) == (n, lengths.sum())
    return firsts - rows.starts[:-1], lengths


def test_a_share_of_the_events_stays_at_a_uniform_position() -> None:
    firsts, lengths = crop(0.5, SHARE, keep_last=False)
    assert (lengths == 4).all()
    assert set(firsts.tolist()) == {0, 1, 2, 3, 4}


@pytest.mark.parametrize(("unit", "size"), [(SHARE, 0.375), (EVENTS, 3.0), (SECONDS, 20.0)])
def test_the_last_events_stay_in_every_unit(unit: int, size: float) -> None:
    firsts, lengths = crop(size, unit, keep_last=True, n=5)
    assert lengths.tolist() == [3] * 5
    assert firsts.tolist() == [5] * 5


def test_half_the_strength_removes_half_as_much() -> None:
    assert crop(4.0, EVENTS, keep_last=True, n=2, strength=0.5)[1].tolist() == [6, 6]


def test_segments_are_copied_with_their_source() -> None:
    items, times = np.array(ROW, np.int32), np.arange(8) * 10
    starts, new_items, new_times, source = empty_ints(3), np.zeros(5, np.int32), empty_ints(5), empty_ints(5)
    copy_segments(0, 2, items, times, np.array([1, 5]), np.array([2, 3]), starts, new_items, new_times, source)
    assert starts.tolist() == [0, 2, 5]
    assert new_items.tolist() == [2, 3, 6, 7, 8]
    assert new_times.tolist() == [10, 20, 50, 60, 70]
    assert source.tolist() == [1, 2, 5, 6, 7]
