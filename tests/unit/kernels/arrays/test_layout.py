"""Where rows start, as NumPy says it more slowly."""

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


def test_starts_are_running_sums() -> None:
    lengths = drawn(0, 9)
    assert (offsets(lengths) == np.concatenate([[0], np.cumsum(lengths)])).all()
    assert offsets(lengths[:0]).tolist() == [0]


def test_a_beginning_knows_the_bounds_of_stretches() -> None:
    lengths = drawn(0, 9)
    starts, known = offsets(lengths), begun(lengths)
    ends = over_rows(lambda begin, end: end, ROWS)
    assert known[0] == 0
    assert (known[ends] == starts[ends]).all()
    assert begun(lengths[:0]).tolist() == [0]


def test_rows_move_by_what_those_before_them_won_or_lost() -> None:
    lengths, more = drawn(5, 9), drawn(0, 5)[::-1]
    old = offsets(lengths) + 3  # of a slice
    assert (shifted(old, more, 1) == offsets(lengths + more)).all()
    assert (shifted(old, more, -1) == offsets(lengths - more)).all()


def test_the_span_is_that_of_all_stretches() -> None:
    items = drawn(-5, 1000).astype(np.int32)
    assert span_of(items) == (items.min(), items.max())
    assert span_of(items[:0]) == (1, 0)


def test_targets_fit_into_the_new_length() -> None:
    old, new, targets = drawn(0, 9), drawn(0, 9)[::-1], drawn(0, 9).astype(np.int32)
    room = np.maximum(new - 1, 0)
    wanted = np.where(targets >= old - 1, room, np.minimum(targets, room))
    assert (fitting_targets(targets, offsets(old), offsets(new)) == wanted).all()
