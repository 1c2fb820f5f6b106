"""In which other order do the items of a window stand?

The clock of a place stays: times keep their order, the items move between them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from leaven.kernels.batch import Batch, drawn_count, is_changed, within
from leaven.kernels.keyed_rng import draw_uniform

Ints = npt.NDArray[np.int64]
Items = npt.NDArray[np.int32]

SHUFFLE, REVERSE, ROTATE, SWAP = 0, 1, 2, 3
_FIRST_DRAW = 8


@njit(cache=True)
def _exchange(items: Items, source: Ints, one: int, other: int) -> None:
    items[one], items[other] = items[other], items[one]
    if len(source) > 0:
        source[one], source[other] = source[other], source[one]


@njit(cache=True)
def _reverse(items: Items, source: Ints, first: int, last: int) -> None:
    """Places first..last - 1 in the opposite order."""
    for step in range((last - first) // 2):
        _exchange(items, source, first + step, last - 1 - step)


@njit(cache=True)
def _shuffle(key: np.uint64, items: Items, source: Ints, first: int, last: int) -> None:
    """Every order of places first..last - 1 equally likely (Fisher and Yates)."""
    for place in range(last - 1, first, -1):
        other = first + int(draw_uniform(key, _FIRST_DRAW + place - first) * (place - first + 1))
        _exchange(items, source, place, other)


@njit(cache=True)
def _rotate(old: Items, items: Items, source: Ints, bounds: tuple[int, int], amount: int) -> None:
    """Each item of the window moves `amount` places on, those at its end come round to its start."""
    first, last = bounds
    if not 0 < amount < last - first:
        return
    for place in range(first, last):
        to = place + amount if place + amount < last else place + amount - last + first
        items[to] = old[place]
        if len(source) > 0:
            source[to] = place


@njit(cache=True)
def _swap(key: np.uint64, items: Items, source: Ints, bounds: tuple[int, int], times: int, reach: int) -> None:
    """`times` pairs of places, at most `reach` apart, exchange their items one after the other."""
    first, last = bounds
    for turn in range(times):
        one = first + int(draw_uniform(key, _FIRST_DRAW + 2 * turn) * (last - first - 1))
        ahead = min(reach, last - 1 - one)
        _exchange(items, source, one, one + 1 + int(draw_uniform(key, _FIRST_DRAW + 2 * turn + 1) * ahead))


@njit(cache=True, nogil=True)
def permute_windows(
    begin: int,
    end: int,
    rows: Batch,
    mode: int,
    share: tuple[float, float],
    amount: tuple[float, float],
    tail: int,
    p: float,
    items: Items,
    source: Ints,
) -> None:
    """items int32, source int64 (events,): one window of each row in another order.

    share   of the row's events, without the last `tail`, that the window takes (× strength, but for rotations)
    amount  rotations: share of the window that comes round (× strength); swaps: how far apart at most
    Draws of a key: 0 whether, 1 how much, 2 the fraction of an event, 3 where, 4 and 5 by how much.
    """
    for row in range(begin, end):
        first, last = rows.starts[row], rows.starts[row + 1]
        for place in range(first, last):
            items[place] = rows.items[place]
        if len(source) > 0:
            for place in range(first, last):
                source[place] = place
        if not is_changed(rows, row, 2 + tail, p):
            continue
        key, n = rows.keys[row], last - first - tail
        wanted = n * within(share, draw_uniform(key, 1)) * (1.0 if mode == ROTATE else rows.strength[row])
        if mode == SWAP:
            _swap(key, items, source, (first, first + n), drawn_count(key, wanted / 2.0, n), int(amount[1]))
            continue
        window = drawn_count(key, wanted, n)
        first += int(draw_uniform(key, 3) * (n - window + 1))
        if mode == SHUFFLE:
            _shuffle(key, items, source, first, first + window)
        elif mode == REVERSE:
            _reverse(items, source, first, first + window)
        else:
            moved = window * within(amount, draw_uniform(key, 4)) * rows.strength[row]
            amount_now = int(moved + draw_uniform(key, 5))
            _rotate(rows.items, items, source, (first, first + window), amount_now)
