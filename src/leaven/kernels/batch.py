"""How do compiled kernels get at rows?"""

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
    """Rows and their chance: items int32, times int64 (events,); starts int64 (rows + 1,); keys uint64 (rows,);
    strength float32 (rows,)."""

    items: npt.NDArray[np.int32]
    times: Ints
    starts: Ints
    keys: npt.NDArray[np.uint64]
    strength: npt.NDArray[np.float32]


def batch(rows: Histories, keys: npt.NDArray[np.uint64], strength: npt.NDArray[np.float32]) -> Batch:
    """Rows as kernels take them."""
    keys, strength = np.asarray(keys, np.uint64), np.asarray(strength, np.float32)
    return Batch(frozen(rows.items), frozen(rows.times), frozen(rows.starts), frozen(keys), frozen(strength))


def room(rows: Histories, events: int) -> Ints:
    """int64: space for the source of each new event, or none where no column asks for it."""
    return space(events if rows.extra else 0, np.int64)


@njit(cache=True)
def is_changed(rows: Batch, row: int, shortest: int, p: float) -> bool:
    """Whether this row is to be changed: long enough, some strength, and draw 0 below p."""
    if rows.strength[row] <= 0.0 or rows.starts[row + 1] - rows.starts[row] < shortest:
        return False
    return draw_uniform(rows.keys[row], 0) < p


@njit(cache=True)
def within(bounds: tuple[float, float], u: float) -> float:
    """The place u (0..1) of a range."""
    return bounds[0] + (bounds[1] - bounds[0]) * u


@njit(cache=True)
def drawn_count(key: np.uint64, events: float, most: int) -> int:
    """A whole number whose mean is `events`, at most `most` (draw 2): short rows get their fair share."""
    return min(int(events + draw_uniform(key, 2)), most)
