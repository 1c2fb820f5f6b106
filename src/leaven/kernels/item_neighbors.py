"""Weighted item-to-item neighbors from co-occurrence in histories.

Weights are summed as integers in units of 2**-30, so that sums do not depend on the order of the rows. Items are
processed one at a time: memory holds the events and the kept neighbors, never all pairs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from leaven.arrays.parallel import freeze_array
from leaven.kernels.cooccurrence import index_occurrences
from leaven.kernels.top_n_lists import pop_sorted, push_item

Floats = npt.NDArray[np.float64]
Similarities = npt.NDArray[np.float32]
Items = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]

FIXED_POINT_ONE = 2.0**30
"""The value 1 in the fixed-point numbers of the sums."""


class EventIndex(NamedTuple):
    """The rows, and the events of each item.

    items   int32 (events,), starts int64 (rows + 1,)  the rows
    row_weights  float64 (rows,)           weight of each row, 0 or more
    first_target int64 (rows,)        index of the first event of each row that is a target
    starts_of int64 (n_items + 2,)    item i has events event[starts_of[i]:starts_of[i + 1]]
    item_events   int64 (known events,)     the events of each item; row int64 (known events,): their rows
    """

    items: Items
    starts: Ints
    row_weights: Floats
    first_target: Ints
    item_starts: Ints
    item_events: Ints
    item_event_rows: Ints


class PairWeights(NamedTuple):
    """Weights of event pairs and of items.

    forward, backward  float64 (reach + 1,)  weight of a pair by distance; index 0 is unused
    source_factors, target_factors     float64 (n_items + 1,)  factor of a sum by its source and target item
    shrinkage              shrinkage: a sum s counts as s * s / (s + doubt)
    """

    forward: Floats
    backward: Floats
    source_factors: Floats
    target_factors: Floats
    shrinkage: float


class NeighborBlock(NamedTuple):
    """Neighbors of consecutive items: counts int64 (items,); ids int32, similarities float32 (sum of counts,)."""

    counts: Ints
    ids: Items
    similarities: Similarities


def index_events(items: Items, starts: Ints, row_weights: Floats, first_target: Ints, n_items: int) -> EventIndex:
    """The index of these rows (fields as in `EventIndex`), all arrays read-only; mask and padding are not indexed."""
    item_starts, item_events = index_occurrences(items, n_items)
    item_event_rows = np.repeat(np.arange(len(starts) - 1), np.diff(starts))[item_events]
    return EventIndex(
        freeze_array(items),
        freeze_array(starts),
        freeze_array(row_weights),
        freeze_array(first_target),
        freeze_array(item_starts),
        freeze_array(item_events),
        freeze_array(item_event_rows),
    )


@njit(cache=True)
def _sum_pair_weights(rows: EventIndex, pair_weights: PairWeights, item: int, sums: Ints, touched: Items) -> int:
    """Sum the weights of all pairs whose source is this item; returns the number of items touched.

    The later event of a pair must be a target, so that a row split into prefixes with one target each counts as the
    whole row does.
    """
    count, reach, n_items = 0, len(pair_weights.forward) - 1, len(sums) - 1
    for i in range(rows.item_starts[item], rows.item_starts[item + 1]):
        here, row = rows.item_events[i], rows.item_event_rows[i]
        low, high = max(rows.starts[row], here - reach), min(rows.starts[row + 1], here + reach + 1)
        for there in range(low, high):
            other = rows.items[there]
            if there == here or other < 1 or other > n_items or max(here, there) < rows.first_target[row]:
                continue
            share = pair_weights.forward[there - here] if there > here else pair_weights.backward[here - there]
            add = np.int64(np.rint(share * rows.row_weights[row] * FIXED_POINT_ONE))
            if add > 0:
                if sums[other] == 0:
                    touched[count] = other
                    count += 1
                sums[other] += add
    return count


@njit(cache=True, nogil=True)
def find_neighbors(
    rows: EventIndex, pair_weights: PairWeights, first: int, last: int, max_neighbors: int
) -> NeighborBlock:
    """The neighbors of items first..last - 1, the most similar first.

    similarity of a -> b = s * s / (s + doubt) * source[a] * target[b], with s the summed weight of all pairs a -> b.
    """
    n_items = len(pair_weights.source_factors) - 1
    sums, touched = np.zeros(n_items + 1, np.int64), np.zeros(n_items, np.int32)
    best, best_scores = np.zeros(max_neighbors, np.int32), np.zeros(max_neighbors)
    lengths = np.zeros(last - first, np.int64)
    capacity = (last - first) * max_neighbors
    ids, similarity = np.zeros(capacity, np.int32), np.zeros(capacity, np.float32)
    end = 0
    for item in range(first, last):
        count, size = _sum_pair_weights(rows, pair_weights, item, sums, touched), 0
        for other in touched[:count]:
            s = sums[other] / FIXED_POINT_ONE
            sums[other] = 0
            value = (
                s
                * (s / (s + pair_weights.shrinkage))
                * pair_weights.source_factors[item]
                * pair_weights.target_factors[other]
            )
            if np.float32(value) > 0.0:
                size = push_item(best_scores, best, size, value, other)
        pop_sorted(best_scores, best, size, ids[end : end + size], similarity[end : end + size])
        lengths[item - first] = size
        end += size
    return NeighborBlock(lengths, ids[:end].copy(), similarity[:end].copy())
