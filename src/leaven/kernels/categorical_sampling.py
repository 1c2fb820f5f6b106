"""Which item does a draw point at, given every item's logit and what may be taken?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@njit(cache=True)
def picked(logits: Floats, born: Ints, now: Ints, held: npt.NDArray[np.uint8], keep_seen: float, u: Floats) -> Ints:
    """int64 (rows,): the place, from 0, of each row's item.

    logits float64 (rows, items); born int64 (items,), now int64 (rows,): what is not on sale yet is left out, unless
    nothing is; held uint8 (rows, items): what the row holds is `keep_seen` times as likely, unless it holds everything
    (held may have no columns: then nothing is held); u float64 (rows,) in 0..1.
    """
    found = np.empty(len(logits), np.int64)
    for row in range(len(logits)):
        found[row] = -1
        for relaxed in range(3):  # on sale and new; on sale; anything
            found[row] = _pick(logits[row], born, now[row], held[row], keep_seen, u[row], relaxed)
            if found[row] >= 0:
                break
    return found


@njit(cache=True)
def _pick(
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
    wanted, passed, last = u * total, 0.0, -1
    for item in range(len(logits)):
        if born[item] <= now or relaxed == 2:
            share = np.exp(logits[item] - top) * (factor if factor < 1.0 and held[item] else 1.0)
            if share > 0.0:
                passed, last = passed + share, item
                if passed > wanted:
                    return item
    return last  # rounding must not point behind the last one
