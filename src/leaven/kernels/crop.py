"""Random segments of rows, rows copied from segments, and random target positions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from leaven.kernels.batch import RowBatch, draw_count, interpolate_range, is_changed
from leaven.kernels.keyed_rng import draw_uniform

Ints = npt.NDArray[np.int64]

SHARE, EVENTS, SECONDS = 0, 1, 2
"""Unit of the segment size."""


@njit(cache=True)
def _count_forward(times: Ints, begin: int, end: int, seconds: float) -> int:
    """Number of events from `begin` on within `seconds` of it."""
    last = begin
    while last < end and times[last] - times[begin] <= seconds:
        last += 1
    return last - begin


@njit(cache=True)
def _count_backward(times: Ints, begin: int, end: int, seconds: float) -> int:
    """Number of events up to end - 1 within `seconds` of it."""
    first = end - 1
    while first > begin and times[end - 1] - times[first - 1] <= seconds:
        first -= 1
    return end - first


@njit(cache=True)
def _draw_time_window(rows: RowBatch, row: int, seconds: float, keep_last: bool) -> tuple[int, int]:
    """(first event, number of events) of a window of about `seconds`, with 2 events at least."""
    begin, end = rows.starts[row], rows.starts[row + 1]
    whole = rows.times[end - 1] - rows.times[begin]
    span = whole - rows.strength[row] * max(whole - seconds, 0.0)
    if keep_last:
        length = max(_count_backward(rows.times, begin, end, span), 2)
        return end - length, length
    first = begin + int(draw_uniform(rows.rng_keys[row], 3) * (end - begin - 1))
    length = _count_forward(rows.times, first, end, span)
    if length == end - first:  # the window would pass the end of the row: it ends there
        length = max(_count_backward(rows.times, begin, end, span), 2)
        return end - length, length
    return first, max(length, 2)


@njit(cache=True, nogil=True)
def draw_segments(
    begin: int,
    end: int,
    rows: RowBatch,
    keep: tuple[float, float],
    unit: int,
    keep_last: bool,
    p: float,
    firsts: Ints,
    lengths: Ints,
) -> tuple[int, int]:
    """Writes firsts and lengths int64 (rows,): the kept segment of each row, 2 events or more; (end, events kept).

    Draws of a key: 0 whether to crop, 1 size, 2 rounding of the size, 3 position.
    """
    total = 0
    for row in range(begin, end):
        n = rows.starts[row + 1] - rows.starts[row]
        firsts[row], lengths[row] = rows.starts[row], n
        total += n
        if not is_changed(rows, row, 3, p):
            continue
        size = interpolate_range(keep, draw_uniform(rows.rng_keys[row], 1))
        if unit == SECONDS:
            firsts[row], lengths[row] = _draw_time_window(rows, row, size, keep_last)
            total += lengths[row] - n
            continue
        size = min(size * n if unit == SHARE else size, float(n))
        size = n - rows.strength[row] * (n - size)
        length = max(draw_count(rows.rng_keys[row], size, n), 2)
        position = 1.0 if keep_last else draw_uniform(rows.rng_keys[row], 3)
        firsts[row] += min(int(position * (n - length + 1)), n - length)
        lengths[row] = length
        total += length - n
    return end, total


@njit(cache=True, nogil=True)
def draw_target_positions(
    begin: int, end: int, rows: RowBatch, weights: npt.NDArray[np.float64], p: float, lasts: Ints
) -> None:
    """Writes lasts int64 (rows,): the target event, drawn from all but the first by the weight of its item.

    weights float64 (n_items + 2,), above 0. Rows that are not changed (probability p × strength) keep their last event.
    """
    for row in range(begin, end):
        first, last = rows.starts[row], rows.starts[row + 1]
        lasts[row] = last - 1
        key = rows.rng_keys[row]
        if not is_changed(rows, row, 3, p * rows.strength[row]):
            continue
        total = 0.0
        for event in range(first + 1, last):
            total += weights[rows.items[event]]
        rest = draw_uniform(key, 1) * total
        event = first + 1
        while event < last - 1 and weights[rows.items[event]] <= rest:
            rest -= weights[rows.items[event]]
            event += 1
        lasts[row] = event
