"""How do thousands of sparse columns, and columns that hold several names, become a few numbers?

The hashing trick (Weinberger and others, ICML 2009, eq. 2): each feature has a bucket and a sign that follow from its
name, and a row's buckets are signed sums. Inner products stay right in the mean, so no dictionary of names has to be
learned, and names that training never saw have their place.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from leaven import rng

Sums = npt.NDArray[np.float64]


def places(names: Sequence[str], buckets: int) -> tuple[npt.NDArray[np.int64], Sums]:
    """(bucket int64, sign 1.0 or -1.0) of each name.

    >>> places(["colour=red", "colour=red"], 16)[0].tolist()
    [5, 5]
    """
    hashed = rng.user_keys(list(names))
    return (hashed % np.uint64(buckets)).astype(np.int64), np.where(hashed >> np.uint64(63), 1.0, -1.0)


def add_numbers(sums: Sums, names: Sequence[str], cells: Iterable[npt.NDArray[np.float64]]) -> None:
    """Adds whole columns of numbers to sums float64 (rows, buckets), one at a time; missing cells are 0."""
    bucket, sign = places(names, sums.shape[1])
    for place, column in enumerate(cells):
        sums[:, bucket[place]] += sign[place] * np.nan_to_num(column)


def add_names(sums: Sums, rows: npt.NDArray[np.int64], names: Sequence[str]) -> None:
    """Adds 1 (signed) for each (row, name); names may be many, and the same again."""
    known, which = np.unique(np.asarray(names, object).astype(str), return_inverse=True)
    bucket, sign = places(known.tolist(), sums.shape[1])
    np.add.at(sums, (rows, bucket[which]), sign[which])
