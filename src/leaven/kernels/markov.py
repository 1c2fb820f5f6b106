"""What follows what in these rows, and how likely is a row?

A chain with back-off: hierarchical Dirichlet smoothing (MacKay and Bauman Peto, Natural Language Engineering 1(3),
1995). After context h, seen c(h) times,

    P(w | h) = (c(h, w) + m P(w | h')) / (c(h) + m),    h' = h without its oldest item,

down to what is in fashion (`time_popularity.py`), the frequencies of single items and, below these, a uniform law
over the catalogue. Each level has an m of its own, and so has the begin of a row: the one under which the events,
each left out of all counts, are likeliest. (Discounting, as is usual for words, fits sparse histories a little
better, but hands what it takes to popular items, the more so the longer a context's list; here each keeps its
share.)

The contexts of all levels lie in one trie: the edge (h, w) of level k is the context "h, then w" of level k + 1.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from leaven.arrays.buffer_pool import space
from leaven.kernels.binary_search import holds, place_of
from leaven.kernels.time_popularity import Fashion, share_at

Items = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_LOOKED_AT = 20_000  # events that the m of a level are chosen by
_PRIORS: Floats = np.exp2(np.arange(-5, 21))


class Chain(NamedTuple):
    """Who follows whom. Level 0 has one context, level 1 one for each last item (0: the row begins).

    bounds    int32 (contexts + 1,)  context g owns edges bounds[g]:bounds[g + 1]; int64 where there are more edges
    followers int32 (edges,)         ascending inside a context
    sums      int32 (edges,)         c(h, w), summed up inside each context; int64 where there are more events
    mass      float64 (edges,)       weights of the draw, summed up likewise; none: draws go by the counts
    prior     float64 (order + 2,)   m of each level, and of the begin of a row
    shift     int64 (order + 1,)     level k: context = shift[k] + the edge of level k - 1 (level 1: + item)
    n_items                          size of the catalogue
    """

    bounds: npt.NDArray[Any]
    followers: Items
    sums: npt.NDArray[Any]
    mass: Floats
    prior: Floats
    shift: Ints
    n_items: int


def learned(items: Items, times: Ints, starts: Ints, fashion: Fashion, n_items: int, order: int) -> Chain:
    """The chain of these rows: items int32 (events,) in 1..n_items + 1, starts int64 (rows + 1,) from 0."""
    return trusted(counted(items, starts, n_items, order), items, times, starts, fashion)


def trusted(chain: Chain, items: Items, times: Ints, starts: Ints, fashion: Fashion) -> Chain:
    """The chain as it was counted in these rows, with the trust in each level under which they are likeliest."""
    stride = max(len(items) // _LOOKED_AT, 1)
    look = np.arange(0, len(starts) - 1, stride)
    for level in range(-1, len(chain.shift)):  # from below, as each level leans on the one below; -1: the row's begin
        found, others, below = _evidence(chain, fashion, items, times, starts, look, level)
        if len(found):
            fits = [float(np.log((found + m * below) / (others + m)).mean()) for m in _PRIORS]
            chain.prior[level] = _PRIORS[int(np.argmax(fits))]
    return chain


def counted(items: Items, starts: Ints, n_items: int, order: int, prior: float = 1.0) -> Chain:
    """The chain with the same trust in the level below everywhere."""
    single, kind = np.bincount(items, minlength=n_items + 2), _enough(len(items))
    known = np.flatnonzero(single)
    levels = [_Level(np.array([len(known)], np.int32), known.astype(np.int32), np.cumsum(single[known], dtype=kind))]
    leads: npt.NDArray[Any] = items
    for level in range(1, order + 1):
        contexts = n_items + 2 if level == 1 else len(levels[-1].followers)
        found, leads = _edges(leads, items, starts, contexts, level == 1)
        levels.append(found)
    return _stacked(levels, n_items, prior)


def _enough(largest: int) -> type[np.signedinteger[Any]]:
    """An integer that holds so much."""
    return np.int32 if largest <= np.iinfo(np.int32).max else np.int64


class _Level(NamedTuple):
    """Edges in order of (context, follower).

    degree int32 (contexts,), followers int32 (edges,), sums int32 or int64 (edges,): counts, summed up in each context
    """

    degree: Items
    followers: Items
    sums: npt.NDArray[Any]


def _edges(
    leads: npt.NDArray[Any], items: Items, starts: Ints, contexts: int, begins: bool
) -> tuple[_Level, npt.NDArray[Any]]:
    """A level, and to which context of the one above each event leads: its edge, below 0 for none.

    leads: the same of the level below. begins: whether a row's first event has a context, 0.
    """
    kind, bits = _enough(len(items)), max(len(items) - 1, 0).bit_length()
    packed = space(len(items), np.int64)
    packed = packed[: _pack(leads, starts, begins, bits, packed)]
    packed.sort()
    degree, onward = np.zeros(contexts, np.int32), space(len(items), kind)
    followers, sums = space(len(packed), np.int32), space(len(packed), kind)
    size = _read_off(packed, bits, items, degree, followers, sums, onward)
    return _Level(degree, followers[:size], sums[:size]), onward


@njit(cache=True, nogil=True)
def _pack(leads: npt.NDArray[Any], starts: Ints, begins: bool, bits: int, packed: Ints) -> int:
    """How many events have a context; writes each context with the event's place in its last bits."""
    known = 0
    for row in range(len(starts) - 1):
        for at in range(starts[row], starts[row + 1]):
            context = np.int64(leads[at - 1]) if at > starts[row] else np.int64(begins) - 1
            if context >= 0:
                packed[known] = context << bits | at
                known += 1
    return known


