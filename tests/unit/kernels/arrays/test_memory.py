"""Memory of big arrays is used again once nobody holds them, never before."""

import gc
from collections.abc import Iterator

import numpy as np
import pytest

from leaven.arrays import buffer_pool
from leaven.arrays.buffer_pool import BIG, space

COUNT = BIG // 4


@pytest.fixture(autouse=True)
def nothing_free() -> Iterator[None]:
    gc.collect()
    buffer_pool._free.clear()
    yield
    buffer_pool._free.clear()


def place(array: np.ndarray[tuple[int], np.dtype[np.int64]]) -> int:
    return int(array.ctypes.data)


def test_the_memory_of_an_array_that_is_gone_serves_the_next_one() -> None:
    first = space(COUNT, np.int64)
    was = place(first)
    del first
    assert place(space(COUNT - 5, np.int64)) == was


def test_a_view_holds_the_memory() -> None:
    first = space(COUNT, np.int64)
    first[:] = 7
    tail = first[1:][2:].view()
    tail.flags.writeable = False
    del first
    others = [space(COUNT, np.int64) for _ in range(3)]
    for other in others:
        other[:] = 0
    assert (tail == 7).all()
    assert not buffer_pool._free


def test_arrow_holds_the_memory_too() -> None:
    import pyarrow as pa

    first = space(COUNT, np.int64)
    first[:] = 7
    column = pa.array(first)
    del first
    space(COUNT, np.int64)[:] = 0
    assert set(column.to_numpy().tolist()) == {7}


def test_one_that_is_far_too_large_is_left_for_others() -> None:
    large = space(4 * COUNT, np.int64)
    was = place(large)
    del large
    assert place(space(COUNT, np.int64)) != was
    assert len(buffer_pool._free) == 2


def test_no_more_is_kept_than_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffer_pool, "KEPT", 5 * BIG)
    held = [space(COUNT, np.int64) for _ in range(6)]
    held.clear()
    assert len(buffer_pool._free) == 2


def test_small_arrays_are_plain() -> None:
    assert space(3, np.int32).base is None
    assert space(0, np.int64).shape == (0,)
