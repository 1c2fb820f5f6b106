"""Mixes and splices histories of different users."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from leaven.kernels.batch import RowBatch, draw_count, interpolate_range, is_changed
from leaven.kernels.keyed_rng import draw_uniform

Ints = npt.NDArray[np.int64]
Items = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]

_DONOR_DRAW = (1 << 20) - 1


class DonorHistories(NamedTuple):
    """Histories that events are taken from.

    items int32, times int64 (events,); starts int64 (donors + 1,); keys uint64 (donors,)
    row_of_event int32 (events,)
    found int64 (n_items + 2,), places int64: the events of each item, as `cooccurrence.occurrences` returns them
    longest int: longer rows take no events; 0: no limit
    """

    items: Items
    times: Ints
    starts: Ints
    row_ids: npt.NDArray[np.uint64]
    event_rows: Items
    item_starts: Ints
    item_positions: Ints
    max_events: int


@njit(cache=True)
def _exclude_parent(donors: DonorHistories, drawn: int, parent: np.uint64) -> int:
    """The drawn donor, or the next one where that is the row itself; -1 where there is no other."""
    if donors.row_ids[drawn] != parent:
        return drawn
    following = (drawn + 1) % len(donors.row_ids)
    return following if donors.row_ids[following] != parent else -1


@njit(cache=True)
def _has_donors(donors: DonorHistories, length: int) -> bool:
    """Whether a row of this length may take events from donors."""
    return len(donors.row_ids) > 0 and (donors.max_events == 0 or length <= donors.max_events)


@njit(cache=True, nogil=True)
def mix_marked(
    begin: int,
    end: int,
    rows: RowBatch,
    parents: npt.NDArray[np.uint64],
    marked: Mask,
    donors: DonorHistories,
    items: Items,
    borrowed: Mask,
) -> None:
    """Writes items int32 (events,): marked events get the donor's item at the same relative position of its history."""
    for row in range(begin, end):
        first, n = rows.starts[row], rows.starts[row + 1] - rows.starts[row]
        donor = -1
        if _has_donors(donors, n):
            drawn = int(draw_uniform(rows.rng_keys[row], _DONOR_DRAW) * len(donors.row_ids))
            donor = _exclude_parent(donors, drawn, parents[row])
        for event in range(first, first + n):
            items[event], borrowed[event] = rows.items[event], False
            if marked[event] and donor >= 0:
                size = donors.starts[donor + 1] - donors.starts[donor]
                items[event] = donors.items[donors.starts[donor] + (event - first) * size // n]
                borrowed[event] = True


@njit(cache=True)
def _draw_seam(donors: DonorHistories, item: int, parent: np.uint64, u: float, at_shared_item: bool) -> int:
    """The donor's event at the seam; -1 for none."""
    if not at_shared_item:
        donor = _exclude_parent(donors, int(u * len(donors.row_ids)), parent)
        return donors.starts[donor + 1] - 1 if donor >= 0 else -1
    if item >= len(donors.item_starts) - 1:
        return -1
    first, last = donors.item_starts[item], donors.item_starts[item + 1]
    for attempt in range(min(last - first, 8)):
        event = donors.item_positions[first + (int(u * (last - first)) + attempt) % (last - first)]
        row = donors.event_rows[event]
        if donors.row_ids[row] != parent and event > donors.starts[row]:
            return event
    return -1


@njit(cache=True, nogil=True)
def plan_splices(
    begin: int,
    end: int,
    rows: RowBatch,
    parents: npt.NDArray[np.uint64],
    keep: tuple[float, float],
    at_shared_item: bool,
    p: float,
    donors: DonorHistories,
    seams: Ints,
    borrowed: Ints,
    kept: Ints,
) -> None:
    """Writes seams int64 (rows,): the donor's event at the first kept one; borrowed, kept int64 (rows,): event counts.

    With `at_shared_item`, seam and first kept event have the same item, and the donor's events before the
    seam are taken; without, the donor's last events are taken.
    """
    for row in range(begin, end):
        n = rows.starts[row + 1] - rows.starts[row]
        seams[row], borrowed[row], kept[row] = -1, 0, n
        if not _has_donors(donors, n) or not is_changed(rows, row, 3, p):
            continue
        key = rows.rng_keys[row]
        mean = n * (1.0 - rows.strength[row] * (1.0 - interpolate_range(keep, draw_uniform(key, 1))))
        own = max(draw_count(key, mean, n), 2)
        if own == n:
            continue
        item = rows.items[rows.starts[row + 1] - own]
        seam = _draw_seam(donors, item, parents[row], draw_uniform(key, _DONOR_DRAW), at_shared_item)
        if seam >= 0:
            before = seam - donors.starts[donors.event_rows[seam]] + (0 if at_shared_item else 1)
            seams[row], borrowed[row], kept[row] = seam, min(n - own, before), own


@njit(cache=True, nogil=True)
def splice_histories(
    begin: int,
    end: int,
    rows: RowBatch,
    donors: DonorHistories,
    at_shared_item: bool,
    seams: Ints,
    borrowed: Ints,
    starts: Ints,
    items: Items,
    times: Ints,
    source: Ints,
) -> None:
    """Writes the borrowed events, shifted in time to match at the seam, then the kept events."""
    for row in range(begin, end):
        target = starts[row]
        first = rows.starts[row + 1] - (starts[row + 1] - target - borrowed[row])
        if borrowed[row] > 0:
            shift = rows.times[first] - donors.times[seams[row]]
            last = seams[row] + (0 if at_shared_item else 1)
            for event in range(last - borrowed[row], last):
                items[target] = donors.items[event]
                times[target] = donors.times[event] + shift
                if len(source) > 0:
                    source[target] = -1
                target += 1
        for event in range(first, rows.starts[row + 1]):
            items[target] = rows.items[event]
            times[target] = rows.times[event]
            if len(source) > 0:
                source[target] = event
            target += 1
