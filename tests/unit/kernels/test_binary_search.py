"""Searches compared with NumPy."""

import numpy as np

from leaven.kernels.binary_search import contains_item, find_first_above, find_index

VALUES = np.array([9, 1, 3, 3, 7, 0], np.int32)  # ascending from 1 to 4


def test_the_index_of_a_value_in_a_segment() -> None:
    assert find_index(VALUES, 1, 5, 7) == 4
    assert find_index(VALUES, 1, 5, 3) == 2
    assert [find_index(VALUES, 1, 5, value) for value in (0, 2, 9)] == [-1, -1, -1]
    assert find_index(VALUES, 2, 2, 3) == -1


def test_the_first_cumulative_value_above_a_threshold() -> None:
    cumulative = np.cumsum([0.5, 0.25, 0.25])
    thresholds = (0.0, 0.49, 0.5, 0.75, 1.0)
    expected = np.minimum(np.searchsorted(cumulative, thresholds, side="right"), 2).tolist()
    assert [find_first_above(cumulative, 0, 3, threshold) for threshold in thresholds] == expected


def test_an_item_is_found_only_inside_the_segment() -> None:
    assert contains_item(VALUES, 1, 5, 7)
    assert not contains_item(VALUES, 1, 4, 7)
    assert not contains_item(VALUES, 2, 2, 3)
