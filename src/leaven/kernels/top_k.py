"""A bounded heap of the highest-scoring items.

The root is the worst kept item. Ties are broken by id, so that the result does not depend on insertion order.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]
Similarities = npt.NDArray[np.float32]
Items = npt.NDArray[np.int32]


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
