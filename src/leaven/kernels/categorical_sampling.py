"""Draws items from logits, restricted to the items on sale and discounted for items already in the history."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@njit(cache=True)
def picked(logits: Floats, born: Ints, now: Ints, held: npt.NDArray[np.uint8], keep_seen: float, u: Floats) -> Ints:
    """int64 (rows,): the index, from 0, of the drawn item of each row.

    logits float64 (rows, items); born int64 (items,), now int64 (rows,): items not yet on sale are excluded, unless
    none is on sale. held uint8 (rows, items): items in the row's history get `keep_seen` times their probability,
    unless all are (held without columns: none is). u float64 (rows,): uniform draws in 0..1.
    """
    drawn = np.empty(len(logits), np.int64)
    for row in range(len(logits)):
        drawn[row] = -1
        for relaxed in range(3):  # 0: on sale, discounted; 1: on sale; 2: any item
            drawn[row] = _draw_item(logits[row], born, now[row], held[row], keep_seen, u[row], relaxed)
            if drawn[row] >= 0:
                break
    return drawn


@njit(cache=True)
def _draw_item(
    logits: Floats, born: Ints, now: int, held: npt.NDArray[np.uint8], keep_seen: float, u: float, relaxed: int
) -> int:
    factor = keep_seen if relaxed == 0 and len(held) else 1.0
    top = -np.inf
    for item in range(len(logits)):
        if (born[item] <= now or relaxed == 2) and not (factor == 0.0 and held[item]):
            top = max(top, logits[item])
    if top == -np.inf:
        return -1
    total = 0.0
    for item in range(len(logits)):
        if born[item] <= now or relaxed == 2:
            total += np.exp(logits[item] - top) * (factor if factor < 1.0 and held[item] else 1.0)
    threshold, passed, last = u * total, 0.0, -1
    for item in range(len(logits)):
        if born[item] <= now or relaxed == 2:
            share = np.exp(logits[item] - top) * (factor if factor < 1.0 and held[item] else 1.0)
            if share > 0.0:
                passed, last = passed + share, item
                if passed > threshold:
                    return item
    return last  # rounding must not pass the last item
