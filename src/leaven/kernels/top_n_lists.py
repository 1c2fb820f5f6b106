"""Top-n recommendation lists by popularity and by neighbors.

Ties are broken by id. Items in the history are excluded unless repeats are allowed; mask and unknown ids are never
candidates.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]
Similarities = npt.NDArray[np.float32]
Items = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]


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


@njit(cache=True, inline="always")
def _is_worse(score: float, item: int, other_score: float, other: int) -> bool:
    """Whether the first ranks below the second: a lower score, or an equal one and a larger id."""
    return score < other_score or (score == other_score and item > other)


@njit(cache=True)
def _sift_down(scores: Floats, items: Items, size: int) -> None:
    """Restore the heap after its root was replaced."""
    node = 0
    while True:
        child = 2 * node + 1
        if child >= size:
            return
        if child + 1 < size and _is_worse(scores[child + 1], items[child + 1], scores[child], items[child]):
            child += 1
        if not _is_worse(scores[child], items[child], scores[node], items[node]):
            return
        scores[node], scores[child] = scores[child], scores[node]
        items[node], items[child] = items[child], items[node]
        node = child


@njit(cache=True)
def push_item(scores: Floats, items: Items, size: int, score: float, item: int) -> int:
    """Add an item if it is among the best; returns the new size of the heap."""
    if size == len(items):
        if _is_worse(scores[0], items[0], score, item):
            scores[0], items[0] = score, item
            _sift_down(scores, items, size)
        return size
    node = size
    scores[node], items[node] = score, item
    while node > 0:
        parent = (node - 1) // 2
        if not _is_worse(scores[node], items[node], scores[parent], items[parent]):
            break
        scores[node], scores[parent] = scores[parent], scores[node]
        items[node], items[parent] = items[parent], items[node]
        node = parent
    return size + 1


@njit(cache=True)
def pop_sorted(scores: Floats, items: Items, size: int, out: Items, out_scores: Similarities) -> None:
    """Empty the heap into `out` and `out_scores`, the best item first."""
    while size > 0:
        size -= 1
        out[size], out_scores[size] = items[0], scores[0]
        scores[0], items[0] = scores[size], items[size]
        _sift_down(scores, items, size)
