"""What does one user's history look like with a part of another's?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from leaven.kernels.batch import Batch, drawn_count, is_changed, within
from leaven.kernels.keyed_rng import draw_uniform

Ints = npt.NDArray[np.int64]
Items = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]

_DONOR_DRAW = (1 << 20) - 1


class Donors(NamedTuple):
    """Histories to borrow from.

    items int32, times int64 (events,); starts int64 (donors + 1,); keys uint64 (donors,)
    row_of_event int32 (events,)
    found int64 (n_items + 2,), places int64: where each item stands (kernels/cooccurrence.py)
    longest int: longer rows borrow nothing; 0: all borrow
    """

    items: Items
    times: Ints
    starts: Ints
    keys: npt.NDArray[np.uint64]
    row_of_event: Items
    found: Ints
    places: Ints
    longest: int


@njit(cache=True)
def _other(donors: Donors, drawn: int, parent: np.uint64) -> int:
    """The donor that was drawn, or the one after it where that is the row itself; -1: there is no other."""
    if donors.keys[drawn] != parent:
        return drawn
    after = (drawn + 1) % len(donors.keys)
    return after if donors.keys[after] != parent else -1


@njit(cache=True)
def _borrows(donors: Donors, length: int) -> bool:
    return len(donors.keys) > 0 and (donors.longest == 0 or length <= donors.longest)


@njit(cache=True, nogil=True)
def mix_marked(
    begin: int,
    end: int,
    rows: Batch,
    parents: npt.NDArray[np.uint64],
    marked: Mask,
    donors: Donors,
    items: Items,
    borrowed: Mask,
) -> None:
    """items int32 (events,): marked events show what a donor took at the same share of its history."""
    for row in range(begin, end):
        first, n = rows.starts[row], rows.starts[row + 1] - rows.starts[row]
        donor = -1
        if _borrows(donors, n):
            drawn = int(draw_uniform(rows.keys[row], _DONOR_DRAW) * len(donors.keys))
            donor = _other(donors, drawn, parents[row])
        for place in range(first, first + n):
            items[place], borrowed[place] = rows.items[place], False
            if marked[place] and donor >= 0:
                size = donors.starts[donor + 1] - donors.starts[donor]
                items[place] = donors.items[donors.starts[donor] + (place - first) * size // n]
                borrowed[place] = True


@njit(cache=True)
def _seam(donors: Donors, item: int, parent: np.uint64, u: float, meet: bool) -> int:
    """The donor's event up to which it is borrowed from; -1: none."""
    if not meet:
        donor = _other(donors, int(u * len(donors.keys)), parent)
        return donors.starts[donor + 1] - 1 if donor >= 0 else -1
    if item >= len(donors.found) - 1:
        return -1
    first, last = donors.found[item], donors.found[item + 1]
    for turn in range(min(last - first, 8)):
        place = donors.places[first + (int(u * (last - first)) + turn) % (last - first)]
        row = donors.row_of_event[place]
        if donors.keys[row] != parent and place > donors.starts[row]:
            return place
    return -1


@njit(cache=True, nogil=True)
def plan_splices(
    begin: int,
    end: int,
    rows: Batch,
    parents: npt.NDArray[np.uint64],
    keep: tuple[float, float],
    meet: bool,
    p: float,
    donors: Donors,
    seams: Ints,
    borrowed: Ints,
    kept: Ints,
) -> None:
    """seams int64 (rows,): the donor's event that meets the first kept one; borrowed, kept int64 (rows,): events.

    With `meet` the seam shows the same item as the first kept event, and the donor's events before it are
    borrowed; without, the donor's last events are.
    """
    for row in range(begin, end):
        n = rows.starts[row + 1] - rows.starts[row]
        seams[row], borrowed[row], kept[row] = -1, 0, n
        if not _borrows(donors, n) or not is_changed(rows, row, 3, p):
            continue
        key = rows.keys[row]
        wanted = n * (1.0 - rows.strength[row] * (1.0 - within(keep, draw_uniform(key, 1))))
        own = max(drawn_count(key, wanted, n), 2)
        if own == n:
            continue
        item = rows.items[rows.starts[row + 1] - own]
        seam = _seam(donors, item, parents[row], draw_uniform(key, _DONOR_DRAW), meet)
        if seam >= 0:
            before = seam - donors.starts[donors.row_of_event[seam]] + (0 if meet else 1)
            seams[row], borrowed[row], kept[row] = seam, min(n - own, before), own


@njit(cache=True, nogil=True)
def splice(
    begin: int,
    end: int,
    rows: Batch,
    donors: Donors,
    meet: bool,
    seams: Ints,
    borrowed: Ints,
    starts: Ints,
    items: Items,
    times: Ints,
    source: Ints,
) -> None:
    """The borrowed events, moved in time so that the seam fits, then the kept ones."""
    for row in range(begin, end):
        to = starts[row]
        first = rows.starts[row + 1] - (starts[row + 1] - to - borrowed[row])
        if borrowed[row] > 0:
            moved = rows.times[first] - donors.times[seams[row]]
            last = seams[row] + (0 if meet else 1)
            for place in range(last - borrowed[row], last):
                items[to] = donors.items[place]
                times[to] = donors.times[place] + moved
                if len(source) > 0:
                    source[to] = -1
                to += 1
        for place in range(first, rows.starts[row + 1]):
            items[to] = rows.items[place]
            times[to] = rows.times[place]
            if len(source) > 0:
                source[to] = place
            to += 1
