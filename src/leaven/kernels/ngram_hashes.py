"""Which items, and which runs of items, does a row hold? As 64-bit hashes, to be compared by the million."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from leaven import rng

Items = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]

_STEP = np.uint64(0x9E3779B97F4A7C15)


def multisets(items: Items, starts: Ints, place: Ints | None = None) -> Hashes:
    """uint64 (rows,): one hash of each row's items and how often it has them, whatever their order.

    With `place` int64 (events,), items at different places count as different ones.
    """
    with np.errstate(over="ignore"):
        spread = items.astype(np.uint64)
        if place is not None:
            spread = rng.mix(spread * _STEP) + place.astype(np.uint64)
        total = np.concatenate([np.zeros(1, np.uint64), np.cumsum(rng.mix(rng.mix(spread) + _STEP))])
        return total[starts[1:]] - total[starts[:-1]]  # sums wrap around, differences wrap back


def run_hashes(items: Items, starts: Ints, length: int) -> tuple[Hashes, Ints]:
    """(hash of each run of `length` items inside a row, row of each run)."""
    counts = np.maximum(np.diff(starts) - length + 1, 0)
    row = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
    first = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + starts[row]
    hashes = np.zeros(len(first), np.uint64)
    with np.errstate(over="ignore"):
        for step in range(length):
            hashes = rng.mix(hashes * _STEP + items[first + step].astype(np.uint64) + _STEP)
    return hashes, row
