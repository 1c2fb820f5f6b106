"""What follows what in these rows, how likely is a row, and how does a new one go on?

An interpolated back-off chain with absolute discounting (Ney, Essen and Kneser, Computer Speech and Language 8(1),
1994; Chen and Goodman, 1998, sec. 2.6). After context h, seen c(h) times with T(h) different followers,

    P(w | h) = (c(h, w) - d) / c(h) + d T(h) / c(h) P(w | h'),    h' = h without its oldest item,

and the discount d of a level is n1 / (n1 + 2 n2), n1 and n2 the edges seen once and twice: where most were seen
once, little is believed. We keep d within 0.1 .. 0.98, so that nothing is impossible and nothing is ignored. It goes
down to the frequencies of single items and, below these, a uniform law over the catalogue. The contexts of all
levels lie in one trie: the edge (h, w) of level k is the context "h, then w" of level k + 1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from leaven.kernels.chance import draw_uniform

Items = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Keys = npt.NDArray[np.uint64]

GAP_BUCKETS = 42
"""Bucket 0: no gap; bucket b: 2**(b - 1) .. 2**b - 1 seconds; the last one holds whatever is longer."""
NO_GAP_YET = GAP_BUCKETS
_TRIES = 12  # then the item is drawn by frequency among those that were on sale
_GAP_DRAWS = 5
_DRAWS = _GAP_DRAWS + 2 * _TRIES + 1  # a block of draws of its own for each new event


class Chain(NamedTuple):
    """Who follows whom. Level 0 has one context, level 1 one for each last item (0: the row begins).

    bounds    int64 (contexts + 1,)  context g owns edges bounds[g]:bounds[g + 1]
    followers int32 (edges,)         ascending inside a context
    share     float64 (edges,)       (c(h, w) - d) / c(h)
    mass      float64 (edges,)       summed up inside each context: weights of the draw
    back_off  float64 (contexts,)    d T(h) / c(h); 1 where nothing was seen
    shift     int64 (order + 1,)     level k: context = shift[k] + the edge of level k - 1 (level 1: + item)
    n_items                          size of the catalogue
    """

    bounds: Ints
    followers: Items
    share: Floats
    mass: Floats
    back_off: Floats
    shift: Ints
    n_items: int


class Clock(NamedTuple):
    """When things happen, in the direction in which rows are written (backwards: times are negated).

    category  int32 (items + 2,)  a small code of each item
    law       float64 (categories, buckets + 1, buckets)  next gap's bucket, summed up, after the last one's
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


def learned(items: Items, starts: Ints, n_items: int, order: int) -> Chain:
    """The chain of these rows: items int32 (events,) in 1..n_items + 1, starts int64 (rows + 1,) from 0."""
    first = np.zeros(len(items), np.bool_)
    first[starts[:-1][np.diff(starts) > 0]] = True
    levels = [_edges(np.zeros(len(items), np.int64), items, n_items + 2, 1)]
    last = np.concatenate([[0], items])[: len(items)].astype(np.int64)
    levels.append(_edges(np.where(first, 0, last), items, n_items + 2, n_items + 2))
    for _ in range(1, order):  # the context is the edge that led to the event before; a first event has none
        edge_before = np.concatenate([[-1], levels[-1].of_event])[: len(items)]
        contexts = np.where(first, -1, edge_before)
        levels.append(_edges(contexts, items, n_items + 2, len(levels[-1].followers)))
    return _stacked(levels[: order + 1], n_items)


class _Level(NamedTuple):
    """Edges in order of (context, follower); of_event int64 (events,): the edge of each, -1 for none."""

    degree: Ints
    followers: Items
    counts: Items
    of_event: Ints


