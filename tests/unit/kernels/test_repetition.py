"""Repetition of whole histories."""

import numpy as np
from tests.unit.kernels.batches import empty_ints, small_batch

from leaven.kernels.repetition import count_copies, repeat_rows


def test_as_many_copies_as_fit_into_the_length() -> None:
    copies = empty_ints(3)
    count_copies(0, 3, small_batch([[1, 2], [1, 2, 3], [1]]), (1.0, 1.0), 8, 1, 1.0, copies)
    assert copies.tolist() == [2, 1, 3]  # copies and separators next to the row itself


def test_copies_precede_the_row_and_times_ascend() -> None:
    rows = small_batch([[1, 2]], times=[[100, 110]])
    items, times, source = np.zeros(5, np.int32), empty_ints(5), empty_ints(5)
    repeat_rows(0, 1, rows, np.array([1]), 10, np.array([0, 5]), items, times, source)
    assert items.tolist() == [1, 2, 10, 1, 2]
    assert times.tolist() == [80, 90, 90, 100, 110]  # span plus mean gap earlier
    assert source.tolist() == [0, 1, -1, 0, 1]
