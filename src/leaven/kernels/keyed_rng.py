"""Random draws from rng keys inside compiled kernels.

Bit for bit the same values as `leaven.rng.bits` and `leaven.rng.uniform`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


@njit(cache=True, inline="always")
def draw_bits(key: np.uint64, draw: int) -> np.uint64:
    """uint64: draw number `draw` (from 0) of a key."""
    z = np.uint64(key) + _GOLDEN * np.uint64(draw + 1)
    z = (z ^ (z >> np.uint64(30))) * _MIX_1
    z = (z ^ (z >> np.uint64(27))) * _MIX_2
    return z ^ (z >> np.uint64(31))


@njit(cache=True, inline="always")
def draw_uniform(key: np.uint64, draw: int) -> float:
    """float64 in [0, 1): draw number `draw` of a key, 53 bits."""
    return float(draw_bits(key, draw) >> np.uint64(11)) * 2.0**-53


@njit(cache=True)
def draw_uniforms(keys: npt.NDArray[np.uint64], draws: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """float64 (keys,) in [0, 1): draw number draws[i] of keys[i].

    >>> draw_uniforms(np.array([7, 7], np.uint64), np.array([0, 1])).round(3).tolist()
    [0.39, 0.017]
    """
    values = np.empty(len(keys))
    for i in range(len(keys)):
        values[i] = draw_uniform(keys[i], draws[i])
    return values


@njit(cache=True, nogil=True)
def derive_copy_keys(
    row_ids: npt.NDArray[np.uint64], copies: npt.NDArray[np.int32], states: npt.NDArray[np.uint64]
) -> npt.NDArray[np.uint64]:
    """uint64 (sum of copies,): the keys of all copies of each row, in the order of the rows.

    states  uint64 (copies.max(),): the state of each copy's step key (`leaven.rng.derive_copy_states`)
    """
    keys = np.empty(copies.sum(), np.uint64)
    at = 0
    for row in range(len(row_ids)):
        for copy in range(copies[row]):
            z = row_ids[row] ^ states[copy]
            z = (z ^ (z >> np.uint64(30))) * _MIX_1
            z = (z ^ (z >> np.uint64(27))) * _MIX_2
            keys[at] = z ^ (z >> np.uint64(31))
            at += 1
    return keys
