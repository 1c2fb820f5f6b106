"""Row batches as compiled kernels take them, and the draws that kernels share."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from leaven.arrays.buffer_pool import space
from leaven.arrays.parallel import frozen
from leaven.datasets.histories import Histories
from leaven.kernels.keyed_rng import draw_uniform

Ints = npt.NDArray[np.int64]


class Batch(NamedTuple):
    """Rows and their rng keys: items int32, times int64 (events,); starts int64 (rows + 1,); keys uint64 (rows,);
    strength float32 (rows,)."""

    items: npt.NDArray[np.int32]
    times: Ints
    starts: Ints
    keys: npt.NDArray[np.uint64]
    strength: npt.NDArray[np.float32]


def batch(rows: Histories, keys: npt.NDArray[np.uint64], strength: npt.NDArray[np.float32]) -> Batch:
    """Read-only arrays of these rows, with one rng key and one strength per row."""
    keys, strength = np.asarray(keys, np.uint64), np.asarray(strength, np.float32)
    return Batch(frozen(rows.items), frozen(rows.times), frozen(rows.starts), frozen(keys), frozen(strength))


def room(rows: Histories, events: int) -> Ints:
    """int64: an array for the source index of each new event; empty where the rows have no extra columns."""
    return space(events if rows.extra else 0, np.int64)


@njit(cache=True)
def is_changed(rows: Batch, row: int, shortest: int, p: float) -> bool:
    """Whether this row is to be changed: enough events, positive strength, and draw 0 below p."""
    if rows.strength[row] <= 0.0 or rows.starts[row + 1] - rows.starts[row] < shortest:
        return False
    return draw_uniform(rows.keys[row], 0) < p


@njit(cache=True)
def within(bounds: tuple[float, float], u: float) -> float:
    """Linear interpolation in a range; u in 0..1."""
    return bounds[0] + (bounds[1] - bounds[0]) * u


@njit(cache=True)
def drawn_count(key: np.uint64, events: float, most: int) -> int:
    """An integer with mean `events`, at most `most`, rounded stochastically with draw 2: fair to short rows."""
    return min(int(events + draw_uniform(key, 2)), most)
