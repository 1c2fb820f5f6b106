"""Times of new events, and the numbering of their random draws."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from leaven.generators.sequence.sequence_scaffold import Scaffold
from leaven.kernels.inter_event_times import DRAWS_PER_GAP, NO_PREVIOUS_GAP, GapModel, find_gap_buckets, sample_gaps
from leaven.kernels.keyed_rng import draw_uniforms

Ints = npt.NDArray[np.int64]

DRAWS_PER_EVENT = DRAWS_PER_GAP + 1
"""Number of random draws that each new event owns."""


def draw_times(clock: GapModel, frame: Scaffold, rows: Ints, at: Ints, number: Ints) -> None:
    """Draws the time of event `at` of each row, in place, unless it is the row's first; number: of its first draw."""
    later = np.flatnonzero(at > frame.starts[rows])
    if not len(later):
        return
    rows, at, number = rows[later], at[later], number[later]
    last = frame.times[at - 1]
    buckets = np.full(len(at), NO_PREVIOUS_GAP, np.int64)
    has_gap = at - 1 > frame.starts[rows]
    buckets[has_gap] = find_gap_buckets(last[has_gap] - frame.times[at[has_gap] - 2])
    room, n_remaining = np.maximum(clock.max_time - last, 0), frame.starts[rows + 1] - at
    frame.times[at] = last + sample_gaps(
        clock, frame.items[at - 1], buckets, room, n_remaining, frame.keys[rows], number
    )


def draw_item_uniforms(frame: Scaffold, rows: Ints, number: Ints) -> npt.NDArray[np.float64]:
    """Returns float64 (rows,): the item draw of the block of draws that starts at `number`."""
    draws: npt.NDArray[np.float64] = draw_uniforms(frame.keys[rows], number + DRAWS_PER_GAP)
    return draws
