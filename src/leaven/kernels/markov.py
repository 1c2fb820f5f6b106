"""What follows what in these rows, and how likely is a row?

A chain with back-off: hierarchical Dirichlet smoothing (MacKay and Bauman Peto, Natural Language Engineering 1(3),
1995). After context h, seen c(h) times,

    P(w | h) = (c(h, w) + m P(w | h')) / (c(h) + m),    h' = h without its oldest item,

down to what is in fashion (`kernels/fashion.py`), the frequencies of single items and, below these, a uniform law
over the catalogue. Each level has an m of its own, and so has the begin of a row: the one under which the events,
each left out of all counts, are likeliest. (Discounting, as is usual for words, fits sparse histories a little
better, but hands what it takes to popular items, the more so the longer a context's list; here each keeps its
share.)

The contexts of all levels lie in one trie: the edge (h, w) of level k is the context "h, then w" of level k + 1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from leaven.kernels.arrays.sorting import in_order
from leaven.kernels.fashion import Fashion, share_at
from leaven.kernels.search import holds, place_of

Items = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_LOOKED_AT = 20_000  # events that the m of a level are chosen by
_PRIORS: Floats = np.exp2(np.arange(-5, 21))


class Chain(NamedTuple):
    """Who follows whom. Level 0 has one context, level 1 one for each last item (0: the row begins).

    bounds    int64 (contexts + 1,)  context g owns edges bounds[g]:bounds[g + 1]
    followers int32 (edges,)         ascending inside a context
    counts    int32 (edges,)         c(h, w)
    mass      float64 (edges,)       summed up inside each context: weights of the draw
    seen      int64 (contexts,)      c(h)
    prior     float64 (order + 2,)   m of each level, and of the begin of a row
    shift     int64 (order + 1,)     level k: context = shift[k] + the edge of level k - 1 (level 1: + item)
    n_items                          size of the catalogue
    """

    bounds: Ints
    followers: Items
    counts: Items
    mass: Floats
    seen: Ints
    prior: Floats
    shift: Ints
    n_items: int


def learned(items: Items, times: Ints, starts: Ints, fashion: Fashion, n_items: int, order: int) -> Chain:
    """The chain of these rows: items int32 (events,) in 1..n_items + 1, starts int64 (rows + 1,) from 0."""
    chain = counted(items, starts, n_items, order)
    stride = max(len(items) // _LOOKED_AT, 1)
    look = np.flatnonzero(np.arange(len(starts) - 1) % stride == 0)
    for level in range(-1, order + 1):  # from below, as each level leans on the one below; -1 is the row's begin
        found, seen, below = _evidence(chain, fashion, items, times, starts, look, level)
        if len(found):
            fits = [float(np.log((found + m * below) / (seen + m)).mean()) for m in _PRIORS]
            chain.prior[level] = _PRIORS[int(np.argmax(fits))]
    return chain


def counted(items: Items, starts: Ints, n_items: int, order: int, prior: float = 1.0) -> Chain:
    """The chain with the same trust in the level below everywhere."""
    first = np.zeros(len(items), np.bool_)
    first[starts[:-1][np.diff(starts) > 0]] = True
    levels = [_edges(np.zeros(len(items), np.int64), items, n_items + 2, 1)]
    last = np.concatenate([[0], items])[: len(items)].astype(np.int64)
    levels.append(_edges(np.where(first, 0, last), items, n_items + 2, n_items + 2))
    for _ in range(1, order):  # the context is the edge that led to the event before; a first event has none
        edge_before = np.concatenate([[-1], levels[-1].of_event])[: len(items)]
        contexts = np.where(first, -1, edge_before)
        levels.append(_edges(contexts, items, n_items + 2, len(levels[-1].followers)))
    return _stacked(levels, n_items, prior)


class _Level(NamedTuple):
    """Edges in order of (context, follower); of_event int64 (events,): the edge of each, -1 for none."""

    degree: Ints
    followers: Items
    counts: Items
    of_event: Ints


def _edges(contexts: Ints, items: Items, base: int, width: int) -> _Level:
    real = np.flatnonzero(contexts >= 0)
    codes, order = in_order(contexts[real] * base + items[real])
    new = np.diff(codes, prepend=-1) > 0
    of_event = np.full(len(items), -1, np.int64)
    of_event[real[order]] = np.cumsum(new) - 1
    at = np.flatnonzero(new)
    edges = codes[at]
    counts = np.diff(at, append=len(codes)).astype(np.int32)
    degree = np.bincount(edges // base, minlength=width).astype(np.int64)
    return _Level(degree, (edges % base).astype(np.int32), counts, of_event)


def _stacked(levels: list[_Level], n_items: int, prior: float) -> Chain:
    degree = np.concatenate([level.degree for level in levels])
    counts = np.concatenate([level.counts for level in levels])
    bounds = np.concatenate([[0], np.cumsum(degree)]).astype(np.int64)
    total = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
    edge_at = np.cumsum([0] + [len(level.followers) for level in levels])
    shift = np.cumsum([0] + [len(level.degree) for level in levels])[:-1]
    shift[2:] -= edge_at[1 : len(levels) - 1]  # level 1 is told by the item itself
    return Chain(
        bounds=bounds,
        followers=np.concatenate([level.followers for level in levels]),
        counts=counts,
        mass=_summed(counts.astype(np.float64), bounds),
        seen=(total[bounds[1:]] - total[bounds[:-1]]).astype(np.int64),
        prior=np.full(len(levels) + 1, prior),
        shift=shift.astype(np.int64),
        n_items=int(n_items),
    )


@njit(cache=True)
def _summed(weights: Floats, bounds: Ints) -> Floats:
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
    weights = chain.counts.astype(np.float64) ** (1.0 / temperature)
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
            count = chain.counts[edge] - own if edge >= 0 else 0
            p = (count + m * p) / (max(chain.seen[context] - own, 0) + m)
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
    found, seen, below = np.empty(size), np.empty(size), np.empty(size)
    contexts, known, depth = np.empty(len(chain.shift), np.int64), 0, abs(level)
    for row in rows:
        begin(chain, contexts)
        for at in range(starts[row], starts[row + 1]):
            context, first = contexts[depth], at == starts[row]
            if context >= 0 and (depth != 1 or first == (level == -1)):
                edge = place_of(chain.followers, chain.bounds[context], chain.bounds[context + 1], items[at])
                found[known], seen[known] = chain.counts[edge] - 1, chain.seen[context] - 1
                below[known] = probability(chain, fashion, contexts[:depth], times[at], items[at], 1)
                known += 1
            go_on(chain, contexts, items[at])
    return found[:known], seen[:known], below[:known]


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
