"""A model of the time gaps between consecutive events, fitted to real gaps."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from leaven.arrays.buffer_pool import allocate_array
from leaven.kernels.binary_search import find_first_above
from leaven.kernels.keyed_rng import draw_uniform

Items = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

N_GAP_BUCKETS = 42
"""Number of gap buckets. Bucket 0: no gap; bucket b: 2**(b - 1) .. 2**b - 1 seconds; the last one is open-ended."""
NO_PREVIOUS_GAP = N_GAP_BUCKETS
N_TIME_CLASSES = 14
"""Classes of the time left per remaining event: below 9 hours, then doubling."""
DRAWS_PER_GAP = 5
"""Draws of a key that one gap may use."""
_BANK = 512  # maximum number of real gaps per bucket
_CATEGORIES = 31  # number of categories with a gap distribution of their own


class GapModel(NamedTuple):
    """Distribution of the next gap, in the direction of generation (backward: times are negated).

    category  int32 (items + 2,)  category code of each item
    cumulative       float64 (categories, time classes, buckets + 1, buckets)  cumulative probability of the next bucket
              given the last item's category, the time left until `max_time` per remaining event, and the last bucket
    gap_values      int64 (values,)     real gaps, ascending, a few hundred per bucket
    bucket_starts   int64 (buckets + 1,)  offsets of the buckets in `gap_values`
    max_time     maximum time of an event
    direction      1 forward, -1 backward
    """

    category: Items
    cumulative: Floats
    gap_values: Ints
    bucket_starts: Ints
    max_time: int
    direction: int


def fit_gap_model(items: Items, times: Ints, starts: Ints, category: Items, direction: int) -> GapModel:
    """Fit the model to the gaps of these rows."""
    limit = int(times.max())
    counts = np.zeros((int(category.max()) + 1, N_TIME_CLASSES, N_GAP_BUCKETS + 1, N_GAP_BUCKETS), np.int64)
    gaps = allocate_array(len(items), np.int64)
    gaps = gaps[: _count_gaps(items, times, starts, category, limit, counts, gaps)]
    gaps.sort()
    bank, bank_at = _sample_bank(gaps, counts.sum(axis=(0, 1, 2)))
    return GapModel(category, _fit_backoff(counts.astype(np.float64)), bank, bank_at, limit, direction)


@njit(cache=True, nogil=True)
def _count_gaps(items: Items, times: Ints, starts: Ints, category: Items, limit: int, counts: Ints, gaps: Ints) -> int:
    """Write all gaps and count them by context and bucket; returns the number of gaps."""
    n_gaps = 0
    for row in range(len(starts) - 1):
        last = NO_PREVIOUS_GAP
        for event in range(starts[row] + 1, starts[row + 1]):
            gap = times[event] - times[event - 1]
            room, bucket = classify_time_left(limit - times[event - 1], starts[row + 1] - event), find_gap_bucket(gap)
            counts[category[items[event - 1]], room, last, bucket] += 1
            gaps[n_gaps], last = gap, bucket
            n_gaps += 1
    return n_gaps


def compact_categories(category: Items | None, items: Items, n_items: int) -> Items:
    """int32 (n_items + 2,): codes from 1 of the largest categories; 0 for all other items.

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


def _fit_backoff(counts: Floats) -> Floats:
    """float64 (categories, time classes, buckets + 1, buckets): cumulative probability of the next bucket.

    Witten-Bell back-off, method C (IEEE Trans. Inf. Theory 37(4), 1991): from category, time left and last bucket to
    the last two, to the time left, to all gaps.
    """
    law = _interpolate_backoff(counts.sum(axis=(0, 1, 2)), np.full(counts.shape[-1], 1e-12))
    law = _interpolate_backoff(counts.sum(axis=(0, 2)), law)
    law = _interpolate_backoff(counts.sum(axis=0), law[:, None, :])
    return np.cumsum(_interpolate_backoff(counts, law), axis=-1)


def _interpolate_backoff(counts: Floats, below: Floats) -> Floats:
    """Probabilities from counts, smoothed with the lower-order distribution `below`."""
    n_distinct = (counts > 0).sum(axis=-1, keepdims=True)
    law: Floats = (counts + n_distinct * below) / np.maximum(counts.sum(axis=-1, keepdims=True) + n_distinct, 1)
    return np.where(n_distinct > 0, law, below)


def _sample_bank(ascending: Ints, counts: Ints) -> tuple[Ints, Ints]:
    """(evenly spaced real gaps of each bucket, ascending; offsets of the buckets). counts: gaps per bucket."""
    samples = []
    for low, high in itertools.pairwise([0, *np.cumsum(counts).tolist()]):  # buckets ascend as gaps do
        count = min(high - low, _BANK)
        samples.append(ascending[low + (np.arange(count) * (high - low)) // max(count, 1)])
    starts = np.concatenate([[0], np.cumsum([len(part) for part in samples])])
    return np.concatenate(samples).astype(np.int64), starts.astype(np.int64)


@njit(cache=True)
def find_gap_bucket(gap: int) -> int:
    """0 for no gap, else the bit length of the gap in seconds, limited to the last bucket."""
    bits = 0
    for step in (32, 16, 8, 4, 2, 1):
        if gap >> step > 0:
            gap >>= step
            bits += step
    return min(bits + (gap > 0), N_GAP_BUCKETS - 1)


@njit(cache=True)
def classify_time_left(seconds: int, events: int) -> int:
    """The class of the time left per remaining event."""
    return min(max(find_gap_bucket(seconds // max(events, 1)) - 15, 0), N_TIME_CLASSES - 1)


@njit(cache=True)
def find_gap_buckets(gaps: Ints) -> Ints:
    """int64 (gaps,): the bucket of each gap."""
    buckets = np.empty(len(gaps), np.int64)
    for i in range(len(gaps)):
        buckets[i] = find_gap_bucket(gaps[i])
    return buckets


@njit(cache=True, inline="always")  # a call would update reference counts of all arrays
def sample_gap(
    gap_model: GapModel, item: int, last_bucket: int, seconds_left: int, events_left: int, key: np.uint64, draw: int
) -> int:
    """A random gap of at most `seconds_left` seconds, which remain for `events_left` events. Uses draws `draw` .. `draw
    + 4`.
    """
    law = gap_model.cumulative[gap_model.category[item], classify_time_left(seconds_left, events_left), last_bucket]
    for attempt in range(2):
        u = draw_uniform(key, draw + 2 * attempt) * law[-1]
        bucket = find_first_above(law, 0, len(law), u)
        low, high = gap_model.bucket_starts[bucket], gap_model.bucket_starts[bucket + 1]
        if high > low:
            gap = gap_model.gap_values[low + int(draw_uniform(key, draw + 2 * attempt + 1) * (high - low))]
            if gap <= seconds_left:
                return gap
    return int(draw_uniform(key, draw + 4) * (seconds_left + 1))  # uniform: no accumulation at the end of time


@njit(cache=True)
def sample_gaps(
    gap_model: GapModel,
    items: Items,
    buckets: Ints,
    seconds_left: Ints,
    events_left: Ints,
    keys: npt.NDArray[np.uint64],
    draws: Ints,
) -> Ints:
    """int64 (rows,): `next_gap` of each row."""
    gaps = np.empty(len(items), np.int64)
    for i in range(len(items)):
        gaps[i] = sample_gap(gap_model, items[i], buckets[i], seconds_left[i], events_left[i], keys[i], draws[i])
    return gaps
