"""Permutations of the items in a window of each row.

Times stay in place; items move between them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from leaven.kernels.batch import RowBatch, draw_count, interpolate_range, is_changed
from leaven.kernels.keyed_rng import draw_uniform

Ints = npt.NDArray[np.int64]
Items = npt.NDArray[np.int32]

SHUFFLE, REVERSE, ROTATE, SWAP = 0, 1, 2, 3
_FIRST_DRAW = 8


@njit(cache=True)
def _swap_items(items: Items, source: Ints, first: int, second: int) -> None:
    items[first], items[second] = items[second], items[first]
    if len(source) > 0:
        source[first], source[second] = source[second], source[first]


@njit(cache=True)
def _reverse_window(items: Items, source: Ints, first: int, last: int) -> None:
    for step in range((last - first) // 2):
        _swap_items(items, source, first + step, last - 1 - step)


@njit(cache=True)
def _shuffle_window(key: np.uint64, items: Items, source: Ints, first: int, last: int) -> None:
    """Shuffle events first..last - 1 uniformly (Fisher and Yates)."""
    for event in range(last - 1, first, -1):
        other = first + int(draw_uniform(key, _FIRST_DRAW + event - first) * (event - first + 1))
        _swap_items(items, source, event, other)


@njit(cache=True)
def _rotate_window(old: Items, items: Items, source: Ints, bounds: tuple[int, int], amount: int) -> None:
    """Rotate the window by `amount` events to the right."""
    first, last = bounds
    if not 0 < amount < last - first:
        return
    for event in range(first, last):
        target = event + amount if event + amount < last else event + amount - last + first
        items[target] = old[event]
        if len(source) > 0:
            source[target] = event


@njit(cache=True)
def _swap_pairs(key: np.uint64, items: Items, source: Ints, bounds: tuple[int, int], n_swaps: int, reach: int) -> None:
    """Swap the items of `n_swaps` random pairs of events, at most `reach` apart, one pair after the other."""
    first, last = bounds
    for i in range(n_swaps):
        one = first + int(draw_uniform(key, _FIRST_DRAW + 2 * i) * (last - first - 1))
        ahead = min(reach, last - 1 - one)
        _swap_items(items, source, one, one + 1 + int(draw_uniform(key, _FIRST_DRAW + 2 * i + 1) * ahead))


@njit(cache=True, nogil=True)
def permute_windows(
    begin: int,
    end: int,
    rows: RowBatch,
    mode: int,
    share: tuple[float, float],
    amount: tuple[float, float],
    tail: int,
    p: float,
    items: Items,
    source: Ints,
) -> None:
    """Writes items int32 and source int64 (events,): one window of each row is permuted.

    share   size of the window relative to the row without its last `tail` events (× strength, except for rotations)
    amount  rotations: shift relative to the window (× strength); swaps: (unused, maximum distance)
    Draws of a key: 0 whether to change, 1 window size, 2 rounding of the size, 3 position, 4 and 5 rotation.
    """
    for row in range(begin, end):
        first, last = rows.starts[row], rows.starts[row + 1]
        for event in range(first, last):
            items[event] = rows.items[event]
        if len(source) > 0:
            for event in range(first, last):
                source[event] = event
        if not is_changed(rows, row, 2 + tail, p):
            continue
        key, n = rows.rng_keys[row], last - first - tail
        mean = n * interpolate_range(share, draw_uniform(key, 1)) * (1.0 if mode == ROTATE else rows.strength[row])
        if mode == SWAP:
            _swap_pairs(key, items, source, (first, first + n), draw_count(key, mean / 2.0, n), int(amount[1]))
            continue
        window = draw_count(key, mean, n)
        first += int(draw_uniform(key, 3) * (n - window + 1))
        if mode == SHUFFLE:
            _shuffle_window(key, items, source, first, first + window)
        elif mode == REVERSE:
            _reverse_window(items, source, first, first + window)
        else:
            shift = window * interpolate_range(amount, draw_uniform(key, 4)) * rows.strength[row]
            n_shift = int(shift + draw_uniform(key, 5))
            _rotate_window(rows.items, items, source, (first, first + window), n_shift)
