"""Which item may stand for, or beside, an item?

Candidates lie in pools: one pool an item (its neighbours), one pool a category, or one pool for all.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from leaven.kernels.batch import Batch
from leaven.kernels.keyed_rng import draw_uniform

Ints = npt.NDArray[np.int64]
Items = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]

NO_POOL = -1
_FIRST_DRAW = 1 << 20  # the draws below are those of the choice of events
_TRIES = 8
_WHOLE = np.int32(2**31 - 1)


class Pools(NamedTuple):
    """Candidates and their chances.

    pool   int32 (n_items + 2,)   pool of each item, -1: none
    starts int64 (pools + 1,)     pool q holds slots starts[q]:starts[q + 1] of
    slots  int32 (candidates, 3)  (candidate, another one, chance of the first in 1 / 2**31): Walker's alias table
    recent int                    above 0: take one of the user's own last `recent` items before it instead
    """

    pool: Items
    starts: Ints
    slots: npt.NDArray[np.int32]
    recent: int


@njit(cache=True)
def alias_slots(starts: Ints, items: Items, weights: npt.NDArray[np.float64]) -> npt.NDArray[np.int32]:
    """int32 (candidates, 3): slots of equal chance that give each candidate its weight inside its pool (Vose, 1991).

    starts int64 (pools + 1,); items int32, weights float64 (candidates,), above 0.
    """
    slots = np.empty((len(items), 3), np.int32)
    left = np.empty(len(items))
    waiting = np.empty(len(items), np.int64)
    for pool in range(len(starts) - 1):
        first, last = starts[pool], starts[pool + 1]
        mean = weights[first:last].sum() / max(last - first, 1)
        small, large = first, last  # slots below one share wait at the front, the others at the back
        for slot in range(first, last):
            left[slot] = weights[slot] / mean
            if left[slot] < 1.0:
                waiting[small] = slot
                small += 1
            else:
                large -= 1
                waiting[large] = slot
        while small > first and large < last:
            small -= 1
            little, much = waiting[small], waiting[large]
            slots[little, 0], slots[little, 1] = items[little], items[much]
            slots[little, 2] = np.int32(left[little] * _WHOLE)
            left[much] -= 1.0 - left[little]
            if left[much] < 1.0:
                large += 1
                waiting[small] = much
                small += 1
        for place in range(first, small):  # what rounding leaves over is a whole share
            slots[waiting[place], :2], slots[waiting[place], 2] = items[waiting[place]], _WHOLE
        for place in range(large, last):
            slots[waiting[place], :2], slots[waiting[place], 2] = items[waiting[place]], _WHOLE
    return slots


@njit(cache=True, nogil=True)
def draw_for_marked(begin: int, end: int, rows: Batch, marked: Mask, pools: Pools, drawn: Items) -> None:
    """drawn int32 (events,): a candidate for each marked event, the event's own item elsewhere.

    A candidate is another item than the event's; where there is none, or eight tries met it, the own one stays.
    """
    for row in range(begin, end):
        key, first = rows.keys[row], rows.starts[row]
        for place in range(first, rows.starts[row + 1]):
            item = rows.items[place]
            drawn[place] = item
            if not marked[place] or pools.pool[item] < 0:
                continue
            # written out here: a call would count references to every array of both tuples, at twice the time
            slots, before, turn, other = pools.starts[pools.pool[item]], place - first, 0, item
            size = min(before, pools.recent) if pools.recent > 0 else pools.starts[pools.pool[item] + 1] - slots
            while size > 0 and turn < _TRIES and (other == item or other >= len(pools.pool) - 1):  # never the mask
                aim = size * draw_uniform(key, _FIRST_DRAW + _TRIES * before + turn)
                slot = int(aim)
                if pools.recent > 0:
                    other = rows.items[place - 1 - slot]
                else:
                    is_own = (aim - slot) * _WHOLE < pools.slots[slots + slot, 2]
                    other = pools.slots[slots + slot, 0 if is_own else 1]
                turn += 1
            drawn[place] = item if other >= len(pools.pool) - 1 else other


@njit(cache=True, nogil=True)
def insert_before_marked(
    begin: int,
    end: int,
    rows: Batch,
    marked: Mask,
    drawn: Items,
    starts: Ints,
    new_items: Items,
    new_times: Ints,
    source: Ints,
) -> None:
    """The drawn item of each marked event stands before it, half-way in time to the event before.

    starts int64 (rows + 1,) of the new rows.
    """
    for row in range(begin, end):
        to, before = starts[row], rows.times[rows.starts[row]] if rows.starts[row] < rows.starts[row + 1] else 0
        for place in range(rows.starts[row], rows.starts[row + 1]):
            time = rows.times[place]
            if marked[place]:
                new_items[to] = drawn[place]
                new_times[to] = before + (time - before) // 2
                if len(source) > 0:
                    source[to] = -1
                to += 1
            new_items[to] = rows.items[place]
            new_times[to] = time
            if len(source) > 0:
                source[to] = place
            to += 1
            before = time
