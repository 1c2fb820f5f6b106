"""Mixing and splicing of histories."""

import numpy as np
from tests.unit.kernels.batches import empty_ints, small_batch

from leaven.kernels.cooccurrence import index_occurrences
from leaven.kernels.history_mixing import DonorHistories, mix_marked, plan_splices, splice_histories

DONOR_ITEMS = np.array([5, 6, 7, 8, 9, 9, 3, 9], np.int32)
STARTS = np.array([0, 4, 8])


def donors(ids: tuple[int, int] = (100, 200), longest: int = 0) -> DonorHistories:
    row_of_event = np.repeat(np.arange(2, dtype=np.int32), 4)
    times = np.tile(np.arange(0, 40, 10), 2)
    found, places = index_occurrences(DONOR_ITEMS, 9)
    return DonorHistories(DONOR_ITEMS, times, STARTS, np.array(ids, np.uint64), row_of_event, found, places, longest)


def mix(parent: int, pool: DonorHistories) -> tuple[list[int], list[bool]]:
    rows = small_batch([[1, 2]])
    items, borrowed = np.zeros(2, np.int32), np.zeros(2, np.bool_)
    mix_marked(0, 1, rows, np.array([parent], np.uint64), np.array([False, True]), pool, items, borrowed)
    return items.tolist(), borrowed.tolist()


def test_a_marked_event_gets_the_donor_item_at_the_same_relative_position() -> None:
    assert mix(100, donors()) == ([1, 3], [False, True])  # never from itself: the second donor
    assert mix(200, donors()) == ([1, 7], [False, True])


def test_without_another_donor_or_for_long_rows_nothing_is_taken() -> None:
    assert mix(100, donors(ids=(100, 100))) == ([1, 2], [False, False])
    assert mix(100, donors(longest=1)) == ([1, 2], [False, False])


def test_a_splice_joins_histories_at_the_shared_item() -> None:
    rows = small_batch([[1, 1, 1, 3, 2]], times=[[0, 1, 2, 100, 101]])
    parents = np.array([1], np.uint64)
    seams, borrowed, kept = empty_ints(1), empty_ints(1), empty_ints(1)
    plan_splices(0, 1, rows, parents, (0.4, 0.4), True, 1.0, donors(), seams, borrowed, kept)
    assert (seams.tolist(), borrowed.tolist(), kept.tolist()) == ([6], [2], [2])
    items, times, source = np.zeros(4, np.int32), empty_ints(4), empty_ints(4)
    splice_histories(0, 1, rows, donors(), True, seams, borrowed, np.array([0, 4]), items, times, source)
    assert items.tolist() == [9, 9, 3, 2]
    assert times.tolist() == [80, 90, 100, 101]
    assert source.tolist() == [-1, -1, 3, 4]


def test_without_a_shared_item_the_row_stays() -> None:
    rows = small_batch([[1, 1, 1, 1, 1]])
    seams, borrowed, kept = empty_ints(1), empty_ints(1), empty_ints(1)
    plan_splices(0, 1, rows, np.array([1], np.uint64), (0.4, 0.4), True, 1.0, donors(), seams, borrowed, kept)
    assert (seams.tolist(), borrowed.tolist(), kept.tolist()) == ([-1], [0], [5])
