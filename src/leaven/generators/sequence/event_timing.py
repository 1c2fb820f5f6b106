"""When does the next event of a row happen, and which draws belong to it?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from leaven.generators.sequence.sequence_scaffold import Frame
from leaven.kernels.inter_event_times import GAP_DRAWS, NO_GAP_YET, Clock, gap_buckets, next_gaps
from leaven.kernels.keyed_rng import uniforms

Ints = npt.NDArray[np.int64]

DRAWS = GAP_DRAWS + 1
"""A block of draws of its own for each new event."""


def draw_times(clock: Clock, frame: Frame, rows: Ints, at: Ints, number: Ints) -> None:
    """Writes the time of event `at` of each of these rows, unless it is the row's first; number: of its first draw."""
    inner = np.flatnonzero(at > frame.starts[rows])
    if not len(inner):
        return
    rows, at, number = rows[inner], at[inner], number[inner]
    last = frame.times[at - 1]
    buckets = np.full(len(at), NO_GAP_YET, np.int64)
    second = at - 1 > frame.starts[rows]
    buckets[second] = gap_buckets(last[second] - frame.times[at[second] - 2])
    room, to_come = np.maximum(clock.limit - last, 0), frame.starts[rows + 1] - at
    frame.times[at] = last + next_gaps(clock, frame.items[at - 1], buckets, room, to_come, frame.keys[rows], number)


def points(frame: Frame, rows: Ints, number: Ints) -> npt.NDArray[np.float64]:
    """float64 (rows,): the draw of an item that belongs to the block of draws that begins at `number`."""
    found: npt.NDArray[np.float64] = uniforms(frame.keys[rows], number + GAP_DRAWS)
    return found
