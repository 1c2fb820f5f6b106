"""When could the same events have happened instead?

Every change keeps the order: no event passes another, and none moves beyond `limit` or beyond the
row's own last second.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from leaven.kernels.batch import Batch, drawn_count, is_changed, within
from leaven.kernels.keyed_rng import draw_uniform

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

SCALE, WARP, JITTER, SHIFT = 0, 1, 2, 3
FIRST, MIDDLE, LAST = 0, 1, 2
_FIRST_DRAW = 8


@njit(cache=True)
def _scaled(times: Ints, anchor: int, factor: float, out: Ints) -> None:
    """Distances from the anchor's event grow by `factor`."""
    middle = (len(times) - 1) // 2
    still = times[0] if anchor == FIRST else times[middle] if anchor == MIDDLE else times[-1]
    for place in range(len(times)):
        out[place] = still + int(np.floor((times[place] - still) * factor + 0.5))


@njit(cache=True)
def _travelled(speeds: Floats, where: float) -> float:
    """How far one has come at `where` (0..knots) when the speed changes evenly from knot to knot."""
    knots = len(speeds) - 1
    way = 0.0
    for knot in range(knots):
        rest = min(max(where - knot, 0.0), 1.0)
        way += speeds[knot] * rest + (speeds[knot + 1] - speeds[knot]) * rest * rest / 2.0
    return way


@njit(cache=True)
def _warped(key: np.uint64, times: Ints, log_speeds: tuple[float, float], speeds: Floats, out: Ints) -> None:
    """The first and the last event stay; between them time runs faster here and slower there."""
    knots = len(speeds) - 1
    for knot in range(knots + 1):
        speeds[knot] = np.exp(within(log_speeds, draw_uniform(key, _FIRST_DRAW + knot)))
    span = times[-1] - times[0]
    whole = _travelled(speeds, float(knots))
    for place in range(len(times)):
        where = 0.0 if span == 0 else (times[place] - times[0]) / span * knots
        out[place] = times[0] + int(np.floor(span * _travelled(speeds, where) / whole + 0.5))


@njit(cache=True)
def _jittered(key: np.uint64, times: Ints, seconds: float, out: Ints) -> None:
    """Each event moves by up to `seconds`, at most half-way to the next one."""
    last = len(times) - 1
    for place in range(last + 1):
        moved = int(np.floor(seconds * (2.0 * draw_uniform(key, _FIRST_DRAW + place) - 1.0) + 0.5))
        if place > 0:
            moved = max(moved, -((times[place] - times[place - 1]) // 2))
        if place < last:
            moved = min(moved, (times[place + 1] - times[place]) // 2)
        out[place] = times[place] + moved


@njit(cache=True, nogil=True)
def move_times(
    begin: int,
    end: int,
    rows: Batch,
    mode: int,
    bounds: tuple[float, float],
    anchor: int,
    knots: int,
    p: float,
    limit: int,
    times: Ints,
) -> None:
    """times int64 (events,): when the events happen now.

    bounds: SCALE, WARP logarithms of a factor; JITTER, SHIFT seconds; all × strength.
    Draws of a key: 0 whether, 1 how much, from 8 on one an event or knot.
    """
    speeds = np.ones(knots + 1)
    for row in range(begin, end):
        first, last = rows.starts[row], rows.starts[row + 1]
        old, out = rows.times[first:last], times[first:last]
        out[:] = old
        shortest = 1 if mode in (SHIFT, JITTER) else 2
        if not is_changed(rows, row, shortest, p):
            continue
        key, strength = rows.keys[row], rows.strength[row]
        amount = strength * within(bounds, draw_uniform(key, 1))
        if mode == SCALE:
            _scaled(old, anchor, np.exp(amount), out)
        elif mode == WARP:
            _warped(key, old, (strength * bounds[0], strength * bounds[1]), speeds, out)
        elif mode == JITTER:
            _jittered(key, old, amount, out)
        else:
            out += int(np.floor(amount + 0.5))
        most = max(limit, old[-1])
        if mode == SHIFT:  # the whole history moves back together: its inner gaps stay
            out -= max(out[-1] - most, 0)
        for place in range(len(out)):
            out[place] = min(out[place], most)


@njit(cache=True, nogil=True)
def resampled_lengths(
    begin: int, end: int, rows: Batch, size: tuple[float, float], is_share: bool, p: float, lengths: Ints
) -> None:
    """lengths int64 (rows,): events of each row after resampling, 2 or more; share ranges are drawn evenly."""
    for row in range(begin, end):
        n = rows.starts[row + 1] - rows.starts[row]
        lengths[row] = n
        if is_changed(rows, row, 2, p):
            wanted = within(size, draw_uniform(rows.keys[row], 1)) * (n if is_share else 1.0)
            wanted = n + rows.strength[row] * (wanted - n)
            lengths[row] = max(drawn_count(rows.keys[row], wanted, 1 << 40), 2)


@njit(cache=True, nogil=True)
def resample(
    begin: int, end: int, rows: Batch, starts: Ints, items: npt.NDArray[np.int32], times: Ints, source: Ints
) -> None:
    """An even grid of places over each row, ends included: the nearest item, the time in between."""
    for row in range(begin, end):
        first, n = rows.starts[row], rows.starts[row + 1] - rows.starts[row]
        size = starts[row + 1] - starts[row]
        for step in range(size):
            where = step * (n - 1) / (size - 1) if size > 1 else 0.0
            nearest = first + int(where + 0.5)
            low = first + int(where)
            high = min(low + 1, first + n - 1)
            gap = rows.times[high] - rows.times[low]
            items[starts[row] + step] = rows.items[nearest]
            times[starts[row] + step] = rows.times[low] + int(gap * (where - int(where)))
            if len(source) > 0:
                source[starts[row] + step] = nearest
