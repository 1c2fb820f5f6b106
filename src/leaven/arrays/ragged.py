"""Ragged row layout: row offsets, the range of item ids, and target counts after lengths change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from leaven.arrays.buffer_pool import allocate_array
from leaven.arrays.parallel import freeze_array, run_over_rows

Ints = npt.NDArray[np.int64]
Items = npt.NDArray[np.int32]
Counts = npt.NDArray[np.int32]


def compute_segment_offsets(lengths: Ints, segment_ends: Sequence[tuple[int, int]] | None = None) -> Ints:
    """int64 (rows + 1,): row offsets for these lengths, set only at the borders of the segments of `run_over_rows`.

    segment_ends: (end, sum of its lengths) of each segment, where known. The kernel that processes a segment fills in
    the rest, so that threads share this work, a tenth of the cost of copying.
    """
    starts: Ints = allocate_array(len(lengths) + 1, np.int64)
    starts[0] = total = 0
    for end, events in sorted(
        run_over_rows(_sum_lengths, len(lengths), freeze_array(lengths)) if segment_ends is None else segment_ends
    ):
        total += events
        starts[end] = total
    return starts


@njit(cache=True, nogil=True)
def _sum_lengths(begin: int, end: int, lengths: Ints) -> tuple[int, int]:
    total = 0
    for row in range(begin, end):
        total += lengths[row]
    return end, total


def shift_offsets(starts: Ints, more: Ints, sign: int) -> Ints:
    """int64 (rows + 1,): the offsets `starts` after each row gained sign × more events (more: int64 (rows,))."""
    shifted_starts: Ints = allocate_array(len(starts), np.int64)
    _shift_rows(freeze_array(starts), freeze_array(more), sign, shifted_starts)
    return shifted_starts


@njit(cache=True, nogil=True)
def _shift_rows(old: Ints, more: Ints, sign: int, starts: Ints) -> None:
    starts[0] = 0
    for row in range(len(more)):
        starts[row + 1] = starts[row] + old[row + 1] - old[row] + sign * more[row]


def find_item_range(items: Items) -> tuple[int, int]:
    """(smallest, largest) id of items int32 (events,); (1, 0) for no items."""
    if not len(items):
        return 1, 0
    spans = run_over_rows(_find_segment_range, len(items), freeze_array(items))
    return min(smallest for smallest, _ in spans), max(largest for _, largest in spans)


@njit(cache=True, nogil=True)
def _find_segment_range(begin: int, end: int, items: Items) -> tuple[int, int]:
    smallest, largest = items[begin], items[begin]
    for i in range(begin, end):
        smallest, largest = min(smallest, items[i]), max(largest, items[i])
    return smallest, largest


def clip_target_counts(n_targets: Counts, old_starts: Ints, new_starts: Ints) -> Counts:
    """int32 (rows,): target counts clipped to the new length less one; a count of all but the first event stays so.

    n_targets int32 (rows,); old_starts, new_starts int64 (rows + 1,): row offsets.
    """
    clipped: Counts = allocate_array(len(n_targets), np.int32)
    run_over_rows(
        _clip_rows, len(n_targets), freeze_array(n_targets), freeze_array(old_starts), freeze_array(new_starts), clipped
    )
    return clipped


@njit(cache=True, nogil=True)
def _clip_rows(begin: int, end: int, targets: Counts, old: Ints, new: Ints, clipped: Counts) -> None:
    for row in range(begin, end):
        limit = max(new[row + 1] - new[row] - 1, 0)
        is_all = targets[row] >= old[row + 1] - old[row] - 1
        clipped[row] = limit if is_all else min(targets[row], limit)


class RaggedEvents(NamedTuple):
    """Events in ragged rows. starts int64 (rows + 1,); source int64 (events,) or empty: the old index of each event."""

    starts: Ints
    items: Items
    times: Ints
    source: Ints


def gather_segments(
    items: Items,
    times: Ints,
    firsts: Ints,
    lengths: Ints,
    with_source: bool = False,
    segment_ends: Sequence[tuple[int, int]] | None = None,
) -> RaggedEvents:
    """Rows of segments: row r has the lengths[r] events from event firsts[r] on.

    segment_ends: as in `compute_segment_offsets`. Without `with_source` the result has no `source`.
    """
    starts = compute_segment_offsets(lengths, segment_ends)
    n_events = int(starts[-1])
    new_items, new_times = allocate_array(n_events, np.int32), allocate_array(n_events, np.int64)
    source: Ints = allocate_array(n_events if with_source else 0, np.int64)
    read = (freeze_array(array) for array in (items, times, firsts, lengths))
    run_over_rows(copy_segments, len(lengths), *read, starts, new_items, new_times, source)
    return RaggedEvents(starts, new_items, new_times, source)


@njit(cache=True, nogil=True)
def copy_segments(
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
    """Copies lengths[r] events from firsts[r] on into new row r and sets starts int64 (new rows + 1,) after `begin`.

    An empty `source` is not written.
    """
    for row in range(begin, end):
        starts[row + 1] = starts[row] + lengths[row]
        shift = firsts[row] - starts[row]
        for event in range(starts[row], starts[row + 1]):
            new_items[event] = items[event + shift]
            new_times[event] = times[event + shift]
        if len(source) > 0:
            for event in range(starts[row], starts[row + 1]):
                source[event] = event + shift


def find_equal_rows(left: RaggedEvents, right: RaggedEvents) -> npt.NDArray[np.bool_]:
    """bool (rows,): whether each row has the same items and times in both, which have equally many rows."""
    equal = np.empty(len(left.starts) - 1, np.bool_)
    read = (freeze_array(array) for side in (left, right) for array in (side.starts, side.items, side.times))
    run_over_rows(_compare_rows, len(equal), *read, equal)
    return equal


@njit(cache=True, nogil=True)
def _compare_rows(
    begin: int,
    end: int,
    starts: Ints,
    items: Items,
    times: Ints,
    other_starts: Ints,
    other_items: Items,
    other_times: Ints,
    equal: npt.NDArray[np.bool_],
) -> None:
    for row in range(begin, end):
        shift = other_starts[row] - starts[row]
        equal[row] = other_starts[row + 1] - starts[row + 1] == shift
        event = starts[row]
        while equal[row] and event < starts[row + 1]:
            equal[row] = items[event] == other_items[event + shift] and times[event] == other_times[event + shift]
            event += 1
