"""Samples continuations of rows from a Markov chain: the time gap, then the item."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from leaven.kernels.binary_search import contains_item, find_first_above
from leaven.kernels.inter_event_times import DRAWS_PER_GAP, NO_PREVIOUS_GAP, GapModel, find_gap_bucket, sample_gap
from leaven.kernels.keyed_rng import draw_uniform
from leaven.kernels.markov import MarkovChain, advance_contexts, get_concentration, start_contexts
from leaven.kernels.time_popularity import TimePopularity, select_item

Items = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Keys = npt.NDArray[np.uint64]

_MAX_ATTEMPTS = 12  # then the item is drawn by frequency from those on sale
_DRAWS = DRAWS_PER_GAP + 2 * _MAX_ATTEMPTS + 1  # draws of each new event


class SaleOrder(NamedTuple):
    """Items by first sale time.

    first_sale       int64 (items + 2,)   first second of sale of each item
    items   int32 (known,)       items seen in training, earliest first
    sale_times     int64 (known,)       their first sale times
    cumulative_counts       float64 (known,)     their cumulative frequencies
    repeat_chance  probability to keep a drawn item that is already in the row
    """

    first_sale: Ints
    items: Items
    sale_times: Ints
    cumulative_counts: Floats
    repeat_chance: float


@njit(cache=True)
def _draw_item(chain: MarkovChain, popularity: TimePopularity, contexts: Ints, time: int, u: float) -> int:
    """The item for a uniform number u in 0..1; u is rescaled after each back-off choice and used again."""
    for level in range(len(contexts) - 1, -1, -1):
        context = contexts[level]
        if level == 0 and popularity.global_share < 1.0:
            if u >= popularity.global_share:
                return select_item(popularity, time, (u - popularity.global_share) / (1.0 - popularity.global_share))
            u /= popularity.global_share
        if context < 0:
            continue
        low, high = chain.bounds[context], chain.bounds[context + 1]
        if low == high:
            continue
        m = get_concentration(chain, level, context)
        back_off = m / (chain.cumulative_counts[high - 1] + m)
        if u >= back_off:
            share = (u - back_off) / (1.0 - back_off)
            if len(chain.cumulative_weights):
                return chain.followers[
                    find_first_above(chain.cumulative_weights, low, high, share * chain.cumulative_weights[high - 1])
                ]
            return chain.followers[
                find_first_above(chain.cumulative_counts, low, high, share * chain.cumulative_counts[high - 1])
            ]
        u /= back_off
    n_known = chain.bounds[1]
    return chain.followers[min(int(u * n_known), n_known - 1)]


@njit(cache=True)
def sample_events(
    chain: MarkovChain,
    popularity: TimePopularity,
    gap_model: GapModel,
    sale_order: SaleOrder,
    keys: Keys,
    starts: Ints,
    n_given: Ints,
    items: Items,
    times: Ints,
) -> None:
    """Write the new events of each row after its first `n_given` ones, in place.

    items int32 and times int64 (events,) contain the given events, and for a row without any the time of its first
    event. starts int64 (rows + 1,); n_given int64 (rows,); keys uint64 (rows,).
    """
    contexts = np.empty(len(chain.level_offsets), np.int64)
    for row in range(len(keys)):
        start_contexts(chain, contexts)
        first, bucket = starts[row], NO_PREVIOUS_GAP
        for at in range(first, first + n_given[row]):
            advance_contexts(chain, contexts, items[at])
            if at > first:
                bucket = find_gap_bucket(times[at] - times[at - 1])
        for at in range(first + n_given[row], starts[row + 1]):
            draw = (at - first - n_given[row]) * _DRAWS
            if at > first:
                seconds_left = max(gap_model.max_time - times[at - 1], 0)
                gap = sample_gap(gap_model, items[at - 1], bucket, seconds_left, starts[row + 1] - at, keys[row], draw)
                times[at], bucket = times[at - 1] + gap, find_gap_bucket(gap)
            row_so_far, time = items[first:at], times[at]
            items[at] = _next_item(
                chain,
                popularity,
                contexts,
                sale_order,
                row_so_far,
                time,
                gap_model.direction,
                keys[row],
                draw + DRAWS_PER_GAP,
            )
            advance_contexts(chain, contexts, items[at])


@njit(cache=True, inline="always")  # a call would update reference counts of all arrays
def _next_item(
    chain: MarkovChain,
    popularity: TimePopularity,
    contexts: Ints,
    sale_order: SaleOrder,
    row: Items,
    time: int,
    sign: int,
    key: np.uint64,
    draw: int,
) -> int:
    """An item on sale; one that is already in the row only with the fitted probability."""
    for attempt in range(_MAX_ATTEMPTS):
        item = _draw_item(chain, popularity, contexts, time, draw_uniform(key, draw + 2 * attempt))
        if sale_order.first_sale[item] > sign * time:
            continue
        if sale_order.repeat_chance >= 1.0 or not contains_item(row, 0, len(row), item):
            return item
        if draw_uniform(key, draw + 2 * attempt + 1) < sale_order.repeat_chance:
            return item
    n_on_sale = np.searchsorted(sale_order.sale_times, sign * time, side="right")
    on_sale = n_on_sale if n_on_sale > 0 else 1
    u = draw_uniform(key, draw + 2 * _MAX_ATTEMPTS) * sale_order.cumulative_counts[on_sale - 1]
    start = find_first_above(sale_order.cumulative_counts, 0, on_sale, u)
    for step in range(on_sale):  # the next item that is new to the row
        item = sale_order.items[(start + step) % on_sale]
        if not contains_item(row, 0, len(row), item):
            return item
    return sale_order.items[start]
