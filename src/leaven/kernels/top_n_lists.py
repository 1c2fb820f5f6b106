"""Top-n recommendation lists by popularity and by neighbors.

Ties are broken by id. Items in the history are excluded unless repeats are allowed; mask and unknown ids are never
candidates.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
from numba import njit

from leaven.kernels.top_k import pop_sorted, push_item

Floats = npt.NDArray[np.float64]
Similarities = npt.NDArray[np.float32]
Items = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]

Kind = TypeVar("Kind", bound=np.generic)


class NeighborLists(NamedTuple):
    """Neighbors and popularity of the dense ids 0..n_items; id 0 has none.

    starts     int64 (n_items + 2,)   item i has neighbors starts[i]:starts[i + 1]
    items      int32 (pairs,)         neighbors, the most similar first
    similarity float32 (pairs,)       0 or more
    popularity_order      int32 (n_items,)       all items, the most popular first, equal ones by id
    base_scores      float64 (n_items + 1,) base score of each item, descending along `popularity_order`
    """

    starts: Ints
    items: Items
    similarity: Similarities
    popularity_order: Items
    base_scores: Floats


def freeze_array(array: npt.NDArray[Kind]) -> npt.NDArray[Kind]:
    """A contiguous read-only view: memory-mapped, read-only and writable arrays share one compiled version."""
    view: npt.NDArray[Any] = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


@njit(cache=True, nogil=True)
def fill_popular_lists(order: Items, items: Items, starts: Ints, repeats: bool, out: Items) -> None:
    """Write the first items of `order` (int32 (n_items,)) that are not in each history.

    out int32 (rows, k): zeros on entry; 0 remains where no item is left.
    """
    n_items = len(order)
    seen = np.full(n_items + 2, -1, np.int64)
    for row in range(len(out)):
        if not repeats:
            for event in range(starts[row], starts[row + 1]):
                seen[items[event]] = row
        rank = 0
        for item in order:
            if rank == out.shape[1]:
                break
            if seen[item] != row:
                out[row, rank] = item
                rank += 1


@njit(cache=True)
def _sum_similarities(neighbors: NeighborLists, past: Items, recency: Floats, sums: Floats, touched: Items) -> int:
    """Sum the similarities to the last events of a history; returns the number of items in `touched`."""
    n_items, count = len(neighbors.popularity_order), 0
    for back in range(min(len(recency), len(past))):
        source = past[len(past) - 1 - back]
        if source < 1 or source > n_items:
            continue
        for pair in range(neighbors.starts[source], neighbors.starts[source + 1]):
            item = neighbors.items[pair]
            if sums[item] == 0.0:
                touched[count] = item
                count += 1
            sums[item] += recency[back] * neighbors.similarity[pair]
    return count


@njit(cache=True, nogil=True)
def fill_neighbor_lists(
    neighbors: NeighborLists,
    items: Items,
    starts: Ints,
    recency: Floats,
    repeats: bool,
    out: Items,
    out_scores: Similarities,
) -> None:
    """Write for each history the items with the highest sum of recency * similarity, plus their base score.

    recency float64 (events,), above 0, the last event first; similarities are above 0 too.
    out int32 (rows, k): zeros, out_scores float32 (rows, k): -inf on entry; both remain where no item is left.
    """
    n_items, k = len(neighbors.popularity_order), out.shape[1]
    seen = np.full(n_items + 2, -1, np.int64)
    sums, touched = np.zeros(n_items + 1), np.zeros(n_items, np.int32)
    best, best_scores = np.zeros(k, np.int32), np.zeros(k)
    for row in range(len(out)):
        past = items[starts[row] : starts[row + 1]]
        if not repeats:
            for item in past:
                seen[item] = row
        count, size = _sum_similarities(neighbors, past, recency, sums, touched), 0
        for item in touched[:count]:
            if seen[item] != row:
                size = push_item(best_scores, best, size, sums[item] + neighbors.base_scores[item], item)
        n_popular = 0  # of the items that are no neighbor, the k most popular are enough
        for item in neighbors.popularity_order:
            if n_popular == k:
                break
            if sums[item] == 0.0 and seen[item] != row:
                size = push_item(best_scores, best, size, neighbors.base_scores[item], item)
                n_popular += 1
        for item in touched[:count]:
            sums[item] = 0.0
        pop_sorted(best_scores, best, size, out[row], out_scores[row])
