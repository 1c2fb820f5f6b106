"""Which items stand near each item in the histories?

Weights are added as whole numbers of 2**-30, so that sums do not depend on the order of the rows.
One item is worked out at a time: memory is the events and the kept neighbours, never all pairs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from leaven.kernels.top_k import offer, pour

Floats = npt.NDArray[np.float64]
Similarities = npt.NDArray[np.float32]
Items = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]

UNIT = 2.0**30
"""One, in the whole numbers that weights are added in."""


class Occurrences(NamedTuple):
    """Where each item stands in the rows.

    items   int32 (events,), starts int64 (rows + 1,)  the rows
    weight  float64 (rows,)           weight of each row, 0 or more
    first_target int64 (rows,)        place of the first event of each row that is a target
    starts_of int64 (n_items + 2,)    item i owns places starts_of[i]:starts_of[i + 1]
    event   int64 (known events,)     the events of each item; row int64 (known events,): their rows
    """

    items: Items
    starts: Ints
    weight: Floats
    first_target: Ints
    starts_of: Ints
    event: Ints
    row: Ints


class Law(NamedTuple):
    """How two events of a row make their items neighbours.

    forward, backward  float64 (reach + 1,)  weight of a pair by how many places lie between; place 0 is unused
    source, target     float64 (n_items + 1,)  what a sum is multiplied with, by the item before the arrow and after
    doubt              a sum s counts as s * s / (s + doubt)
    """

    forward: Floats
    backward: Floats
    source: Floats
    target: Floats
    doubt: float


@njit(cache=True)
def places(items: Items, starts: Ints, n_items: int) -> tuple[Ints, Ints, Ints]:
    """(starts_of, event, row) of `Occurrences`; the mask and padding have no place."""
    starts_of = np.zeros(n_items + 2, np.int64)
    for item in items:
        if 1 <= item <= n_items:
            starts_of[item + 1] += 1
    starts_of = np.cumsum(starts_of)
    free = starts_of.copy()
    event, row = np.empty(starts_of[-1], np.int64), np.empty(starts_of[-1], np.int64)
    for r in range(len(starts) - 1):
        for e in range(starts[r], starts[r + 1]):
            item = items[e]
            if 1 <= item <= n_items:
                event[free[item]], row[free[item]] = e, r
                free[item] += 1
    return starts_of, event, row


@njit(cache=True)
def _count_beside(rows: Occurrences, law: Law, item: int, sums: Ints, touched: Items) -> int:
    """Add up the weights of all pairs that lead away from an item; returns how many items were touched.

    The later event of a pair must be a target: a row cut into its prefixes, each with its last event
    as target, counts like the row as a whole.
    """
    count, reach, n_items = 0, len(law.forward) - 1, len(sums) - 1
    for place in range(rows.starts_of[item], rows.starts_of[item + 1]):
        here, row = rows.event[place], rows.row[place]
        low, high = max(rows.starts[row], here - reach), min(rows.starts[row + 1], here + reach + 1)
        for there in range(low, high):
            other = rows.items[there]
            if there == here or other < 1 or other > n_items or max(here, there) < rows.first_target[row]:
                continue
            share = law.forward[there - here] if there > here else law.backward[here - there]
            add = np.int64(np.rint(share * rows.weight[row] * UNIT))
            if add > 0:
                if sums[other] == 0:
                    touched[count] = other
                    count += 1
                sums[other] += add
    return count


@njit(cache=True, nogil=True)
def nearest_items(rows: Occurrences, law: Law, first: int, last: int, keep: int) -> tuple[Ints, Items, Similarities]:
    """The neighbours of items first..last - 1: (how many int64, ids int32, similarities float32), nearest first.

    similarity of a -> b = s * s / (s + doubt) * source[a] * target[b], with s the weight of all pairs a -> b.
    """
    n_items = len(law.source) - 1
    sums, touched = np.zeros(n_items + 1, np.int64), np.zeros(n_items, np.int32)
    best, best_scores = np.zeros(keep, np.int32), np.zeros(keep)
    lengths = np.zeros(last - first, np.int64)
    ids, similarity = np.zeros((last - first) * keep, np.int32), np.zeros((last - first) * keep, np.float32)
    end = 0
    for item in range(first, last):
        count, size = _count_beside(rows, law, item, sums, touched), 0
        for other in touched[:count]:
            s = sums[other] / UNIT
            sums[other] = 0
            value = s * (s / (s + law.doubt)) * law.source[item] * law.target[other]
            if np.float32(value) > 0.0:
                size = offer(best_scores, best, size, value, other)
        pour(best_scores, best, size, ids[end : end + size], similarity[end : end + size])
        lengths[item - first] = size
        end += size
    return lengths, ids[:end].copy(), similarity[:end].copy()
