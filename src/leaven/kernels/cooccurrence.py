"""Item co-occurrence counts within histories, and the top neighbors of each item."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
from numba import njit

Ints = npt.NDArray[np.int64]
Items = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]
Number = TypeVar("Number", bound=np.generic)


class ItemPairs(NamedTuple):
    """A CSR table of item pairs.

    starts  int64 (items + 1,)  item i has the pairs starts[i]:starts[i + 1]
    items   int32 (pairs,)      the other item
    scores  float32 (pairs,)
    """

    starts: Ints
    items: Items
    scores: Floats


@njit(cache=True, nogil=True)
def index_occurrences(items: Items, n_items: int) -> tuple[Ints, Ints]:
    """(starts int64 (n_items + 2,), positions int64 (events,)): the events of each item 1..n_items.

    Item i has the events positions[starts[i]:starts[i + 1]], ascending; other ids are skipped.
    """
    starts = np.zeros(n_items + 2, np.int64)
    for item in items:
        if 1 <= item <= n_items:
            starts[item + 1] += 1
    for item in range(n_items + 1):
        starts[item + 1] += starts[item]
    positions = np.empty(starts[n_items + 1], np.int64)
    end = starts[:-1].copy()
    for position in range(len(items)):
        item = items[position]
        if 1 <= item <= n_items:
            positions[end[item]] = position
            end[item] += 1
    return starts, positions


@njit(cache=True)
def _sum_neighbors(
    item: int,
    items: Items,
    starts: Ints,
    row_of_event: Items,
    row_weight: Floats,
    positions: Ints,
    reach: tuple[int, int, float],
    sums: Floats,
    touched: Items,
) -> int:
    """Add the weight of every other item near `positions` to sums[other]; returns the number of items touched."""
    back, ahead, fade = reach
    count = 0
    for position in positions:
        row = row_of_event[position]
        first, last = max(starts[row], position - back), min(starts[row + 1], position + ahead + 1)
        for near in range(first, last):
            other = items[near]
            if other == item or other < 1 or other >= len(sums):
                continue
            weight = row_weight[row]
            if fade < 1.0:
                weight = np.float32(weight * fade ** (abs(near - position) - 1))
            if weight == 0.0:  # faded to 0: it would be counted as untouched again and again
                continue
            if sums[other] == 0.0:
                touched[count] = other
                count += 1
            sums[other] += weight
    return count


@njit(cache=True, nogil=True)
def count_pairs(
    items: Items, starts: Ints, row_of_event: Items, row_weight: Floats, n_items: int, reach: tuple[int, int, float]
) -> ItemPairs:
    """The co-occurrence of items: the items near each item in order of appearance.

    Each co-occurrence adds the weight
    of its row (float32 (rows,), above 0) times fade ** (distance - 1). row_of_event int32 (events,). reach: (events
    back, events ahead, fade). An item is not its own neighbor; ids outside 1..n_items are skipped.
    """
    item_starts, positions = index_occurrences(items, n_items)
    sums = np.zeros(n_items + 1, np.float32)
    touched = np.empty(n_items + 1, np.int32)
    bounds = np.zeros(n_items + 2, np.int64)
    others, values = np.empty(max(len(items), 1), np.int32), np.empty(max(len(items), 1), np.float32)
    total = 0
    for item in range(1, n_items + 1):
        here = positions[item_starts[item] : item_starts[item + 1]]
        count = _sum_neighbors(item, items, starts, row_of_event, row_weight, here, reach, sums, touched)
        if total + count > len(others):
            size = 2 * len(others) + count
            others, values = _grow(others, size), _grow(values, size)
        for position in range(count):
            others[total + position] = touched[position]
            values[total + position] = sums[touched[position]]
            sums[touched[position]] = 0.0
        total += count
        bounds[item + 1] = total
    return ItemPairs(bounds, others[:total].copy(), values[:total].copy())


@njit(cache=True)
def _grow(array: npt.NDArray[Number], size: int) -> npt.NDArray[Number]:
    larger = np.empty(size, array.dtype)
    larger[: len(array)] = array
    return larger


@njit(cache=True)
def _is_before(score: float, item: int, other_score: float, other: int) -> bool:
    """Whether the first pair ranks higher: a higher score, or an equal one and a lower id."""
    return score > other_score or (score == other_score and item < other)


@njit(cache=True, nogil=True)
def select_top_neighbors(starts: Ints, others: Items, scores: Floats, k: int) -> ItemPairs:
    """The pairs with the k highest scores above 0 of each row, in descending order."""
    rows = len(starts) - 1
    bounds = np.zeros(rows + 1, np.int64)
    capacity = 0
    for row in range(rows):
        capacity += min(k, starts[row + 1] - starts[row])
    best, best_scores = np.empty(capacity, np.int32), np.empty(capacity, np.float32)
    total = 0
    for row in range(rows):
        size = 0
        for position in range(starts[row], starts[row + 1]):
            item, score = others[position], scores[position]
            if score <= 0.0:
                continue
            if size == k and not _is_before(score, item, best_scores[total + k - 1], best[total + k - 1]):
                continue
            at = total + min(size, k - 1)
            while at > total and _is_before(score, item, best_scores[at - 1], best[at - 1]):
                best[at], best_scores[at] = best[at - 1], best_scores[at - 1]
                at -= 1
            best[at], best_scores[at] = item, score
            size = min(size + 1, k)
        total += size
        bounds[row + 1] = total
    return ItemPairs(bounds, best[:total].copy(), best_scores[:total].copy())


@njit(cache=True, nogil=True)
def select_top_columns(
    block: npt.NDArray[np.float32], first_item: int, eligible: npt.NDArray[np.bool_], k: int
) -> tuple[Items, Floats]:
    """(items int32, scores float32 (rows, k)): the k highest columns of each row of a dense block, descending.

    Row r belongs to item begin + r, whose own column is excluded. able bool (columns,): columns that may be chosen.
    Only scores above 0 count; empty entries are item 0 with score 0.
    """
    best, best_scores = np.zeros((len(block), k), np.int32), np.zeros((len(block), k), np.float32)
    for row in range(len(block)):
        threshold = np.float32(0.0)
        for column in range(block.shape[1]):
            score = block[row, column]
            if score <= threshold or not eligible[column] or column == first_item + row:
                continue
            at = k - 1
            while at > 0 and score > best_scores[row, at - 1]:
                best[row, at], best_scores[row, at] = best[row, at - 1], best_scores[row, at - 1]
                at -= 1
            best[row, at], best_scores[row, at] = column, score
            threshold = best_scores[row, k - 1]
    return best, best_scores
