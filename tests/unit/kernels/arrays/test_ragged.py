"""Ragged layout compared with NumPy."""

import numpy as np
import pytest
from numba import config

from leaven.arrays.parallel import run_over_rows
from leaven.arrays.ragged import clip_target_counts, compute_segment_offsets, find_item_range, shift_offsets
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
