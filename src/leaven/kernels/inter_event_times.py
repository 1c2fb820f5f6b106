"""How much time passes between one event and the next?"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from leaven.arrays.buffer_pool import space
from leaven.kernels.binary_search import first_above
from leaven.kernels.keyed_rng import draw_uniform

Items = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

GAP_BUCKETS = 42
"""Bucket 0: no gap; bucket b: 2**(b - 1) .. 2**b - 1 seconds; the last one holds whatever is longer."""
NO_GAP_YET = GAP_BUCKETS
ROOMS = 14
"""Classes of the time that is left for each event to come: below 9 hours, then each twice as long as the last."""
GAP_DRAWS = 5
"""How many draws of a key one gap may take."""
_BANK = 512  # real gaps kept per bucket
_CATEGORIES = 31  # the largest ones have a gap law of their own


class Clock(NamedTuple):
    """When things happen, in the direction in which rows are written (backwards: times are negated).

    category  int32 (items + 2,)  a small code of each item
    law       float64 (categories, rooms, buckets + 1, buckets)  the next gap's bucket, summed up: after an item of
              this category, with so much time until `limit` for each event to come, after a gap of this bucket
    bank      int64 (values,)     real gaps, ascending, a few hundred a bucket
    bank_at   int64 (buckets + 1,)
    limit     no later than this
    sign      1 forwards, -1 backwards
    """

    category: Items
    law: Floats
    bank: Ints
    bank_at: Ints
    limit: int
    sign: int


def clock_of(items: Items, times: Ints, starts: Ints, category: Items, sign: int) -> Clock:
    """Real gaps by bucket, and which bucket follows which, after which category, with how much time left."""
    limit = int(times.max())
    counts = np.zeros((int(category.max()) + 1, ROOMS, GAP_BUCKETS + 1, GAP_BUCKETS), np.int64)
    gaps = space(len(items), np.int64)
    gaps = gaps[: _count(items, times, starts, category, limit, counts, gaps)]
    gaps.sort()
    bank, bank_at = _bank(gaps, counts.sum(axis=(0, 1, 2)))
    return Clock(category, _backed_off(counts.astype(np.float64)), bank, bank_at, limit, sign)


@njit(cache=True, nogil=True)
def _count(items: Items, times: Ints, starts: Ints, category: Items, limit: int, counts: Ints, gaps: Ints) -> int:
    """How many gaps there are; writes them, and adds each to the counts by what went before it and its bucket."""
    known = 0
    for row in range(len(starts) - 1):
        last = NO_GAP_YET
        for at in range(starts[row] + 1, starts[row + 1]):
            gap = times[at] - times[at - 1]
            room, bucket = room_of(limit - times[at - 1], starts[row + 1] - at), gap_bucket(gap)
            counts[category[items[at - 1]], room, last, bucket] += 1
            gaps[known], last = gap, bucket
            known += 1
    return known


def small_codes(category: Items | None, items: Items, n_items: int) -> Items:
    """int32 (n_items + 2,): codes of the largest categories from 1; 0 for all other items.

    category int32 (n_items + 1,), items int32 (events,).
    """
    codes = np.zeros(n_items + 2, np.int32)
    if category is None:
        return codes
    codes[: n_items + 1] = category
    events = np.bincount(codes[items], minlength=int(codes.max()) + 1)
    events[0] = 0
    largest = np.argsort(-events, kind="stable")[:_CATEGORIES]
    largest = largest[events[largest] > 0]
    small = np.zeros(len(events), np.int32)
    small[largest] = np.arange(1, len(largest) + 1)
    return small[codes]


def _backed_off(counts: Floats) -> Floats:
    """float64 (categories, rooms, buckets + 1, buckets): the next bucket's law, summed up.

    Backed off by Witten and Bell's method C (IEEE Trans. Inf. Theory 37(4), 1991): from category, time left and
    last bucket down to the last two, to the time left, to all gaps.
    """
    law = _interpolated(counts.sum(axis=(0, 1, 2)), np.full(counts.shape[-1], 1e-12))
    law = _interpolated(counts.sum(axis=(0, 2)), law)
    law = _interpolated(counts.sum(axis=0), law[:, None, :])
    return np.cumsum(_interpolated(counts, law), axis=-1)


def _interpolated(counts: Floats, below: Floats) -> Floats:
    kinds = (counts > 0).sum(axis=-1, keepdims=True)
    law: Floats = (counts + kinds * below) / np.maximum(counts.sum(axis=-1, keepdims=True) + kinds, 1)
    return np.where(kinds > 0, law, below)


def _bank(ascending: Ints, counts: Ints) -> tuple[Ints, Ints]:
    """Evenly spaced real gaps of each bucket, ascending, and where each bucket's begin.

    counts: how many of the gaps each bucket holds.
    """
    kept = []
    for low, high in itertools.pairwise([0, *np.cumsum(counts).tolist()]):  # buckets ascend as gaps do
        count = min(high - low, _BANK)
        kept.append(ascending[low + (np.arange(count) * (high - low)) // max(count, 1)])
    starts = np.concatenate([[0], np.cumsum([len(part) for part in kept])])
    return np.concatenate(kept).astype(np.int64), starts.astype(np.int64)


@njit(cache=True)
def gap_bucket(gap: int) -> int:
    """0 for no gap, else the number of bits of the gap in seconds; never above the last bucket."""
    bits = 0
    for step in (32, 16, 8, 4, 2, 1):
        if gap >> step > 0:
            gap >>= step
            bits += step
    return min(bits + (gap > 0), GAP_BUCKETS - 1)


@njit(cache=True)
def room_of(seconds: int, events: int) -> int:
    """The class of the time that is left for so many events."""
    return min(max(gap_bucket(seconds // max(events, 1)) - 15, 0), ROOMS - 1)


@njit(cache=True)
def gap_buckets(gaps: Ints) -> Ints:
    """int64 (gaps,): the bucket of each gap."""
    found = np.empty(len(gaps), np.int64)
    for at in range(len(gaps)):
        found[at] = gap_bucket(gaps[at])
    return found


@njit(cache=True, inline="always")  # a call counts references to every array
def next_gap(clock: Clock, item: int, last_bucket: int, room: int, events: int, key: np.uint64, draw: int) -> int:
    """A gap of at most `room` seconds, which is what the coming `events` have. Draws `draw` .. `draw + 4`."""
    law = clock.law[clock.category[item], room_of(room, events), last_bucket]
    for attempt in range(2):
        u = draw_uniform(key, draw + 2 * attempt) * law[-1]
        bucket = first_above(law, 0, len(law), u)
        low, high = clock.bank_at[bucket], clock.bank_at[bucket + 1]
        if high > low:
            gap = clock.bank[low + int(draw_uniform(key, draw + 2 * attempt + 1) * (high - low))]
            if gap <= room:
                return gap
    return int(draw_uniform(key, draw + 4) * (room + 1))  # no pile at the end of the world


@njit(cache=True)
def next_gaps(
    clock: Clock, items: Items, buckets: Ints, rooms: Ints, events: Ints, keys: npt.NDArray[np.uint64], draws: Ints
) -> Ints:
    """int64 (rows,): `next_gap` of each row."""
    found = np.empty(len(items), np.int64)
    for at in range(len(items)):
        found[at] = next_gap(clock, items[at], buckets[at], rooms[at], events[at], keys[at], draws[at])
    return found
