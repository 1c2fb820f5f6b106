"""Random target positions of histories."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from leaven.kernels.batch import RowBatch, is_changed
from leaven.kernels.keyed_rng import draw_uniform

Ints = npt.NDArray[np.int64]


@njit(cache=True, nogil=True)
def draw_target_positions(
    begin: int, end: int, rows: RowBatch, weights: npt.NDArray[np.float64], p: float, lasts: Ints
) -> None:
    """Writes lasts int64 (rows,): the target event, drawn from all but the first by the weight of its item.

    weights float64 (n_items + 2,), above 0. Rows that are not changed (probability p × strength) keep their last event.
    """
    for row in range(begin, end):
        first, last = rows.starts[row], rows.starts[row + 1]
        lasts[row] = last - 1
        key = rows.rng_keys[row]
        if not is_changed(rows, row, 3, p * rows.strength[row]):
            continue
        total = 0.0
        for event in range(first + 1, last):
            total += weights[rows.items[event]]
        rest = draw_uniform(key, 1) * total
        event = first + 1
        while event < last - 1 and weights[rows.items[event]] <= rest:
            rest -= weights[rows.items[event]]
            event += 1
        lasts[row] = event
