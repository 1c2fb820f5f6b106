"""Times of new events: after the last one, between real ones, or in place of some; numbers of their draws."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.histories import Histories, compute_offsets
from leaven.generators.sequence.sequence_scaffold import Scaffold
from leaven.kernels.inter_event_times import DRAWS_PER_GAP, NO_PREVIOUS_GAP, GapModel, find_gap_buckets, sample_gaps
from leaven.kernels.keyed_rng import draw_uniforms
from leaven.protocols import RngKeys

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


Floats = npt.NDArray[np.float64]

_QUANTILES = np.linspace(0, 1, 257)


def compute_time_quantiles(train: Histories) -> Floats:
    """Returns float64 (257,): quantiles of the relative time of real events between their neighbors, in 0..1.

    Uniform where no row has three events at different times.
    """
    row = train.event_rows()
    first = np.flatnonzero(row[2:] == row[:-2])
    before, whole = train.times[first + 1] - train.times[first], train.times[first + 2] - train.times[first]
    is_distinct = whole > 0
    return np.quantile(before[is_distinct] / whole[is_distinct], _QUANTILES) if is_distinct.any() else _QUANTILES


def insert_events(keys: RngKeys, like: Histories, new_events_range: tuple[int, int], law: Floats) -> Scaffold:
    """Returns scaffolds with new events at random positions between real ones, at times drawn from quantiles `law`.

    Rows of one event get new ones after it, in the same second. Empty rows get one or more; the caller sets its time.
    """
    low, high = new_events_range
    own = rng.mix_bits(keys)
    added = low + (rng.draw_uniform(own, 0) * (high - low + 1)).astype(np.int64)
    added = np.where(like.lengths == 0, np.maximum(added, 1), added)
    row = np.repeat(np.arange(len(keys)), added)
    number = 2 * (np.arange(len(row)) - np.repeat(np.cumsum(added) - added, added))
    gap = (draw_uniforms(own[row], number + 1) * np.maximum(like.lengths[row] - 1, 1)).astype(np.int64)
    share = np.interp(draw_uniforms(own[row], number + 2), np.linspace(0, 1, len(law)), law)
    base = like.starts[:-1] - like.starts[0]
    left = base[row] + np.minimum(gap, np.maximum(like.lengths[row] - 1, 0))
    right = np.where(like.lengths[row] > 1, left + 1, left)
    padded = np.append(like.times, 0)  # read by an empty last row
    has_events = like.lengths[row] > 0
    begin, end = (
        np.where(has_events, padded[left], 0),
        np.where(has_events, padded[np.minimum(right, len(like.times))], 0),
    )
    times = begin + (share * (end - begin)).astype(np.int64)
    every = np.concatenate([np.arange(like.n_events), left])  # a new event follows its left neighbor
    is_new = np.repeat([False, True], [like.n_events, len(row)])
    when, owner = np.concatenate([like.times, times]), np.concatenate([like.event_rows(), row])
    order = np.lexsort((when, is_new, every, owner))
    source = np.where(is_new, -1, every)[order]
    items = np.where(source >= 0, like.items[np.maximum(source, 0)] if like.n_events else 0, 0).astype(np.int32)
    starts = compute_offsets(like.lengths + added)
    return Scaffold(keys, starts, np.zeros(len(keys), np.int64), items, when[order], source, like, has_times=True)


def replace_events(keys: RngKeys, like: Histories, share: float) -> Scaffold:
    """Returns scaffolds with a share of each row's items, at least one, removed; their times stay.

    An empty row gets one event, whose time the caller sets.
    """
    lengths = like.lengths
    row = like.event_rows()
    number = np.arange(like.n_events) - (like.starts[:-1] - like.starts[0])[row]
    order = np.lexsort((draw_uniforms(rng.mix_bits(keys)[row], number), row))
    rank = np.empty(like.n_events, np.int64)
    rank[order] = number
    source = np.where(rank < np.maximum(np.rint(share * lengths), 1)[row], -1, np.arange(like.n_events))
    starts = compute_offsets(np.maximum(lengths, 1))
    position = np.repeat(starts[:-1], lengths) + number
    scaffold = Scaffold(
        keys,
        starts,
        np.zeros(len(keys), np.int64),
        np.zeros(starts[-1], np.int32),
        np.zeros(starts[-1], np.int64),
        np.full(starts[-1], -1, np.int64),
        like,
        has_times=True,
    )
    scaffold.source_index[position], scaffold.times[position] = source, like.times
    scaffold.items[position] = np.where(source >= 0, like.items, 0)
    return scaffold
