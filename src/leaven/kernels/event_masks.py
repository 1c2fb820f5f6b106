"""Which events of each row are chosen, and what remains without them?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from leaven.kernels.batch import Batch, drawn_count, is_changed, within
from leaven.kernels.keyed_rng import draw_uniform

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]

FIRST_PLACE_DRAW = 4
"""Draw 4 + j belongs to event j of the row; draws from 2**20 on are free for what is done with it."""


@njit(cache=True)
def _mark_evenly(key: np.uint64, count: int, out: Mask) -> None:
    """Marks exactly `count` places, each set as likely as any other (Floyd; Bentley, CACM 1987)."""
    for last in range(len(out) - count, len(out)):
        drawn = int(draw_uniform(key, FIRST_PLACE_DRAW + last) * (last + 1))
        out[last if out[drawn] else drawn] = True


@njit(cache=True)
def _mark_able(key: np.uint64, items: npt.NDArray[np.int32], able: Mask, ables: int, count: int, out: Mask) -> None:
    """The same among the able events only (Knuth, 3.4.2, algorithm S)."""
    left = ables
    for place in range(len(items)):
        if count == 0:
            return
        if able[items[place]]:
            if left * draw_uniform(key, FIRST_PLACE_DRAW + place) < count:
                out[place] = True
                count -= 1
            left -= 1


@njit(cache=True)
def _mark_weighted(
    key: np.uint64, items: npt.NDArray[np.int32], able: Mask, weights: Floats, count: int, out: Mask
) -> None:
    """Marks `count` able events without replacement, by weight (Efraimidis and Spirakis, 2006)."""
    waits = np.full(len(items), np.inf)
    for place in range(len(items)):
        if len(able) == 0 or able[items[place]]:
            waits[place] = -np.log(1.0 - draw_uniform(key, FIRST_PLACE_DRAW + place)) / weights[place]
    bar = np.sort(waits)[count - 1]
    for place in range(len(items)):
        if count > 0 and waits[place] <= bar and waits[place] < np.inf:
            out[place] = True
            count -= 1


@njit(cache=True, nogil=True)
def mark_events(
    begin: int,
    end: int,
    rows: Batch,
    share: tuple[float, float],
    p: float,
    bounds: tuple[int, int, int],
    able: Mask,
    weights: Floats,
    marked: Mask,
    counts: Ints,
) -> None:
    """marked bool (events,), counts int64 (rows,): a share of each row's events, chosen evenly or by weight.

    bounds: (shortest row that is changed, events at the end that are never marked, events that must
    remain unmarked). able bool (n_items + 2,): items that may be marked, or empty for all. weights
    float32 (events,) above 0, or empty for even. The number is share × strength × length, rounded by lot.
    """
    shortest, tail, spare = bounds
    for row in range(begin, end):
        first, last = rows.starts[row], rows.starts[row + 1]
        for place in range(first, last):
            marked[place] = False
        counts[row] = 0
        if not is_changed(rows, row, shortest, p):
            continue
        n, key = last - first, rows.keys[row]
        ables = n - tail
        if len(able) > 0:
            ables = 0
            for place in range(first, last - tail):
                ables += able[rows.items[place]]
        wanted = n * rows.strength[row] * within(share, draw_uniform(key, 1))
        count = drawn_count(key, wanted, min(ables, n - spare))
        if count <= 0:
            continue
        counts[row] = count
        items, out = rows.items[first : last - tail], marked[first : last - tail]
        if len(weights) > 0:
            _mark_weighted(key, items, able, weights[first : last - tail], count, out)
        elif ables == n - tail:
            _mark_evenly(key, count, out)
        else:
            _mark_able(key, items, able, ables, count, out)


@njit(cache=True, nogil=True)
def hide_marked(
    begin: int, end: int, rows: Batch, marked: Mask, mask_id: int, new_items: npt.NDArray[np.int32]
) -> None:
    """new_items int32 (events,): the mask where an event is marked, its item elsewhere."""
    for place in range(rows.starts[begin], rows.starts[end]):
        new_items[place] = mask_id if marked[place] else rows.items[place]


@njit(cache=True, nogil=True)
def copy_unmarked(
    begin: int,
    end: int,
    rows: Batch,
    marked: Mask,
    starts: Ints,
    new_items: npt.NDArray[np.int32],
    new_times: Ints,
    source: Ints,
) -> None:
    """The events that are not marked, in order; starts int64 (rows + 1,) of the new rows."""
    for row in range(begin, end):
        to = starts[row]
        for place in range(rows.starts[row], rows.starts[row + 1]):
            if not marked[place]:
                new_items[to] = rows.items[place]
                new_times[to] = rows.times[place]
                if len(source) > 0:
                    source[to] = place
                to += 1
