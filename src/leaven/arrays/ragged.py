"""Ragged row layout: row offsets, the range of item ids, and target counts after lengths change."""

from __future__ import annotations

from collections.abc import Sequence

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

    targets int32 (rows,); old, new int64 (rows + 1,): row offsets.
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
