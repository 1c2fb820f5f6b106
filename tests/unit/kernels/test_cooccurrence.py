"""Co-occurrence counts and top neighbors on two short rows."""

import numpy as np

from leaven.kernels.cooccurrence import count_pairs, index_occurrences, select_top_columns, select_top_neighbors

ITEMS = np.array([1, 2, 1, 3, 5, 2], np.int32)  # rows [1, 2, 1, 3] and [5, 2]; 5 is unknown
STARTS = np.array([0, 4, 6])
ROWS = np.array([0, 0, 0, 0, 1, 1], np.int32)


def sums(back: int, ahead: int, fade: float) -> dict[tuple[int, int], float]:
    starts, others, values = count_pairs(ITEMS, STARTS, ROWS, np.array([1.0, 2.0], np.float32), 4, (back, ahead, fade))
    source = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    return {(int(a), int(b)): float(value) for a, b, value in zip(source, others, values, strict=True)}


def test_events_of_every_item_are_indexed() -> None:
    starts, events = index_occurrences(ITEMS, 4)
    assert [events[starts[item] : starts[item + 1]].tolist() for item in range(5)] == [[], [0, 2], [1, 5], [3], []]


def test_pairs_count_every_meeting_with_distance_decay() -> None:
    assert sums(0, 1, 1.0) == {(1, 2): 1.0, (2, 1): 1.0, (1, 3): 1.0}
    assert sums(0, 3, 0.5) == {(1, 2): 1.0, (1, 3): 1.0 + 0.25, (2, 1): 1.0, (2, 3): 0.5}
    assert sums(1, 0, 1.0) == {(1, 2): 1.0, (2, 1): 1.0, (3, 1): 1.0}


def test_the_strongest_neighbors_are_sorted_with_ties_by_id() -> None:
    scores = np.array([1, 3, 3, 0, 2], np.float32)
    found = select_top_neighbors(np.array([0, 4, 5]), np.array([4, 7, 2, 1, 6], np.int32), scores, 2)
    assert [part.tolist() for part in found] == [[0, 2, 3], [2, 7, 6], [3.0, 3.0, 2.0]]


def test_the_strongest_columns_skip_the_own_item_and_excluded_columns() -> None:
    block = np.array([[9, 1, 5, 0, 7], [2, 9, -1, 0, 8]], np.float32)
    able = np.array([True, True, True, True, False])
    items, scores = select_top_columns(block, 0, able, 2)
    assert items.tolist() == [[2, 1], [0, 0]]
    assert scores.tolist() == [[5, 1], [2, 0]]
