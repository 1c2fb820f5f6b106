"""The buffer pool reuses the memory of large arrays once they are unreferenced, never before."""

import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from leaven.arrays import buffer_pool
from leaven.arrays.buffer_pool import MIN_POOLED_BYTES, allocate_array, use_buffer_pool

COUNT = MIN_POOLED_BYTES // 4


@pytest.fixture(autouse=True)
def empty_pool() -> Iterator[None]:
    gc.collect()
    use_buffer_pool(False)
    use_buffer_pool(True)
    yield
    use_buffer_pool(False)
    use_buffer_pool(True)


def address(array: np.ndarray[tuple[int], np.dtype[np.int64]]) -> int:
    return int(array.ctypes.data)


def test_memory_of_a_deleted_array_is_reused() -> None:
    first = allocate_array(COUNT, np.int64)
    was = address(first)
    del first
    assert address(allocate_array(COUNT - 5, np.int64)) == was


def test_a_view_keeps_the_memory() -> None:
    first = allocate_array(COUNT, np.int64)
    first[:] = 7
    tail = first[1:][2:].view()
    tail.flags.writeable = False
    del first
    others = [allocate_array(COUNT, np.int64) for _ in range(3)]
    for other in others:
        other[:] = 0
    assert (tail == 7).all()
    assert not buffer_pool._idle


def test_an_arrow_array_keeps_the_memory() -> None:
    import pyarrow as pa

    first = allocate_array(COUNT, np.int64)
    first[:] = 7
    column = pa.array(first)
    del first
    allocate_array(COUNT, np.int64)[:] = 0
    assert set(column.to_numpy().tolist()) == {7}


def test_a_far_too_large_buffer_is_not_reused() -> None:
    large = allocate_array(4 * COUNT, np.int64)
    was = address(large)
    del large
    assert address(allocate_array(COUNT, np.int64)) != was
    assert len(buffer_pool._idle) == 2


def test_idle_memory_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffer_pool, "MAX_IDLE_BYTES", 5 * MIN_POOLED_BYTES)
    arrays = [allocate_array(COUNT, np.int64) for _ in range(6)]
    arrays.clear()
    assert len(buffer_pool._idle) == 2


def test_small_arrays_do_not_use_the_pool() -> None:
    assert allocate_array(3, np.int32).base is None
    assert allocate_array(0, np.int64).shape == (0,)


def test_a_disabled_pool_reuses_and_keeps_nothing() -> None:
    before = allocate_array(COUNT, np.int64)
    use_buffer_pool(False)
    assert allocate_array(COUNT, np.int64).base is None
    del before
    assert not buffer_pool._idle
    assert not buffer_pool._released


@pytest.mark.parametrize(("value", "pooled"), [("0", "False"), ("1", "True")])
def test_the_environment_variable_switches_the_pool(value: str, pooled: str) -> None:
    code = "from leaven.arrays.buffer_pool import allocate_array; print(allocate_array(1 << 20, 'i8').base is not None)"
    environment = {**os.environ, "LEAVEN_BUFFER_POOL": value}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == pooled


def test_a_buffer_released_while_the_lock_is_taken_is_reused_later() -> None:
    first = allocate_array(COUNT, np.int64)
    was = address(first)
    with buffer_pool._lock:
        del first  # a finalizer in the thread that holds the lock must not wait for it
        assert address(allocate_array(COUNT, np.int64)) != was  # neither must an allocation
    assert address(allocate_array(COUNT, np.int64)) == was


def test_threads_never_share_memory() -> None:
    def write_and_check(number: int) -> bool:
        unchanged = True
        for turn in range(40):
            value = 1_000 * number + turn
            arrays = [allocate_array(MIN_POOLED_BYTES // 8 + 100 * part, np.int64) for part in range(3)]
            for array in arrays:
                array[:] = value
            unchanged &= all(bool((array == value).all()) for array in arrays)
        return unchanged

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(write_and_check, range(8)))
    finally:
        sys.setswitchinterval(interval)
