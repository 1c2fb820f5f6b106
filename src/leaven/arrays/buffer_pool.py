"""Where do kernels write what is big?

New memory comes from the system a page at a time, each zeroed first, for the threads of a process one after the other:
a third of what a light operator costs. So the memory of big arrays that nobody holds any longer is used again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

BIG = 1 << 20
"""Bytes from which on an array is big."""
KEPT = 1 << 28
"""Bytes that are kept at most while nobody uses them."""
SPARE = 1.5
"""An array gets memory of at most so many times its size."""

Raw = npt.NDArray[np.uint8]
_free: dict[int, Raw] = {}
"""By identity, what has waited longest first. Threads need no lock: each single step on a dict is whole."""


class _Lease:
    """Owns memory for as long as an array lives on it, or a view of that array."""

    def __init__(self, raw: Raw, count: int, kind: np.dtype[Any]) -> None:
        self.raw = raw
        self.__array_interface__ = {
            "shape": (count,),
            "typestr": kind.str,
            "data": (raw.ctypes.data, False),
            "version": 3,
        }

    def __del__(self) -> None:
        _give_back(self.raw)


def space(count: int, kind: npt.DTypeLike) -> npt.NDArray[Any]:
    """An array (count,) of numbers of this kind whose values are not set, as `np.empty` gives it.

    >>> space(3, np.int32).shape
    (3,)
    """
    wanted = np.dtype(kind)
    size = int(count) * wanted.itemsize
    if size < BIG:
        return np.empty(count, wanted)
    return np.asarray(_Lease(_taken(size), int(count), wanted))


def _taken(size: int) -> Raw:
    """The smallest memory that is free, large enough and not far too large; else new one, with a little to spare."""
    fits = [raw for raw in list(_free.values()) if size <= raw.nbytes <= SPARE * size]
    if fits:
        raw = _free.pop(id(min(fits, key=lambda one: one.nbytes)), None)
        if raw is not None:  # else another thread was faster
            return raw
    return np.empty(size + size // 8, np.uint8)


def _give_back(raw: Raw) -> None:
    """Keep it for the next one; what has waited longest goes where it becomes too much."""
    _free[id(raw)] = raw
    while sum(one.nbytes for one in list(_free.values())) > KEPT:
        _free.pop(next(iter(list(_free))), None)
