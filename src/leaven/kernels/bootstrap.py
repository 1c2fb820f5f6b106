"""Bootstrap sums and sign-flip tests over users.

Each draw has an independent random stream, so the results do not depend on the number of threads.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit, prange

from leaven.kernels.keyed_rng import draw_bits

Table = npt.NDArray[np.float64]

_LOW_HALF = np.uint64(0xFFFFFFFF)


@njit(cache=True, parallel=True)
def resample_sums(table: Table, n_draws: int, key: np.uint64) -> Table:
    """float64 (draws, columns): column sums of bootstrap samples, each as large as the number of users.

    table float64 (users, columns), fewer than 2**31 users; a drawn user contributes all columns.
    """
    users, columns = table.shape
    sums = np.zeros((n_draws, columns))
    for draw in prange(n_draws):
        state = draw_bits(key, draw)
        row = np.zeros(columns)
        for pair in range((users + 1) // 2):
            word = draw_bits(state, pair)
            # high half of 32 bits times the number of users: an index, uniform to 1 in 2**32 / users
            first = ((word >> np.uint64(32)) * np.uint64(users)) >> np.uint64(32)
            second = ((word & _LOW_HALF) * np.uint64(users)) >> np.uint64(32)
            for column in range(columns):
                row[column] += table[first, column]
            if 2 * pair + 1 < users:
                for column in range(columns):
                    row[column] += table[second, column]
        sums[draw] = row
    return sums


@njit(cache=True, parallel=True)
def count_extreme_flips(differences: Table, n_flips: int, key: np.uint64) -> int:
    """The number of random sign assignments, out of `n_flips`, whose sum is as far from 0 as the observed one.

    differences float64 (users,).
    """
    users = len(differences)
    total, size = differences.sum(), np.abs(differences).sum()
    threshold = abs(total) - 1e-12 * size  # equal up to rounding counts as equal
    extreme = 0
    for flip in prange(n_flips):
        state = draw_bits(key, flip)
        negative = 0.0
        for start in range(0, users, 64):
            word = draw_bits(state, start)
            for user in range(start, min(start + 64, users)):
                negative += differences[user] * np.float64(word & np.uint64(1))
                word >>= np.uint64(1)
        if abs(total - 2.0 * negative) >= threshold:
            extreme += 1
    return extreme
