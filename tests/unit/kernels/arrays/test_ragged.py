"""Ragged layout compared with NumPy."""

import numpy as np
import pytest
from numba import config

from leaven.arrays.parallel import run_over_rows
from leaven.arrays.ragged import (
    RaggedEvents,
    clip_target_counts,
    compute_segment_offsets,
    find_equal_rows,
    find_item_range,
    gather_segments,
    shift_offsets,
)
from leaven.datasets.histories import compute_offsets

ROWS = 100_000


@pytest.fixture(autouse=True, params=[1, 3])
def threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "NUMBA_NUM_THREADS", request.param)


def drawn(low: int, high: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.random.default_rng(7).integers(low, high, ROWS)


def test_offsets_are_cumulative_sums() -> None:
    lengths = drawn(0, 9)
    assert (compute_offsets(lengths) == np.concatenate([[0], np.cumsum(lengths)])).all()
    assert compute_offsets(lengths[:0]).tolist() == [0]


def test_segment_offsets_are_set_at_segment_borders() -> None:
    lengths = drawn(0, 9)
    starts, known = compute_offsets(lengths), compute_segment_offsets(lengths)
    ends = run_over_rows(lambda begin, end: end, ROWS)
    assert known[0] == 0
    assert (known[ends] == starts[ends]).all()
    assert compute_segment_offsets(lengths[:0]).tolist() == [0]


def test_offsets_shift_by_the_changes_of_earlier_rows() -> None:
    lengths, more = drawn(5, 9), drawn(0, 5)[::-1]
    old = compute_offsets(lengths) + 3  # of a slice
    assert (shift_offsets(old, more, 1) == compute_offsets(lengths + more)).all()
    assert (shift_offsets(old, more, -1) == compute_offsets(lengths - more)).all()


def test_the_item_range_covers_all_segments() -> None:
    items = drawn(-5, 1000).astype(np.int32)
    assert find_item_range(items) == (items.min(), items.max())
    assert find_item_range(items[:0]) == (1, 0)


def test_target_counts_are_limited_to_the_new_length() -> None:
    old, new, targets = drawn(0, 9), drawn(0, 9)[::-1], drawn(0, 9).astype(np.int32)
    room = np.maximum(new - 1, 0)
    wanted = np.where(targets >= old - 1, room, np.minimum(targets, room))
    assert (clip_target_counts(targets, compute_offsets(old), compute_offsets(new)) == wanted).all()


def test_gathered_rows_hold_the_events_of_their_segments() -> None:
    starts = compute_offsets(drawn(0, 9))
    items, times = np.arange(starts[-1], dtype=np.int32), np.arange(starts[-1]) * 10
    index = np.random.default_rng(8).integers(0, ROWS, ROWS)
    firsts, lengths = starts[index], starts[index + 1] - starts[index]
    rows = gather_segments(items, times, firsts, lengths, with_source=True)
    expected = np.concatenate([np.arange(first, first + n) for first, n in zip(firsts, lengths, strict=True)])
    assert (rows.starts == compute_offsets(lengths)).all()
    assert (rows.source == expected).all()
    assert (rows.items == expected).all()
    assert (rows.times == expected * 10).all()
    assert len(gather_segments(items, times, firsts, lengths).source) == 0


def test_rows_are_equal_where_lengths_items_and_times_are() -> None:
    none = np.zeros(0, np.int64)

    def rows(*lists: list[tuple[int, int]]) -> RaggedEvents:
        events = [event for row in lists for event in row]
        items, times = np.array([i for i, _ in events], np.int32), np.array([t for _, t in events], np.int64)
        return RaggedEvents(compute_offsets(np.array([len(row) for row in lists])), items, times, none)

    left = rows([(1, 1), (2, 5)], [], [(3, 1)], [(4, 4)], [(5, 5)])
    right = rows([(1, 1), (2, 5)], [], [(3, 1), (3, 2)], [(4, 9)], [(6, 5)])
    assert find_equal_rows(left, right).tolist() == [True, True, False, False, False]
