"""Random replacement items and insertions from candidate pools.

A pool belongs to an item (its neighbors), to a category, or to all items.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from leaven.kernels.batch import RowBatch
from leaven.kernels.keyed_rng import draw_uniform

Ints = npt.NDArray[np.int64]
Items = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]

NO_POOL = -1
_FIRST_DRAW = 1 << 20  # lower draws belong to the choice of events
_MAX_ATTEMPTS = 8
_ONE = np.int32(2**31 - 1)


class CandidatePools(NamedTuple):
    """Candidates and their probabilities.

    pool_of_item   int32 (n_items + 2,)   pool of each item, -1 for none
    starts int64 (pools + 1,)     pool q has slots starts[q]:starts[q + 1]
    alias_slots  int32 (candidates, 3)  alias table (Walker): (candidate, alias, probability of the candidate * 2**31)
    recent int                    above 0: draw one of the user's `recent_items` preceding items instead
    """

    pool_of_item: Items
    starts: Ints
    alias_slots: npt.NDArray[np.int32]
    recent_items: int


@njit(cache=True)
def build_alias_slots(starts: Ints, items: Items, weights: npt.NDArray[np.float64]) -> npt.NDArray[np.int32]:
    """int32 (candidates, 3): the alias table of each pool (Vose, 1991).

    starts int64 (pools + 1,); items int32 and weights float64 > 0 (candidates,).
    """
    slots = np.empty((len(items), 3), np.int32)
    rest = np.empty(len(items))
    queue = np.empty(len(items), np.int64)
    for pool in range(len(starts) - 1):
        first, last = starts[pool], starts[pool + 1]
        mean = weights[first:last].sum() / max(last - first, 1)
        small, large = first, last  # slots below the mean at the front, the others at the back
        for slot in range(first, last):
            rest[slot] = weights[slot] / mean
            if rest[slot] < 1.0:
                queue[small] = slot
                small += 1
            else:
                large -= 1
                queue[large] = slot
        while small > first and large < last:
            small -= 1
            light, heavy = queue[small], queue[large]
            slots[light, 0], slots[light, 1] = items[light], items[heavy]
            slots[light, 2] = np.int32(rest[light] * _ONE)
            rest[heavy] -= 1.0 - rest[light]
            if rest[heavy] < 1.0:
                large += 1
                queue[small] = heavy
                small += 1
        for i in range(first, small):  # left over by rounding: probability one
            slots[queue[i], :2], slots[queue[i], 2] = items[queue[i]], _ONE
        for i in range(large, last):
            slots[queue[i], :2], slots[queue[i], 2] = items[queue[i]], _ONE
    return slots


@njit(cache=True, nogil=True)
def draw_candidates(begin: int, end: int, rows: RowBatch, marked: Mask, pools: CandidatePools, drawn: Items) -> None:
    """Writes drawn int32 (events,): a candidate for each marked event, the event's own item elsewhere.

    A candidate differs from the event's item; without any, or after eight unsuccessful draws, the item stays.
    """
    for row in range(begin, end):
        key, first = rows.rng_keys[row], rows.starts[row]
        for event in range(first, rows.starts[row + 1]):
            item = rows.items[event]
            drawn[event] = item
            if not marked[event] or pools.pool_of_item[item] < 0:
                continue
            # inlined by hand: a call would update the reference count of every array, at twice the time
            slots, before, attempt, other = pools.starts[pools.pool_of_item[item]], event - first, 0, item
            size = (
                min(before, pools.recent_items)
                if pools.recent_items > 0
                else pools.starts[pools.pool_of_item[item] + 1] - slots
            )
            while size > 0 and attempt < _MAX_ATTEMPTS and (other == item or other >= len(pools.pool_of_item) - 1):
                point = size * draw_uniform(key, _FIRST_DRAW + _MAX_ATTEMPTS * before + attempt)
                slot = int(point)
                if pools.recent_items > 0:
                    other = rows.items[event - 1 - slot]
                else:
                    is_first = (point - slot) * _ONE < pools.alias_slots[slots + slot, 2]
                    other = pools.alias_slots[slots + slot, 0 if is_first else 1]
                attempt += 1
            drawn[event] = item if other >= len(pools.pool_of_item) - 1 else other


@njit(cache=True, nogil=True)
def insert_candidates(
    begin: int,
    end: int,
    rows: RowBatch,
    marked: Mask,
    drawn: Items,
    starts: Ints,
    new_items: Items,
    new_times: Ints,
    source: Ints,
) -> None:
    """Inserts the drawn item before each marked event, half-way in time to the preceding event.

    starts int64 (rows + 1,): offsets of the new rows.
    """
    for row in range(begin, end):
        target, before = starts[row], rows.times[rows.starts[row]] if rows.starts[row] < rows.starts[row + 1] else 0
        for event in range(rows.starts[row], rows.starts[row + 1]):
            time = rows.times[event]
            if marked[event]:
                new_items[target] = drawn[event]
                new_times[target] = before + (time - before) // 2
                if len(source) > 0:
                    source[target] = -1
                target += 1
            new_items[target] = rows.items[event]
            new_times[target] = time
            if len(source) > 0:
                source[target] = event
            target += 1
            before = time
