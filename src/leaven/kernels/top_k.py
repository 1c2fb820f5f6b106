"""Which of many items stand highest?

A heap of the best so far, the worst of them at its root. Equal scores stand by id, so that the answer
does not hang on the order in which items are offered.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]
Similarities = npt.NDArray[np.float32]
Items = npt.NDArray[np.int32]


@njit(cache=True, inline="always")
def _worse(score: float, item: int, other_score: float, other: int) -> bool:
    """Whether the first stands below the second: a lower score, or an equal one and a larger id."""
    return score < other_score or (score == other_score and item > other)


@njit(cache=True)
def _sift_down(scores: Floats, items: Items, size: int) -> None:
    """Repair a heap whose root is the worst, after its root was replaced."""
    place = 0
    while True:
        child = 2 * place + 1
        if child >= size:
            return
        if child + 1 < size and _worse(scores[child + 1], items[child + 1], scores[child], items[child]):
            child += 1
        if not _worse(scores[child], items[child], scores[place], items[place]):
            return
        scores[place], scores[child] = scores[child], scores[place]
        items[place], items[child] = items[child], items[place]
        place = child


@njit(cache=True)
def offer(scores: Floats, items: Items, size: int, score: float, item: int) -> int:
    """Keep an item if it is among the best; returns how many are kept."""
    if size == len(items):
        if _worse(scores[0], items[0], score, item):
            scores[0], items[0] = score, item
            _sift_down(scores, items, size)
        return size
    place = size
    scores[place], items[place] = score, item
    while place > 0:
        above = (place - 1) // 2
        if not _worse(scores[place], items[place], scores[above], items[above]):
            break
        scores[place], scores[above] = scores[above], scores[place]
        items[place], items[above] = items[above], items[place]
        place = above
    return size + 1


@njit(cache=True)
def pour(scores: Floats, items: Items, size: int, out: Items, out_scores: Similarities) -> None:
    """Empty a heap into a list, the best first."""
    while size > 0:
        size -= 1
        out[size], out_scores[size] = items[0], scores[0]
        scores[0], items[0] = scores[size], items[size]
        _sift_down(scores, items, size)
