"""Stable sorting of non-negative integer codes together with their original indices."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from leaven.arrays.buffer_pool import allocate_array

Ints = npt.NDArray[np.int64]


def sort_codes(codes: Ints) -> tuple[Ints, Ints]:
    """(sorted codes int64 (n,), their original indices int64 (n,)) of codes >= 0; the sort is stable.

    Index and code are packed into one integer where both fit: sorting those is several times faster than `argsort`.

    >>> [part.tolist() for part in sort_codes(np.array([5, 2, 5, 0]))]
    [[0, 2, 5, 5], [3, 1, 0, 2]]
    """
    bits = max(len(codes) - 1, 0).bit_length()
    if int(codes.max(initial=0)).bit_length() + bits > 63:
        order = np.argsort(codes, kind="stable")
        return codes[order], order
    packed, order = allocate_array(len(codes), np.int64), allocate_array(len(codes), np.int64)
    np.left_shift(codes, bits, out=packed)
    packed |= np.arange(len(codes))
    packed.sort()
    np.bitwise_and(packed, (1 << bits) - 1, out=order)
    packed >>= bits
    return packed, order
