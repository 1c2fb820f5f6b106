"""Random event masks, and rows with the marked events masked or removed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from leaven.kernels.batch import RowBatch, draw_count, interpolate_range, is_changed
from leaven.kernels.keyed_rng import draw_uniform

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]

FIRST_EVENT_DRAW = 4
"""Draw 4 + j belongs to event j of a row; draws from 2**20 on are free for the operation on the marked events."""


@njit(cache=True)
def _mark_evenly(key: np.uint64, count: int, out: Mask) -> None:
    """Marks exactly `count` events; all subsets are equally likely (Floyd; Bentley, CACM 1987)."""
    for last in range(len(out) - count, len(out)):
        drawn = int(draw_uniform(key, FIRST_EVENT_DRAW + last) * (last + 1))
        out[last if out[drawn] else drawn] = True


@njit(cache=True)
def _mark_eligible(
    key: np.uint64, items: npt.NDArray[np.int32], eligible: Mask, n_eligible: int, count: int, out: Mask
) -> None:
    """Marks `count` of the eligible events, uniformly (Knuth, 3.4.2, algorithm S)."""
    rest = n_eligible
    for event in range(len(items)):
        if count == 0:
            return
        if eligible[items[event]]:
            if rest * draw_uniform(key, FIRST_EVENT_DRAW + event) < count:
                out[event] = True
                count -= 1
            rest -= 1


@njit(cache=True)
def _mark_weighted(
    key: np.uint64, items: npt.NDArray[np.int32], eligible: Mask, weights: Floats, count: int, out: Mask
) -> None:
    """Marks `count` eligible events without replacement, by weight (Efraimidis and Spirakis, 2006)."""
    scores = np.full(len(items), np.inf)
    for event in range(len(items)):
        if len(eligible) == 0 or eligible[items[event]]:
            scores[event] = -np.log(1.0 - draw_uniform(key, FIRST_EVENT_DRAW + event)) / weights[event]
    threshold = np.sort(scores)[count - 1]
    for event in range(len(items)):
        if count > 0 and scores[event] <= threshold and scores[event] < np.inf:
            out[event] = True
            count -= 1


@njit(cache=True, nogil=True)
def mark_events(
    begin: int,
    end: int,
    rows: RowBatch,
    share: tuple[float, float],
    p: float,
    bounds: tuple[int, int, int],
    eligible: Mask,
    weights: Floats,
    marked: Mask,
    counts: Ints,
) -> None:
    """Writes marked bool (events,) and counts int64 (rows,): a random share of each row's events.

    bounds: (minimum length of a changed row, last events that are never marked, events that must remain unmarked).
    eligible bool (n_items + 2,): items that may be marked, empty for all. weights float32 (events,) above 0, empty for
    uniform. The count is share × strength × length, rounded stochastically.
    """
    min_events, tail, spare = bounds
    for row in range(begin, end):
        first, last = rows.starts[row], rows.starts[row + 1]
        for event in range(first, last):
            marked[event] = False
        counts[row] = 0
        if not is_changed(rows, row, min_events, p):
            continue
        n, key = last - first, rows.rng_keys[row]
        n_eligible = n - tail
        if len(eligible) > 0:
            n_eligible = 0
            for event in range(first, last - tail):
                n_eligible += eligible[rows.items[event]]
        mean = n * rows.strength[row] * interpolate_range(share, draw_uniform(key, 1))
        count = draw_count(key, mean, min(n_eligible, n - spare))
        if count <= 0:
            continue
        counts[row] = count
        items, out = rows.items[first : last - tail], marked[first : last - tail]
        if len(weights) > 0:
            _mark_weighted(key, items, eligible, weights[first : last - tail], count, out)
        elif n_eligible == n - tail:
            _mark_evenly(key, count, out)
        else:
            _mark_eligible(key, items, eligible, n_eligible, count, out)


@njit(cache=True, nogil=True)
def mask_marked(
    begin: int, end: int, rows: RowBatch, marked: Mask, mask_id: int, new_items: npt.NDArray[np.int32]
) -> None:
    """Writes new_items int32 (events,): the mask id for marked events, the own item elsewhere."""
    for event in range(rows.starts[begin], rows.starts[end]):
        new_items[event] = mask_id if marked[event] else rows.items[event]


@njit(cache=True, nogil=True)
def copy_unmarked(
    begin: int,
    end: int,
    rows: RowBatch,
    marked: Mask,
    starts: Ints,
    new_items: npt.NDArray[np.int32],
    new_times: Ints,
    source: Ints,
) -> None:
    """Copies the unmarked events in order; starts int64 (rows + 1,): offsets of the new rows."""
    for row in range(begin, end):
        target = starts[row]
        for event in range(rows.starts[row], rows.starts[row + 1]):
            if not marked[event]:
                new_items[target] = rows.items[event]
                new_times[target] = rows.times[event]
                if len(source) > 0:
                    source[target] = event
                target += 1