def _edges(contexts: Ints, items: Items, base: int, width: int) -> _Level:
    real = contexts >= 0
    codes, place, counts = np.unique(contexts[real] * base + items[real], return_inverse=True, return_counts=True)
    of_event = np.full(len(items), -1, np.int64)
    of_event[real] = place
    degree = np.bincount(codes // base, minlength=width).astype(np.int64)
    return _Level(degree, (codes % base).astype(np.int32), counts.astype(np.int32), of_event)


def _stacked(levels: list[_Level], n_items: int) -> Chain:
    degree = np.concatenate([level.degree for level in levels])
    counts = np.concatenate([level.counts for level in levels])
    discount = np.concatenate([np.full(len(level.counts), _discount(level.counts)) for level in levels])
    bounds = np.concatenate([[0], np.cumsum(degree)]).astype(np.int64)
    seen = np.repeat(np.add.reduceat(counts, bounds[:-1][degree > 0]), degree[degree > 0])
    share = (counts - discount) / seen
    back_off = np.ones(len(degree))
    back_off[degree > 0] = np.add.reduceat(discount / seen, bounds[:-1][degree > 0])
    edge_at = np.cumsum([0] + [len(level.followers) for level in levels])
    shift = np.cumsum([0] + [len(level.degree) for level in levels])[:-1]
    shift[2:] -= edge_at[1 : len(levels) - 1]  # level 1 is told by the item itself
    return Chain(
        bounds=bounds,
        followers=np.concatenate([level.followers for level in levels]),
        share=share,
        mass=_summed(share, bounds),
        back_off=back_off,
        shift=shift.astype(np.int64),
        n_items=int(n_items),
    )


def _discount(counts: Items) -> float:
    once, twice = int((counts == 1).sum()), int((counts == 2).sum())
    return min(max(once / max(once + 2 * twice, 1), 0.1), 0.98)


def _summed(weights: Floats, bounds: Ints) -> Floats:
    """float64 (edges,): running sums that begin anew in each context."""
    total = np.concatenate([[0.0], np.cumsum(weights)])
    mass: Floats = total[1:] - np.repeat(total[bounds[:-1]], np.diff(bounds))
    return mass


def sharpened(chain: Chain, temperature: float, top_k: int, top_p: float) -> Chain:
    """The chain with other weights of the draw: share ** (1 / temperature) of the likeliest followers.

    top_k: no more than so many followers of a context, 0 for all; top_p: the fewest that hold so much of its
    mass. Shares, and with them `log_likelihoods`, stay as they are.
    """
    if temperature == 1.0 and not top_k and top_p >= 1.0:
        return chain
    weights: Floats = chain.share ** (1.0 / temperature)
    context = np.repeat(np.arange(len(chain.bounds) - 1), np.diff(chain.bounds))
    best_first = np.lexsort((-weights, context))
    mass = _summed(weights[best_first], chain.bounds)
    rank = np.arange(len(weights)) - chain.bounds[context]
    before = mass - weights[best_first]
    whole = mass[np.maximum(chain.bounds[context + 1] - 1, 0)]
    stays = (before < top_p * whole) & ((rank < top_k) if top_k else True)
    weights[best_first[~stays]] = 0.0
    return chain._replace(mass=_summed(weights, chain.bounds))


@njit(cache=True)
def _place(values: Items, low: int, high: int, wanted: int) -> int:
    """Where `wanted` lies in the ascending values[low:high], -1 for nowhere."""
    end = high
    while low < high:
        middle = (low + high) // 2
        if values[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low if low < end and values[low] == wanted else -1


@njit(cache=True)
def _above(mass: Floats, low: int, high: int, wanted: float) -> int:
    """First place in the ascending mass[low:high] whose value is above `wanted`; the last one at most."""
    last = high - 1
    while low < high:
        middle = (low + high) // 2
        if mass[middle] <= wanted:
            low = middle + 1
        else:
            high = middle
    return min(low, last)


@njit(cache=True)
def _begin(chain: Chain, contexts: Ints) -> None:
    """The contexts of a row's first event."""
    contexts[:] = -1
    contexts[0] = 0
    if len(contexts) > 1:
        contexts[1] = chain.shift[1]


@njit(cache=True)
def _go_on(chain: Chain, contexts: Ints, item: int) -> None:
    """The contexts after `item`."""
    for level in range(len(contexts) - 1, 1, -1):
        above, contexts[level] = contexts[level - 1], -1
        if above >= 0:
            edge = _place(chain.followers, chain.bounds[above], chain.bounds[above + 1], item)
            if edge >= 0:
                contexts[level] = chain.shift[level] + edge
    if len(contexts) > 1:
        contexts[1] = chain.shift[1] + item


@njit(cache=True)
def _probability(chain: Chain, contexts: Ints, item: int) -> float:
    p = 1.0 / chain.n_items
    for context in contexts:
        if context < 0:
            continue
        edge = _place(chain.followers, chain.bounds[context], chain.bounds[context + 1], item)
        p = (chain.share[edge] if edge >= 0 else 0.0) + chain.back_off[context] * p
    return p


@njit(cache=True)
def _drawn(chain: Chain, contexts: Ints, u: float) -> int:
    """The item that a number u in 0..1 points at; what is left of u after a choice serves the next one."""
    for level in range(len(contexts) - 1, -1, -1):
        context = contexts[level]
        if context < 0:
            continue
        down = chain.back_off[context]
        if u >= down:
            low, high = chain.bounds[context], chain.bounds[context + 1]
            wanted = (u - down) / (1.0 - down) * chain.mass[high - 1]
            return chain.followers[_above(chain.mass, low, high, wanted)]
        u /= down
    known = chain.bounds[1]
    return chain.followers[min(int(u * known), known - 1)]


@njit(cache=True)
def log_likelihoods(chain: Chain, items: Items, starts: Ints) -> Floats:
    """float64 (rows,): natural logarithm of the probability of each row's items, given the first one."""
    found = np.zeros(len(starts) - 1)
    contexts = np.empty(len(chain.shift), np.int64)
    for row in range(len(starts) - 1):
        _begin(chain, contexts)
        for at in range(starts[row], starts[row + 1]):
            if at > starts[row]:
                found[row] += np.log(_probability(chain, contexts, items[at]))
            _go_on(chain, contexts, items[at])
    return found


@njit(cache=True)
def repeat_mass(chain: Chain, items: Items, starts: Ints) -> tuple[float, float]:
    """(share of the events after a first one that repeat an item of their row, share that the chain expects)."""
    real, expected, events = 0.0, 0.0, 0
    contexts = np.empty(len(chain.shift), np.int64)
    for row in range(len(starts) - 1):
        _begin(chain, contexts)
        for at in range(starts[row], starts[row + 1]):
            events += at > starts[row]
            for old in range(starts[row], at):
                if not _holds(items, old + 1, at, items[old]):  # each different item once, at its last place
                    real += items[old] == items[at]
                    expected += _probability(chain, contexts, items[old])
            _go_on(chain, contexts, items[at])
    return real / max(events, 1), expected / max(events, 1)


@njit(cache=True)
def _holds(items: Items, low: int, high: int, item: int) -> bool:
    at = low
    while at < high and items[at] != item:
        at += 1
    return at < high


@njit(cache=True)
def gap_bucket(gap: int) -> int:
    """0 for no gap, else the number of bits of the gap in seconds; never above the last bucket."""
    bucket = 0
    while gap > 0 and bucket < GAP_BUCKETS - 1:
        gap >>= 1
        bucket += 1
    return bucket


@njit(cache=True)
def gap_buckets(gaps: Ints) -> Ints:
    """int64 (gaps,): the bucket of each gap."""
    found = np.empty(len(gaps), np.int64)
    for at in range(len(gaps)):
        found[at] = gap_bucket(gaps[at])
    return found


@njit(cache=True, inline="always")  # a call counts references to every array
def _gap(clock: Clock, item: int, last_bucket: int, room: int, key: np.uint64, draw: int) -> int:
    """A gap of at most `room` seconds by draws `draw` .. `draw + 4` of the key."""
    law = clock.law[clock.category[item], last_bucket]
    for attempt in range(2):
        u = draw_uniform(key, draw + 2 * attempt) * law[-1]
        bucket = _above(law, 0, len(law), u)
        low, high = clock.bank_at[bucket], clock.bank_at[bucket + 1]
        if high > low:
            gap = clock.bank[low + int(draw_uniform(key, draw + 2 * attempt + 1) * (high - low))]
            if gap <= room:
                return gap
    return int(draw_uniform(key, draw + 4) * (room + 1))  # no pile at the end of the world


@njit(cache=True)
def walk(
    chain: Chain, clock: Clock, shelf: Shelf, keys: Keys, starts: Ints, given: Ints, items: Items, times: Ints
) -> None:
    """Write each row's new events behind its first `given` ones, in place.

    items int32 (events,), times int64 (events,) hold the given events, and of a row without any the time of
    its first event; starts int64 (rows + 1,); given int64 (rows,); keys uint64 (rows,).
    """
    contexts = np.empty(len(chain.shift), np.int64)
    for row in range(len(keys)):
        _begin(chain, contexts)
        first, bucket = starts[row], NO_GAP_YET
        for at in range(first, first + given[row]):
            _go_on(chain, contexts, items[at])
            if at > first:
                bucket = gap_bucket(times[at] - times[at - 1])
        for at in range(first + given[row], starts[row + 1]):
            draw = (at - first - given[row]) * _DRAWS
            if at > first:
                room = max(clock.limit - times[at - 1], 0)
                gap = _gap(clock, items[at - 1], bucket, room, keys[row], draw)
                times[at], bucket = times[at - 1] + gap, gap_bucket(gap)
            items[at] = _next_item(
                chain, contexts, shelf, items[first:at], clock.sign * times[at], keys[row], draw + _GAP_DRAWS
            )
            _go_on(chain, contexts, items[at])


@njit(cache=True, inline="always")  # a call counts references to every array
def _next_item(chain: Chain, contexts: Ints, shelf: Shelf, row: Items, now: int, key: np.uint64, draw: int) -> int:
    """An item on sale now; one that the row holds with the learned chance only."""
    for attempt in range(_TRIES):
        item = _drawn(chain, contexts, draw_uniform(key, draw + 2 * attempt))
        if shelf.born[item] > now:
            continue
        if shelf.keep_seen >= 1.0 or not _holds(row, 0, len(row), item):
            return item
        if draw_uniform(key, draw + 2 * attempt + 1) < shelf.keep_seen:
            return item
    found = np.searchsorted(shelf.births, now, side="right")
    on_sale = found if found > 0 else 1
    u = draw_uniform(key, draw + 2 * _TRIES) * shelf.mass[on_sale - 1]
    start = _above(shelf.mass, 0, on_sale, u)
    for step in range(on_sale):  # the next one on the shelf that is new to the row
        item = shelf.by_birth[(start + step) % on_sale]
        if not _holds(row, 0, len(row), item):
            return item
    return shelf.by_birth[start]
