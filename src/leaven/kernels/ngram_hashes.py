"""64-bit hashes of item multisets and of item n-grams, for fast comparison of many rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from leaven import rng

Items = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]

_STEP = np.uint64(0x9E3779B97F4A7C15)


def hash_item_multisets(items: Items, starts: Ints, positions: Ints | None = None) -> Hashes:
    """uint64 (rows,): a hash of each row's items with their counts, independent of their order.

    With `positions` int64 (events,), equal items at different positions hash differently.
    """
    with np.errstate(over="ignore"):
        spread = items.astype(np.uint64)
        if positions is not None:
            spread = rng.mix_bits(spread * _STEP) + positions.astype(np.uint64)
        total = np.concatenate([np.zeros(1, np.uint64), np.cumsum(rng.mix_bits(rng.mix_bits(spread) + _STEP))])
        return total[starts[1:]] - total[starts[:-1]]  # differences undo the overflow of the sums


def hash_ngrams(items: Items, starts: Ints, length: int) -> tuple[Hashes, Ints]:
    """(uint64 hash of each n-gram of `length` items inside a row, int64 row of each n-gram).

    >>> hashes, rows = hash_ngrams(np.array([1, 2, 1, 2], np.int32), np.array([0, 2, 4]), 2)
    >>> rows.tolist(), bool(hashes[0] == hashes[1])
    ([0, 1], True)
    """
    counts = np.maximum(np.diff(starts) - length + 1, 0)
    row = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
    first = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + starts[row]
    hashes = np.zeros(len(first), np.uint64)
    with np.errstate(over="ignore"):
        for step in range(length):
            hashes = rng.mix_bits(hashes * _STEP + items[first + step].astype(np.uint64) + _STEP)
    return hashes, row