@njit(cache=True, nogil=True)
def _read_off(
    packed: Ints,
    bits: int,
    items: Items,
    degree: Items,
    followers: Items,
    sums: npt.NDArray[Any],
    onward: npt.NDArray[Any],
) -> int:
    """How many edges there are; fills a level. packed: ascending, and not what it was afterwards."""
    onward[:] = -1
    end, edge, place = 0, -1, (1 << bits) - 1
    while end < len(packed):
        begin, context = end, packed[end] >> bits
        while end < len(packed) and packed[end] >> bits == context:
            packed[end] = np.int64(items[packed[end] & place]) << bits | packed[end] & place
            end += 1
        if end - begin > 1:
            packed[begin:end].sort()
        for at in range(begin, end):
            if at == begin or packed[at] >> bits != followers[edge]:
                edge += 1
                degree[context] += 1
                followers[edge] = packed[at] >> bits
            sums[edge] = at - begin + 1
            onward[packed[at] & place] = edge
    return edge + 1


def _stacked(levels: list[_Level], n_items: int, prior: float) -> Chain:
    edge_at = np.cumsum([0] + [len(level.followers) for level in levels])
    context_at = np.cumsum([0] + [len(level.degree) for level in levels])
    bounds = np.zeros(context_at[-1] + 1, _enough(int(edge_at[-1])))
    np.cumsum(np.concatenate([level.degree for level in levels]), dtype=bounds.dtype, out=bounds[1:])
    shift = context_at[:-1].astype(np.int64)
    shift[2:] -= edge_at[1 : len(levels) - 1]  # level 1 is told by the item itself
    followers = np.concatenate([level.followers for level in levels])
    sums = np.concatenate([level.sums for level in levels])
    return Chain(bounds, followers, sums, np.empty(0), np.full(len(levels) + 1, prior), shift, int(n_items))


@njit(cache=True, nogil=True)
def _sum_up(weights: Floats, bounds: npt.NDArray[Any]) -> Floats:
    """float64 (edges,): running sums that begin anew in each context."""
    mass = np.empty(len(weights))
    for context in range(len(bounds) - 1):
        total = 0.0
        for edge in range(bounds[context], bounds[context + 1]):
            total += weights[edge]
            mass[edge] = total
    return mass


def sharpened(chain: Chain, temperature: float, top_k: int, top_p: float) -> Chain:
    """The chain with other weights of the draw: count ** (1 / temperature) of the likeliest followers.

    top_k: no more than so many followers of a context, 0 for all; top_p: the fewest that hold so much of its
    mass. Counts, and with them `log_likelihoods`, stay as they are.
    """
    if temperature == 1.0 and not top_k and top_p >= 1.0:
        return chain
    weights = _counts(chain).astype(np.float64) ** (1.0 / temperature)
    context = np.repeat(np.arange(len(chain.bounds) - 1), np.diff(chain.bounds))
    best_first = np.lexsort((-weights, context))
    mass = _sum_up(weights[best_first], chain.bounds)
    rank = np.arange(len(weights)) - chain.bounds[context]
    before = mass - weights[best_first]
    whole = mass[np.maximum(chain.bounds[context + 1] - 1, 0)]
    stays = (before < top_p * whole) & ((rank < top_k) if top_k else True)
    weights[best_first[~stays]] = 0.0
    return chain._replace(mass=_sum_up(weights, chain.bounds))


def _counts(chain: Chain) -> npt.NDArray[Any]:
    """(edges,): c(h, w)."""
    counts, inside = chain.sums.copy(), np.ones(len(chain.sums), bool)
    inside[chain.bounds[:-1][np.diff(chain.bounds) > 0]] = False
    counts[inside] -= chain.sums[:-1][inside[1:]]
    return counts


@njit(cache=True, inline="always")
def seen(chain: Chain, context: int) -> int:
    """c(h)."""
    low, high = chain.bounds[context], chain.bounds[context + 1]
    return chain.sums[high - 1] if high > low else 0


