"""Pooled memory for the large arrays that kernels write.

The operating system hands out new memory page by page, zeroed, to one thread of a process after the other: a third of
the cost of a light operator. The pool reuses the memory of large arrays that are no longer referenced. It is safe with
and without the GIL. The environment variable LEAVEN_BUFFER_POOL=0, or `use_buffer_pool(False)`, turns it off.
"""

from __future__ import annotations

import os
from collections import deque
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

MIN_POOLED_BYTES = 1 << 20
"""Minimum size in bytes of an array with pooled memory."""
MAX_IDLE_BYTES = 1 << 28
"""Maximum number of idle bytes in the pool."""
MAX_SIZE_RATIO = 1.5
"""Maximum ratio of a reused buffer's size to the size of its new array."""

_Buffer = npt.NDArray[np.uint8]
_lock = Lock()  # guards _idle; never waited for, as a finalizer may interrupt the thread that holds it
_released: deque[_Buffer] = deque()  # appended to without the lock
_idle: list[_Buffer] = []  # the longest idle buffer first
_enabled = os.environ.get("LEAVEN_BUFFER_POOL", "1") != "0"


class _Lease:
    """Owns a buffer for as long as an array, or a view of that array, refers to it."""

    def __init__(self, buffer: _Buffer, count: int, dtype: np.dtype[Any]) -> None:
        self.buffer = buffer
        self.__array_interface__ = {
            "shape": (count,),
            "typestr": dtype.str,
            "data": (buffer.ctypes.data, False),
            "version": 3,
        }

    def __del__(self) -> None:
        if _enabled:
            _released.append(self.buffer)
            if _lock.acquire(blocking=False):
                try:
                    _collect_released()
                finally:
                    _lock.release()


def use_buffer_pool(enabled: bool) -> None:
    """Turn the pool on or off for this process; turning it off frees the idle memory. Results do not change.

    >>> use_buffer_pool(False); allocate_array(1 << 20, np.int64).base is None
    True
    >>> use_buffer_pool(True)
    """
    global _enabled
    _enabled = enabled
    if not enabled:
        with _lock:
            _released.clear()
            _idle.clear()


def allocate_array(count: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return an uninitialized array (count,) of this dtype, as `np.empty` does.

    >>> allocate_array(3, np.int32).shape
    (3,)
    """
    resolved = np.dtype(dtype)
    size = int(count) * resolved.itemsize
    if size < MIN_POOLED_BYTES or not _enabled:
        return np.empty(count, resolved)
    buffer = _take_idle(size)
    if buffer is None:
        buffer = np.empty(size + size // 8, np.uint8)  # a little larger, so that it fits more later arrays
    return np.asarray(_Lease(buffer, int(count), resolved))


def _take_idle(size: int) -> _Buffer | None:
    """Remove and return the smallest idle buffer of suitable size; None where there is none or the lock is taken."""
    if not _lock.acquire(blocking=False):
        return None
    try:
        _collect_released()
        fits = [at for at, buffer in enumerate(_idle) if size <= buffer.nbytes <= MAX_SIZE_RATIO * size]
        return _idle.pop(min(fits, key=lambda at: _idle[at].nbytes)) if fits else None
    finally:
        _lock.release()


def _collect_released() -> None:
    """Add released buffers to the idle ones and free the longest idle beyond `MAX_IDLE_BYTES` bytes; needs the lock."""
    while _released:
        _idle.append(_released.popleft())
    while sum(buffer.nbytes for buffer in _idle) > MAX_IDLE_BYTES:
        del _idle[0]
