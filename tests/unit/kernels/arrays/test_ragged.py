"""Ragged layout compared with NumPy."""

import numpy as np
import pytest
from numba import config

from leaven.arrays.parallel import over_rows
from leaven.arrays.ragged import begun, fitting_targets, shifted, span_of
from leaven.datasets.histories import offsets

ROWS = 100_000


@pytest.fixture(autouse=True, params=[1, 3])
def threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "NUMBA_NUM_THREADS", request.param)


def drawn(low: int, high: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.random.default_rng(7).integers(low, high, ROWS)


def test_offsets_are_cumulative_sums() -> None:
    lengths = drawn(0, 9)
    assert (offsets(lengths) == np.concatenate([[0], np.cumsum(lengths)])).all()
    assert offsets(lengths[:0]).tolist() == [0]


def test_segment_offsets_are_set_at_segment_borders() -> None:
    lengths = drawn(0, 9)
    starts, known = offsets(lengths), begun(lengths)
    ends = over_rows(lambda begin, end: end, ROWS)
    assert known[0] == 0
    assert (known[ends] == starts[ends]).all()
    assert begun(lengths[:0]).tolist() == [0]


def test_offsets_shift_by_the_changes_of_earlier_rows() -> None:
    lengths, more = drawn(5, 9), drawn(0, 5)[::-1]
    old = offsets(lengths) + 3  # of a slice
    assert (shifted(old, more, 1) == offsets(lengths + more)).all()
    assert (shifted(old, more, -1) == offsets(lengths - more)).all()


def test_the_item_range_covers_all_segments() -> None:
    items = drawn(-5, 1000).astype(np.int32)
    assert span_of(items) == (items.min(), items.max())
    assert span_of(items[:0]) == (1, 0)


def test_target_counts_are_limited_to_the_new_length() -> None:
    old, new, targets = drawn(0, 9), drawn(0, 9)[::-1], drawn(0, 9).astype(np.int32)
    room = np.maximum(new - 1, 0)
    wanted = np.where(targets >= old - 1, room, np.minimum(targets, room))
    assert (fitting_targets(targets, offsets(old), offsets(new)) == wanted).all()