@njit(cache=True, inline="always")
def _count(chain: Chain, context: int, edge: int) -> int:
    """c(h, w)."""
    return chain.sums[edge] - (chain.sums[edge - 1] if edge > chain.bounds[context] else 0)


@njit(cache=True)
def begin(chain: Chain, contexts: Ints) -> None:
    """The contexts of a row's first event."""
    contexts[:] = -1
    contexts[0] = 0
    if len(contexts) > 1:
        contexts[1] = chain.shift[1]


@njit(cache=True)
def go_on(chain: Chain, contexts: Ints, item: int) -> None:
    """The contexts after `item`."""
    for level in range(len(contexts) - 1, 1, -1):
        above, contexts[level] = contexts[level - 1], -1
        if above >= 0:
            edge = place_of(chain.followers, chain.bounds[above], chain.bounds[above + 1], item)
            if edge >= 0:
                contexts[level] = chain.shift[level] + edge
    if len(contexts) > 1:
        contexts[1] = chain.shift[1] + item


@njit(cache=True, inline="always")
def prior_of(chain: Chain, level: int, context: int) -> float:
    """m of a context of this level."""
    return chain.prior[-1] if level == 1 and context == chain.shift[1] else chain.prior[level]


@njit(cache=True)
def probability(chain: Chain, fashion: Fashion, contexts: Ints, now: int, item: int, own: int) -> float:
    """Of an item in these contexts at this time; `own` 1 takes the event in question out of all counts."""
    p = 1.0 / chain.n_items
    for level, context in enumerate(contexts):
        if context >= 0:
            edge = place_of(chain.followers, chain.bounds[context], chain.bounds[context + 1], item)
            m = prior_of(chain, level, context)
            count = _count(chain, context, edge) - own if edge >= 0 else 0
            p = (count + m * p) / (max(seen(chain, context) - own, 0) + m)
        if level == 0 and fashion.stale < 1.0:
            p = (1.0 - fashion.stale) * share_at(fashion, now, item, own) + fashion.stale * p
    return p


@njit(cache=True)
def _evidence(
    chain: Chain, fashion: Fashion, items: Items, times: Ints, starts: Ints, rows: Ints, level: int
) -> tuple[Floats, Floats, Floats]:
    """c(h, w) and c(h) without the event itself, and P(w | h'), of the events of these rows at a level.

    Level -1 looks at the first events alone (their level is 1), level 1 at all others.
    """
    size = 0
    for row in rows:
        size += starts[row + 1] - starts[row]
    found, others, below = np.empty(size), np.empty(size), np.empty(size)
    contexts, known, depth = np.empty(len(chain.shift), np.int64), 0, abs(level)
    for row in rows:
        begin(chain, contexts)
        for at in range(starts[row], starts[row + 1]):
            context, first = contexts[depth], at == starts[row]
            if context >= 0 and (depth != 1 or first == (level == -1)):
                edge = place_of(chain.followers, chain.bounds[context], chain.bounds[context + 1], items[at])
                found[known], others[known] = _count(chain, context, edge) - 1, seen(chain, context) - 1
                below[known] = probability(chain, fashion, contexts[:depth], times[at], items[at], 1)
                known += 1
            go_on(chain, contexts, items[at])
    return found[:known], others[:known], below[:known]


@njit(cache=True)
def log_likelihoods(chain: Chain, fashion: Fashion, items: Items, times: Ints, starts: Ints) -> Floats:
    """float64 (rows,): natural logarithm of each row's probability, given its first item and the times."""
    found = np.zeros(len(starts) - 1)
    contexts = np.empty(len(chain.shift), np.int64)
    for row in range(len(starts) - 1):
        begin(chain, contexts)
        for at in range(starts[row], starts[row + 1]):
            if at > starts[row]:
                found[row] += np.log(probability(chain, fashion, contexts, times[at], items[at], 0))
            go_on(chain, contexts, items[at])
    return found


@njit(cache=True)
def repeat_mass(chain: Chain, fashion: Fashion, items: Items, times: Ints, starts: Ints) -> tuple[float, float]:
    """(share of the events after a first one that repeat an item of their row, share that the chain expects)."""
    real, expected, events = 0.0, 0.0, 0
    contexts = np.empty(len(chain.shift), np.int64)
    for row in range(len(starts) - 1):
        begin(chain, contexts)
        for at in range(starts[row], starts[row + 1]):
            events += at > starts[row]
            for old in range(starts[row], at):
                if not holds(items, old + 1, at, items[old]):  # each different item once, at its last place
                    real += items[old] == items[at]
                    expected += probability(chain, fashion, contexts, times[at], items[old], 0)
            go_on(chain, contexts, items[at])
    return real / max(events, 1), expected / max(events, 1)
