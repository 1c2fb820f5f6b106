"""Changes of event times, and resampling of rows in time.

All changes keep the order of events; no event moves past the later of `limit` and the row's last time.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from leaven.kernels.batch import RowBatch, draw_count, interpolate_range, is_changed
from leaven.kernels.keyed_rng import draw_uniform

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

SCALE, WARP, JITTER, SHIFT = 0, 1, 2, 3
FIRST, MIDDLE, LAST = 0, 1, 2
_FIRST_DRAW = 8


@njit(cache=True)
def _scale_times(times: Ints, anchor: int, factor: float, out: Ints) -> None:
    middle = (len(times) - 1) // 2
    anchor_time = times[0] if anchor == FIRST else times[middle] if anchor == MIDDLE else times[-1]
    for event in range(len(times)):
        out[event] = anchor_time + int(np.floor((times[event] - anchor_time) * factor + 0.5))


@njit(cache=True)
def _integrate_speed(speeds: Floats, where: float) -> float:
    """Distance travelled at `where` (0..knots) with a speed that is linear between knots."""
    knots = len(speeds) - 1
    distance = 0.0
    for knot in range(knots):
        part = min(max(where - knot, 0.0), 1.0)
        distance += speeds[knot] * part + (speeds[knot + 1] - speeds[knot]) * part * part / 2.0
    return distance


@njit(cache=True)
def _warp_times(key: np.uint64, times: Ints, log_speeds: tuple[float, float], speeds: Floats, out: Ints) -> None:
    """Warp the times between the first and the last event, which stay."""
    knots = len(speeds) - 1
    for knot in range(knots + 1):
        speeds[knot] = np.exp(interpolate_range(log_speeds, draw_uniform(key, _FIRST_DRAW + knot)))
    span = times[-1] - times[0]
    total = _integrate_speed(speeds, float(knots))
    for event in range(len(times)):
        where = 0.0 if span == 0 else (times[event] - times[0]) / span * knots
        out[event] = times[0] + int(np.floor(span * _integrate_speed(speeds, where) / total + 0.5))


@njit(cache=True)
def _jitter_times(key: np.uint64, times: Ints, seconds: float, out: Ints) -> None:
    """Move each event by up to `seconds`, at most half-way to its neighbors."""
    last = len(times) - 1
    for event in range(last + 1):
        shift = int(np.floor(seconds * (2.0 * draw_uniform(key, _FIRST_DRAW + event) - 1.0) + 0.5))
        if event > 0:
            shift = max(shift, -((times[event] - times[event - 1]) // 2))
        if event < last:
            shift = min(shift, (times[event + 1] - times[event]) // 2)
        out[event] = times[event] + shift


@njit(cache=True, nogil=True)
def warp_times(
    begin: int,
    end: int,
    rows: RowBatch,
    mode: int,
    bounds: tuple[float, float],
    anchor: int,
    knots: int,
    p: float,
    limit: int,
    times: Ints,
) -> None:
    """Writes times int64 (events,): the changed event times.

    bounds: range of the log factor (SCALE, WARP) or of the seconds (JITTER, SHIFT), × strength.
    Draws of a key: 0 whether to change, 1 amount, from 8 on one per event or knot.
    """
    speeds = np.ones(knots + 1)
    for row in range(begin, end):
        first, last = rows.starts[row], rows.starts[row + 1]
        old, out = rows.times[first:last], times[first:last]
        out[:] = old
        min_events = 1 if mode in (SHIFT, JITTER) else 2
        if not is_changed(rows, row, min_events, p):
            continue
        key, strength = rows.rng_keys[row], rows.strength[row]
        amount = strength * interpolate_range(bounds, draw_uniform(key, 1))
        if mode == SCALE:
            _scale_times(old, anchor, np.exp(amount), out)
        elif mode == WARP:
            _warp_times(key, old, (strength * bounds[0], strength * bounds[1]), speeds, out)
        elif mode == JITTER:
            _jitter_times(key, old, amount, out)
        else:
            out += int(np.floor(amount + 0.5))
        latest = max(limit, old[-1])
        if mode == SHIFT:  # the history moves back as a whole: its gaps stay
            out -= max(out[-1] - latest, 0)
        for event in range(len(out)):
            out[event] = min(out[event], latest)


@njit(cache=True, nogil=True)
def draw_lengths(
    begin: int, end: int, rows: RowBatch, size: tuple[float, float], is_share: bool, p: float, lengths: Ints
) -> None:
    """Writes lengths int64 (rows,): events of each row after resampling, 2 or more; `size` is sampled uniformly."""
    for row in range(begin, end):
        n = rows.starts[row + 1] - rows.starts[row]
        lengths[row] = n
        if is_changed(rows, row, 2, p):
            mean = interpolate_range(size, draw_uniform(rows.rng_keys[row], 1)) * (n if is_share else 1.0)
            mean = n + rows.strength[row] * (mean - n)
            lengths[row] = max(draw_count(rows.rng_keys[row], mean, 1 << 40), 2)


@njit(cache=True, nogil=True)
def resample_rows(
    begin: int, end: int, rows: RowBatch, starts: Ints, items: npt.NDArray[np.int32], times: Ints, source: Ints
) -> None:
    """Resample each row on an even grid of positions, ends included: nearest item, interpolated time."""
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
