"""Which stretch of each row stays, and what do rows cut out of rows look like?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from leaven.kernels.batch import Batch, drawn_count, is_changed, within
from leaven.kernels.keyed_rng import draw_uniform

Ints = npt.NDArray[np.int64]

SHARE, EVENTS, SECONDS = 0, 1, 2
"""How a window is measured."""


@njit(cache=True)
def _fitting(times: Ints, begin: int, end: int, seconds: float) -> int:
    """How many events from `begin` on lie within this many seconds of it."""
    last = begin
    while last < end and times[last] - times[begin] <= seconds:
        last += 1
    return last - begin


@njit(cache=True)
def _fitting_back(times: Ints, begin: int, end: int, seconds: float) -> int:
    """How many events up to the last one lie within this many seconds of it."""
    first = end - 1
    while first > begin and times[end - 1] - times[first - 1] <= seconds:
        first -= 1
    return end - first


@njit(cache=True)
def _window_of_time(rows: Batch, row: int, seconds: float, keep_last: bool) -> tuple[int, int]:
    """(first, length) of a window of about `seconds`; two events at least."""
    begin, end = rows.starts[row], rows.starts[row + 1]
    whole = rows.times[end - 1] - rows.times[begin]
    span = whole - rows.strength[row] * max(whole - seconds, 0.0)
    if keep_last:
        length = max(_fitting_back(rows.times, begin, end, span), 2)
        return end - length, length
    first = begin + int(draw_uniform(rows.keys[row], 3) * (end - begin - 1))
    length = _fitting(rows.times, first, end, span)
    if length == end - first:  # the window would hang over the end: it ends there instead
        length = max(_fitting_back(rows.times, begin, end, span), 2)
        return end - length, length
    return first, max(length, 2)


@njit(cache=True, nogil=True)
def crop_pieces(
    begin: int,
    end: int,
    rows: Batch,
    keep: tuple[float, float],
    unit: int,
    keep_last: bool,
    p: float,
    firsts: Ints,
    lengths: Ints,
) -> tuple[int, int]:
    """firsts, lengths int64 (rows,): the window that stays of each row, 2 events or more. (end, events that stay).

    Draws of a key: 0 whether, 1 how much, 2 the fraction of an event, 3 where.
    """
    total = 0
    for row in range(begin, end):
        n = rows.starts[row + 1] - rows.starts[row]
        firsts[row], lengths[row] = rows.starts[row], n
        total += n
        if not is_changed(rows, row, 3, p):
            continue
        wanted = within(keep, draw_uniform(rows.keys[row], 1))
        if unit == SECONDS:
            firsts[row], lengths[row] = _window_of_time(rows, row, wanted, keep_last)
            total += lengths[row] - n
            continue
        wanted = min(wanted * n if unit == SHARE else wanted, float(n))
        wanted = n - rows.strength[row] * (n - wanted)
        length = max(drawn_count(rows.keys[row], wanted, n), 2)
        place = 1.0 if keep_last else draw_uniform(rows.keys[row], 3)
        firsts[row] += min(int(place * (n - length + 1)), n - length)
        lengths[row] = length
        total += length - n
    return end, total


@njit(cache=True, nogil=True)
def copy_pieces(
    begin: int,
    end: int,
    items: npt.NDArray[np.int32],
    times: Ints,
    firsts: Ints,
    lengths: Ints,
    starts: Ints,
    new_items: npt.NDArray[np.int32],
    new_times: Ints,
    source: Ints,
) -> None:
    """New row r holds lengths[r] events from firsts[r] on; starts int64 (new rows + 1,), of which `begin` is known.

    `source` may be empty where nobody asks for it.
    """
    for row in range(begin, end):
        starts[row + 1] = starts[row] + lengths[row]
        ahead = firsts[row] - starts[row]
        for place in range(starts[row], starts[row + 1]):
            new_items[place] = items[place + ahead]
            new_times[place] = times[place + ahead]
        if len(source) > 0:
            for place in range(starts[row], starts[row + 1]):
                source[place] = place + ahead
