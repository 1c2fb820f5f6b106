"""Ragged row layout: row offsets, the range of item ids, and target counts after lengths change."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from numba import njit

from leaven.arrays.buffer_pool import space
from leaven.arrays.parallel import frozen, over_rows

Ints = npt.NDArray[np.int64]
Items = npt.NDArray[np.int32]
Targets = npt.NDArray[np.int32]


def begun(lengths: Ints, ends: Sequence[tuple[int, int]] | None = None) -> Ints:
    """int64 (rows + 1,): row offsets for these lengths, set only at the borders of the segments of `over_rows`.

    ends: (end, sum of its lengths) of each segment, where known. The kernel that processes a segment fills in the rest,
    so that threads share this work, a tenth of the cost of copying.
    """
    starts: Ints = space(len(lengths) + 1, np.int64)
    starts[0] = total = 0
    for end, events in sorted(over_rows(_sum_lengths, len(lengths), frozen(lengths)) if ends is None else ends):
        total += events
        starts[end] = total
    return starts


@njit(cache=True, nogil=True)
def _sum_lengths(begin: int, end: int, lengths: Ints) -> tuple[int, int]:
    total = 0
    for row in range(begin, end):
        total += lengths[row]
    return end, total


def shifted(starts: Ints, more: Ints, sign: int) -> Ints:
    """int64 (rows + 1,): the offsets `starts` after each row gained sign × more events (more: int64 (rows,))."""
    shifted_starts: Ints = space(len(starts), np.int64)
    _shift_rows(frozen(starts), frozen(more), sign, shifted_starts)
    return shifted_starts


@njit(cache=True, nogil=True)
def _shift_rows(old: Ints, more: Ints, sign: int, starts: Ints) -> None:
    starts[0] = 0
    for row in range(len(more)):
        starts[row + 1] = starts[row] + old[row + 1] - old[row] + sign * more[row]


def span_of(items: Items) -> tuple[int, int]:
    """(smallest, largest) id of items int32 (events,); (1, 0) for no items."""
    if not len(items):
        return 1, 0
    spans = over_rows(_find_segment_range, len(items), frozen(items))
    return min(smallest for smallest, _ in spans), max(largest for _, largest in spans)


@njit(cache=True, nogil=True)
def _find_segment_range(begin: int, end: int, items: Items) -> tuple[int, int]:
    smallest, largest = items[begin], items[begin]
    for i in range(begin, end):
        smallest, largest = min(smallest, items[i]), max(largest, items[i])
    return smallest, largest


def fitting_targets(targets: Targets, old: Ints, new: Ints) -> Targets:
    """int32 (rows,): target counts clipped to the new length less one; a count of all but the first event stays so.

    targets int32 (rows,); old, new int64 (rows + 1,): row offsets.
    """
    clipped: Targets = space(len(targets), np.int32)
    over_rows(_clip_rows, len(targets), frozen(targets), frozen(old), frozen(new), clipped)
    return clipped


@njit(cache=True, nogil=True)
def _clip_rows(begin: int, end: int, targets: Targets, old: Ints, new: Ints, clipped: Targets) -> None:
    for row in range(begin, end):
        limit = max(new[row + 1] - new[row] - 1, 0)
        is_all = targets[row] >= old[row + 1] - old[row] - 1
        clipped[row] = limit if is_all else min(targets[row], limit)
