"""Feature hashing of sparse numeric columns and of multi-valued columns.

The hashing trick (Weinberger et al., ICML 2009, eq. 2): the name of a feature determines its bucket and its sign, and
a row's buckets are signed sums. Inner products are unbiased, no vocabulary is fitted, and names unseen in training
have buckets too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from leaven import rng

Sums = npt.NDArray[np.float64]


def hash_features(names: Sequence[str], buckets: int) -> tuple[npt.NDArray[np.int64], Sums]:
    """The bucket (int64) and the sign (1.0 or -1.0) of each name.

    >>> hash_features(["color=red", "color=red"], 16)[0].tolist()
    [13, 13]
    """
    hashed = rng.derive_user_ids(list(names))
    return (hashed % np.uint64(buckets)).astype(np.int64), np.where(hashed >> np.uint64(63), 1.0, -1.0)


def add_numbers(sums: Sums, names: Sequence[str], cells: Iterable[npt.NDArray[np.float64]]) -> None:
    """Adds columns of numbers to sums float64 (rows, buckets), one at a time; missing cells count as 0."""
    bucket, sign = hash_features(names, sums.shape[1])
    for index, column in enumerate(cells):
        sums[:, bucket[index]] += sign[index] * np.nan_to_num(column)


def add_names(sums: Sums, rows: npt.NDArray[np.int64], names: Sequence[str]) -> None:
    """Adds a signed 1 for each (row, name); names may repeat."""
    known, index = np.unique(np.asarray(names, object).astype(str), return_inverse=True)
    bucket, sign = hash_features(known.tolist(), sums.shape[1])
    np.add.at(sums, (rows, bucket[index]), sign[index])
