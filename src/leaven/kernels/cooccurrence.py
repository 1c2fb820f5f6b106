"""How often do two items stand in one history, and which are the strongest for each item?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Ints = npt.NDArray[np.int64]
Items = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]


@njit(cache=True, nogil=True)
def occurrences(items: Items, n_items: int) -> tuple[Ints, Ints]:
    """(starts int64 (n_items + 2,), places int64 (events,)): where each item 1..n_items stands.

    Item i stands at places[starts[i]:starts[i + 1]], ascending; other ids are passed over.
    """
    starts = np.zeros(n_items + 2, np.int64)
    for item in items:
        if 1 <= item <= n_items:
            starts[item + 1] += 1
    for item in range(n_items + 1):
        starts[item + 1] += starts[item]
    places = np.empty(starts[n_items + 1], np.int64)
    filled = starts[:-1].copy()
    for place in range(len(items)):
        item = items[place]
        if 1 <= item <= n_items:
            places[filled[item]] = place
            filled[item] += 1
    return starts, places


@njit(cache=True)
def _gather(
    item: int,
    items: Items,
    starts: Ints,
    row_of_event: Items,
    row_weight: Floats,
    places: Ints,
    reach: tuple[int, int, float],
    sums: Floats,
    touched: Items,
) -> int:
    """sums[other] += weight for every other item near one of `places`; returns how many were touched."""
    back, ahead, fade = reach
    count = 0
    for place in places:
        row = row_of_event[place]
        first, last = max(starts[row], place - back), min(starts[row + 1], place + ahead + 1)
        for near in range(first, last):
            other = items[near]
            if other == item or other < 1 or other >= len(sums):
                continue
            weight = row_weight[row]
            if fade < 1.0:
                weight = np.float32(weight * fade ** (abs(near - place) - 1))
            if weight == 0.0:  # faded away: counted as touched, it would be touched again and again
                continue
            if sums[other] == 0.0:
                touched[count] = other
                count += 1
            sums[other] += weight
    return count


@njit(cache=True, nogil=True)
def count_pairs(
    items: Items,
    starts: Ints,
    row_of_event: Items,
    row_weight: Floats,
    n_items: int,
    reach: tuple[int, int, float],
) -> tuple[Ints, Items, Floats]:
    """(starts int64 (n_items + 2,), others int32 (pairs,), sums float32 (pairs,)): a CSR table of co-occurrence.

    Items near item i are others[starts[i]:starts[i + 1]], in the order in which they were met; `sums` adds
    the weight of the row (float32 (rows,), above 0) for every meeting, times fade ** (distance - 1).
    row_of_event int32 (events,). reach: (places looked back, places looked ahead, fade); an item is never
    near itself, ids outside 1..n_items are passed over.
    """
    found, places = occurrences(items, n_items)
    sums = np.zeros(n_items + 1, np.float32)
    touched = np.empty(n_items + 1, np.int32)
    bounds = np.zeros(n_items + 2, np.int64)
    others, values = np.empty(max(len(items), 1), np.int32), np.empty(max(len(items), 1), np.float32)
    total = 0
    for item in range(1, n_items + 1):
        here = places[found[item] : found[item + 1]]
        count = _gather(item, items, starts, row_of_event, row_weight, here, reach, sums, touched)
        if total + count > len(others):
            size = 2 * len(others) + count
            others, values = _grown_items(others, size), _grown_floats(values, size)
        for place in range(count):
            others[total + place] = touched[place]
            values[total + place] = sums[touched[place]]
            sums[touched[place]] = 0.0
        total += count
        bounds[item + 1] = total
    return bounds, others[:total].copy(), values[:total].copy()


@njit(cache=True)
def _grown_items(array: Items, size: int) -> Items:
    grown = np.empty(size, np.int32)
    grown[: len(array)] = array
    return grown


@njit(cache=True)
def _grown_floats(array: Floats, size: int) -> Floats:
    grown = np.empty(size, np.float32)
    grown[: len(array)] = array
    return grown


@njit(cache=True)
def _is_before(score: float, item: int, other_score: float, other: int) -> bool:
    """Higher scores first; ties go to the lower id."""
    return score > other_score or (score == other_score and item < other)


@njit(cache=True, nogil=True)
def strongest(starts: Ints, others: Items, scores: Floats, k: int) -> tuple[Ints, Items, Floats]:
    """The k best of each row of a CSR table, best first; scores of 0 or less are left out."""
    rows = len(starts) - 1
    bounds = np.zeros(rows + 1, np.int64)
    room = 0
    for row in range(rows):
        room += min(k, starts[row + 1] - starts[row])
    best, best_scores = np.empty(room, np.int32), np.empty(room, np.float32)
    total = 0
    for row in range(rows):
        held = 0
        for place in range(starts[row], starts[row + 1]):
            item, score = others[place], scores[place]
            if score <= 0.0:
                continue
            if held == k and not _is_before(score, item, best_scores[total + k - 1], best[total + k - 1]):
                continue
            at = total + min(held, k - 1)
            while at > total and _is_before(score, item, best_scores[at - 1], best[at - 1]):
                best[at], best_scores[at] = best[at - 1], best_scores[at - 1]
                at -= 1
            best[at], best_scores[at] = item, score
            held = min(held + 1, k)
        total += held
        bounds[row + 1] = total
    return bounds, best[:total].copy(), best_scores[:total].copy()


@njit(cache=True, nogil=True)
def strongest_columns(
    block: npt.NDArray[np.float32], begin: int, able: npt.NDArray[np.bool_], k: int
) -> tuple[Items, Floats]:
    """(items int32, scores float32 (rows, k)): the k best columns of each row of a dense block, best first.

    Row r stands for item begin + r, which is no column of its own row. able bool (columns,): columns that may be
    named. Places that stay empty, and scores of 0 or less, hold item 0 with score 0.
    """
    best, best_scores = np.zeros((len(block), k), np.int32), np.zeros((len(block), k), np.float32)
    for row in range(len(block)):
        bar = np.float32(0.0)
        for column in range(block.shape[1]):
            score = block[row, column]
            if score <= bar or not able[column] or column == begin + row:
                continue
            at = k - 1
            while at > 0 and score > best_scores[row, at - 1]:
                best[row, at], best_scores[row, at] = best[row, at - 1], best_scores[row, at - 1]
                at -= 1
            best[row, at], best_scores[row, at] = column, score
            bar = best_scores[row, k - 1]
    return best, best_scores
