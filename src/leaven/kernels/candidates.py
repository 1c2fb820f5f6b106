"""Which item may stand for, or beside, an item?

Candidates lie in pools: one pool an item (its neighbours), one pool a category, or one pool for all.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from leaven.kernels.chance import draw_uniform
from leaven.kernels.rows import Batch

Ints = npt.NDArray[np.int64]
Items = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]

NO_POOL = -1
_FIRST_DRAW = 1 << 20  # the draws below are those of the choice of events
_TRIES = 8


class Pools(NamedTuple):
    """Candidates and their chances.

    pool   int32 (n_items + 2,)  pool of each item, -1: none
    starts int64 (pools + 1,)    pool q holds places starts[q]:starts[q + 1] of
    items  int32 (candidates,)   the candidates, and
    mass   float64 (candidates,) their weights, summed up inside each pool
    recent int                   above 0: take one of the user's own last `recent` items before it instead
    """

    pool: Items
    starts: Ints
    items: Items
    mass: npt.NDArray[np.float64]
    recent: int


@njit(cache=True)
def _one_of_pool(pools: Pools, item: int, u: float) -> int:
    """A candidate for the item, by weight."""
    first, last = pools.starts[pools.pool[item]], pools.starts[pools.pool[item] + 1]
    aim = u * pools.mass[last - 1]
    if last - first <= 32:
        while first < last - 1 and pools.mass[first] <= aim:
            first += 1
        return pools.items[first]
    return pools.items[min(first + np.searchsorted(pools.mass[first:last], aim, side="right"), last - 1)]


@njit(cache=True)
def drawn_candidate(pools: Pools, rows: Batch, row: int, place: int) -> int:
    """An item other than the one at `place`; that one itself where there is none, or eight tries met it."""
    item, key = rows.items[place], rows.keys[row]
    for turn in range(_TRIES):
        u = draw_uniform(key, _FIRST_DRAW + _TRIES * (place - rows.starts[row]) + turn)
        if pools.recent > 0:
            before = min(place - rows.starts[row], pools.recent)
            other = rows.items[place - 1 - int(u * before)] if before > 0 else item
        elif pools.pool[item] >= 0:
            other = _one_of_pool(pools, item, u)
        else:
            return item
        if other != item and other < len(pools.pool) - 1:  # never the mask
            return other
    return item


@njit(cache=True, nogil=True)
def substitute_marked(begin: int, end: int, rows: Batch, marked: Mask, pools: Pools, items: Items) -> None:
    """items int32 (events,): marked events show a candidate for their item, the others their item."""
    for row in range(begin, end):
        for place in range(rows.starts[row], rows.starts[row + 1]):
            items[place] = drawn_candidate(pools, rows, row, place) if marked[place] else rows.items[place]


@njit(cache=True, nogil=True)
def insert_at_marked(
    begin: int,
    end: int,
    rows: Batch,
    marked: Mask,
    pools: Pools,
    starts: Ints,
    new_items: Items,
    new_times: Ints,
    source: Ints,
) -> None:
    """A candidate for each marked item stands before it, half-way in time to the event before.

    starts int64 (rows + 1,) of the new rows. A mark whose item has no candidate but itself repeats it.
    """
    for row in range(begin, end):
        to = starts[row]
        for place in range(rows.starts[row], rows.starts[row + 1]):
            time = rows.times[place]
            if marked[place]:
                new_items[to] = drawn_candidate(pools, rows, row, place)
                before = rows.times[place - 1] if place > rows.starts[row] else time
                new_times[to] = before + (time - before) // 2
                if len(source) > 0:
                    source[to] = -1
                to += 1
            new_items[to] = rows.items[place]
            new_times[to] = time
            if len(source) > 0:
                source[to] = place
            to += 1
