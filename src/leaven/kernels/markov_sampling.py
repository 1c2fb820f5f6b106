"""How does a row go on: after which gap, and with which item?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from leaven.kernels.binary_search import first_above, holds
from leaven.kernels.inter_event_times import GAP_DRAWS, NO_GAP_YET, Clock, gap_bucket, next_gap
from leaven.kernels.keyed_rng import draw_uniform
from leaven.kernels.markov import Chain, begin, go_on, prior_of
from leaven.kernels.time_popularity import Fashion, item_at

Items = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Keys = npt.NDArray[np.uint64]

_TRIES = 12  # then the item is drawn by frequency among those that were on sale
_DRAWS = GAP_DRAWS + 2 * _TRIES + 1  # a block of draws of its own for each new event


class Shelf(NamedTuple):
    """What can be drawn when: items by first day of sale.

    born       int64 (items + 2,)   first second of sale of each item
    by_birth   int32 (known,)       items seen in training, oldest first
    births     int64 (known,)       their births
    mass       float64 (known,)     their frequencies, summed up
    keep_seen  chance to keep a drawn item that the row already holds
    """

    born: Ints
    by_birth: Items
    births: Ints
    mass: Floats
    keep_seen: float


@njit(cache=True)
def _drawn(chain: Chain, fashion: Fashion, contexts: Ints, now: int, u: float) -> int:
    """The item that a number u in 0..1 points at; what is left of u after a choice serves the next one."""
    for level in range(len(contexts) - 1, -1, -1):
        context = contexts[level]
        if level == 0 and fashion.stale < 1.0:
            if u >= fashion.stale:
                return item_at(fashion, now, (u - fashion.stale) / (1.0 - fashion.stale))
            u /= fashion.stale
        if context < 0:
            continue
        low, high = chain.bounds[context], chain.bounds[context + 1]
        if low == high:
            continue
        m = prior_of(chain, level, context)
        down = m / (chain.sums[high - 1] + m)
        if u >= down:
            share = (u - down) / (1.0 - down)
            if len(chain.mass):
                return chain.followers[first_above(chain.mass, low, high, share * chain.mass[high - 1])]
            return chain.followers[first_above(chain.sums, low, high, share * chain.sums[high - 1])]
        u /= down
    known = chain.bounds[1]
    return chain.followers[min(int(u * known), known - 1)]


@njit(cache=True)
def walk(
    chain: Chain,
    fashion: Fashion,
    clock: Clock,
    shelf: Shelf,
    keys: Keys,
    starts: Ints,
    given: Ints,
    items: Items,
    times: Ints,
) -> None:
    """Write each row's new events behind its first `given` ones, in place.

    items int32 (events,), times int64 (events,) hold the given events, and of a row without any the time of
    its first event; starts int64 (rows + 1,); given int64 (rows,); keys uint64 (rows,).
    """
    contexts = np.empty(len(chain.shift), np.int64)
    for row in range(len(keys)):
        begin(chain, contexts)
        first, bucket = starts[row], NO_GAP_YET
        for at in range(first, first + given[row]):
            go_on(chain, contexts, items[at])
            if at > first:
                bucket = gap_bucket(times[at] - times[at - 1])
        for at in range(first + given[row], starts[row + 1]):
            draw = (at - first - given[row]) * _DRAWS
            if at > first:
                room = max(clock.limit - times[at - 1], 0)
                gap = next_gap(clock, items[at - 1], bucket, room, starts[row + 1] - at, keys[row], draw)
                times[at], bucket = times[at - 1] + gap, gap_bucket(gap)
            row_so_far, now = items[first:at], times[at]
            items[at] = _next_item(
                chain, fashion, contexts, shelf, row_so_far, now, clock.sign, keys[row], draw + GAP_DRAWS
            )
            go_on(chain, contexts, items[at])


@njit(cache=True, inline="always")  # a call counts references to every array
def _next_item(
    chain: Chain,
    fashion: Fashion,
    contexts: Ints,
    shelf: Shelf,
    row: Items,
    now: int,
    sign: int,
    key: np.uint64,
    draw: int,
) -> int:
    """An item on sale now; one that the row holds with the learned chance only."""
    for attempt in range(_TRIES):
        item = _drawn(chain, fashion, contexts, now, draw_uniform(key, draw + 2 * attempt))
        if shelf.born[item] > sign * now:
            continue
        if shelf.keep_seen >= 1.0 or not holds(row, 0, len(row), item):
            return item
        if draw_uniform(key, draw + 2 * attempt + 1) < shelf.keep_seen:
            return item
    found = np.searchsorted(shelf.births, sign * now, side="right")
    on_sale = found if found > 0 else 1
    u = draw_uniform(key, draw + 2 * _TRIES) * shelf.mass[on_sale - 1]
    start = first_above(shelf.mass, 0, on_sale, u)
    for step in range(on_sale):  # the next one on the shelf that is new to the row
        item = shelf.by_birth[(start + step) % on_sale]
        if not holds(row, 0, len(row), item):
            return item
    return shelf.by_birth[start]
