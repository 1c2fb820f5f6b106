"""Random draws from rng keys inside compiled kernels.

Bit for bit the same values as `leaven.rng.bits` and `leaven.rng.uniform`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from leaven.arrays.parallel import freeze_array, run_over_rows
from leaven.rng import derive_copy_states

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


def derive_copy_keys(
    step_key: int, row_ids: npt.NDArray[np.uint64], copies: npt.NDArray[np.int64], epoch: int
) -> npt.NDArray[np.uint64]:
    """uint64 (rows,): the key of each row for one step and epoch; copies int64 (rows,): its copy, from 0.

    The same as `leaven.rng.derive_row_keys` for each copy, in one pass.

    >>> from leaven.rng import derive_row_keys
    >>> derive_copy_keys(7, np.array([5, 5], np.uint64), np.array([0, 1]), epoch=2)[1] == derive_row_keys(
    ...     7, np.array([5], np.uint64), copy=1, epoch=2
    ... )[0]
    np.True_
    """
    keys = np.empty(len(row_ids), np.uint64)
    states = derive_copy_states(step_key, np.arange(int(copies.max(initial=-1)) + 1), epoch)
    run_over_rows(_mix_states, len(keys), freeze_array(row_ids), freeze_array(copies), states, keys)
    return keys


@njit(cache=True, nogil=True)
def _mix_states(
    begin: int,
    end: int,
    row_ids: npt.NDArray[np.uint64],
    copies: npt.NDArray[np.int64],
    states: npt.NDArray[np.uint64],
    keys: npt.NDArray[np.uint64],
) -> None:
    for row in range(begin, end):
        z = row_ids[row] ^ states[copies[row]]
        z = (z ^ (z >> np.uint64(30))) * _MIX_1
        z = (z ^ (z >> np.uint64(27))) * _MIX_2
        keys[row] = z ^ (z >> np.uint64(31))
