"""Draws items from logits, restricted to the items on sale and discounted for items already in the history."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@njit(cache=True)
def sample_from_logits(
    logits: Floats, first_sale: Ints, times: Ints, in_history: npt.NDArray[np.uint8], repeat_factor: float, u: Floats
) -> Ints:
    """int64 (rows,): the index, from 0, of the drawn item of each row.

    logits float64 (rows, items); first_sale int64 (items,), times int64 (rows,): items not yet on sale are excluded,
    unless none is on sale. in_history uint8 (rows, items): the probability of items in the row's history is scaled by
    `repeat_factor`, unless all are (without columns: none is). u float64 (rows,): uniform draws in 0..1.
    """
    drawn, factors = np.empty(len(logits), np.int64), np.empty(logits.shape[1])
    for row in range(len(logits)):
        drawn[row] = -1
        for relaxed in range(3):  # 0: on sale, discounted; 1: on sale; 2: any item
            for item in range(logits.shape[1]):
                is_seen = relaxed == 0 and in_history.shape[1] > 0 and in_history[row, item] > 0
                factors[item] = min(repeat_factor, 1.0) if is_seen else 1.0
                if first_sale[item] > times[row] and relaxed < 2:
                    factors[item] = 0.0
            drawn[row] = _draw_item(logits[row], factors, u[row])
            if drawn[row] >= 0:
                break
    return drawn


@njit(cache=True)
def _draw_item(logits: Floats, factors: Floats, u: float) -> int:
    """An item with probability proportional to exp(logit) * factor; -1 where all factors are 0."""
    top = -np.inf
    for item in range(len(logits)):
        if factors[item] > 0.0:
            top = max(top, logits[item])
    if top == -np.inf:
        return -1
    total = 0.0
    for item in range(len(logits)):
        if factors[item] > 0.0:
            total += np.exp(logits[item] - top) * factors[item]
    threshold, passed, last = u * total, 0.0, -1
    for item in range(len(logits)):
        share = np.exp(logits[item] - top) * factors[item] if factors[item] > 0.0 else 0.0
        if share > 0.0:
            passed, last = passed + share, item
            if passed > threshold:
                return item
    return last  # rounding must not pass the last item
