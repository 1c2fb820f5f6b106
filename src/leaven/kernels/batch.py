"""Row batches as compiled kernels take them, and the draws that kernels share."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from leaven.arrays.buffer_pool import allocate_array
from leaven.arrays.parallel import freeze_array
from leaven.datasets.histories import Histories
from leaven.kernels.keyed_rng import draw_uniform

Ints = npt.NDArray[np.int64]


class RowBatch(NamedTuple):
    """Rows and their rng keys: items int32, times int64 (events,); starts int64 (rows + 1,); keys uint64 (rows,);
    strength float32 (rows,)."""

    items: npt.NDArray[np.int32]
    times: Ints
    starts: Ints
    rng_keys: npt.NDArray[np.uint64]
    strength: npt.NDArray[np.float32]


def make_batch(rows: Histories, rng_keys: npt.NDArray[np.uint64], strength: npt.NDArray[np.float32]) -> RowBatch:
    """Read-only arrays of these rows, with one rng key and one strength per row."""
    rng_keys, strength = np.asarray(rng_keys, np.uint64), np.asarray(strength, np.float32)
    return RowBatch(
        freeze_array(rows.items),
        freeze_array(rows.times),
        freeze_array(rows.starts),
        freeze_array(rng_keys),
        freeze_array(strength),
    )


def allocate_source(rows: Histories, n_events: int) -> Ints:
    """int64: an array for the source index of each new event; empty where the rows have no extra columns."""
    return allocate_array(n_events if rows.extra else 0, np.int64)


@njit(cache=True)
def is_changed(rows: RowBatch, row: int, min_events: int, p: float) -> bool:
    """Whether this row is to be changed: enough events, positive strength, and draw 0 below p."""
    if rows.strength[row] <= 0.0 or rows.starts[row + 1] - rows.starts[row] < min_events:
        return False
    return draw_uniform(rows.rng_keys[row], 0) < p


@njit(cache=True)
def interpolate_range(value_range: tuple[float, float], u: float) -> float:
    """Linear interpolation in a range; u in 0..1."""
    return value_range[0] + (value_range[1] - value_range[0]) * u


@njit(cache=True)
def draw_count(key: np.uint64, mean: float, max_count: int) -> int:
    """An integer with mean `mean`, at most `max_count`, rounded stochastically with draw 2: fair to short rows."""
    return min(int(mean + draw_uniform(key, 2)), max_count)
