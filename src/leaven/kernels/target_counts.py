"""Up to which event is a history learned from?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from leaven.kernels.batch import Batch, is_changed
from leaven.kernels.keyed_rng import draw_uniform

Ints = npt.NDArray[np.int64]


@njit(cache=True, nogil=True)
def pick_targets(begin: int, end: int, rows: Batch, weights: npt.NDArray[np.float64], p: float, lasts: Ints) -> None:
    """lasts int64 (rows,): the event that is the target, drawn among all but the first by the weight of its item.

    weights float64 (n_items + 2,), above 0. Rows that are not met (chance p × strength) end with their last event.
    """
    for row in range(begin, end):
        first, last = rows.starts[row], rows.starts[row + 1]
        lasts[row] = last - 1
        key = rows.keys[row]
        if not is_changed(rows, row, 3, p * rows.strength[row]):
            continue
        total = 0.0
        for place in range(first + 1, last):
            total += weights[rows.items[place]]
        aim = draw_uniform(key, 1) * total
        place = first + 1
        while place < last - 1 and weights[rows.items[place]] <= aim:
            aim -= weights[rows.items[place]]
            place += 1
        lasts[row] = place
