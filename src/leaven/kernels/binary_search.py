"""Searches in sorted segments and in rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

Items = npt.NDArray[np.int32]


@njit(cache=True)
def find_index(values: Items, low: int, high: int, value: int) -> int:
    """The index of `value` in the ascending values[low:high]; -1 where it is absent."""
    end = high
    while low < high:
        middle = (low + high) // 2
        if values[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low if low < end and values[low] == value else -1


@njit(cache=True)
def find_first_above(cumulative: npt.NDArray[Any], low: int, high: int, threshold: float) -> int:
    """The first index in the ascending mass[low:high] with a value above `threshold`; high - 1 at most."""
    last = high - 1
    while low < high:
        middle = (low + high) // 2
        if cumulative[middle] <= threshold:
            low = middle + 1
        else:
            high = middle
    return min(low, last)


@njit(cache=True)
def contains_item(items: Items, low: int, high: int, item: int) -> bool:
    """Whether items[low:high] contains this item."""
    at = low
    while at < high and items[at] != item:
        at += 1
    return at < high
