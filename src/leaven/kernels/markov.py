"""Markov chains of variable order over items, with back-off, and log-likelihoods of rows.

Hierarchical Dirichlet smoothing (MacKay and Bauman Peto, Natural Language Engineering 1(3), 1995). After a context h
with count c(h),

    P(w | h) = (c(h, w) + m P(w | h')) / (c(h) + m),    h' = h without its oldest item,

down to the popularity at that time (`time_popularity.py`), the item frequencies and a uniform distribution over the
catalog. Each level and the start of a row have their own m, which maximizes the leave-one-out likelihood of the events.
(Discounting, common for words, fits sparse histories slightly better, but shifts probability to popular items,
the more so the more followers a context has.)

The contexts of all levels form one trie: the edge (h, w) of level k is the context "h, then w" of level k + 1.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt
from numba import njit

from leaven.arrays.buffer_pool import allocate_array
from leaven.kernels.binary_search import find_index
from leaven.kernels.time_popularity import TimePopularity, compute_share

Items = npt.NDArray[np.int32]
Integers = npt.NDArray[np.int32] | npt.NDArray[np.int64]
"""int32, or int64 where counts need it."""
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_MAX_FIT_EVENTS = 20_000  # events used to choose the m of each level
_MAX_MEASURED_EVENTS = 500  # of a row, whose repeats are measured
_CONCENTRATIONS: Floats = np.exp2(np.arange(-5, 21))


class MarkovChain(NamedTuple):
    """Follower counts of all contexts. Level 0 has one context, level 1 one for each last item (0: start of the row).

    bounds    int32 (contexts + 1,)  context g has edges bounds[g]:bounds[g + 1]; int64 where there are more edges
    followers int32 (edges,)         ascending inside a context
    cumulative_counts      int32 (edges,)    c(h, w), cumulative within each context; int64 for more events
    cumulative_weights      float64 (edges,)  sampling weights, cumulative likewise; empty: samples follow the counts
    concentration     float64 (order + 2,)   m of each level, and of the start of a row
    level_offsets     int64 (order + 1,)     level k: context = shift[k] + the edge of level k - 1 (level 1: + item)
    n_items                          size of the catalog
    """

    bounds: Integers
    followers: Items
    cumulative_counts: Integers
    cumulative_weights: Floats
    concentration: Floats
    level_offsets: Ints
    n_items: int


def fit_chain(
    items: Items, times: Ints, starts: Ints, popularity: TimePopularity, n_items: int, order: int
) -> MarkovChain:
    """Fit a chain to rows: items int32 (events,) in 1..n_items + 1, starts int64 (rows + 1,) from 0."""
    return fit_concentrations(count_transitions(items, starts, n_items, order), items, times, starts, popularity)


def fit_concentrations(
    chain: MarkovChain, items: Items, times: Ints, starts: Ints, popularity: TimePopularity
) -> MarkovChain:
    """The chain, counted in these rows, with the m of each level that maximizes their leave-one-out likelihood."""
    stride = max(len(items) // _MAX_FIT_EVENTS, 1)
    sample = np.arange(0, len(starts) - 1, stride)
    for level in range(-1, len(chain.level_offsets)):  # bottom-up, as a level uses those below; -1: the row start
        counts, totals, below = _leave_one_out(chain, popularity, items, times, starts, sample, level)
        if len(counts):
            fits = [float(np.log((counts + m * below) / (totals + m)).mean()) for m in _CONCENTRATIONS]
            chain.concentration[level] = _CONCENTRATIONS[int(np.argmax(fits))]
    return chain


def count_transitions(items: Items, starts: Ints, n_items: int, order: int, concentration: float = 1.0) -> MarkovChain:
    """Count the transitions of these rows; all levels get the same m."""
    single, dtype = np.bincount(items, minlength=n_items + 2), _choose_integer(len(items))
    present = np.flatnonzero(single)
    sums = cast(Integers, np.cumsum(single[present], dtype=dtype))
    levels = [_Edges(np.array([len(present)], np.int32), present.astype(np.int32), sums)]
    leads: Integers = items
    for level in range(1, order + 1):
        contexts = n_items + 2 if level == 1 else len(levels[-1].followers)
        edges, leads = _count_edges(leads, items, starts, contexts, level == 1)
        levels.append(edges)
    edge_at = np.cumsum([0] + [len(level.followers) for level in levels])
    context_at = np.cumsum([0] + [len(level.degree) for level in levels])
    bounds = np.zeros(context_at[-1] + 1, _choose_integer(int(edge_at[-1])))
    np.cumsum(np.concatenate([level.degree for level in levels]), dtype=bounds.dtype, out=bounds[1:])
    shift = context_at[:-1].astype(np.int64)
    shift[2:] -= edge_at[1 : len(levels) - 1]  # the context of level 1 is the item itself
    followers = np.concatenate([level.followers for level in levels])
    sums = np.concatenate([level.sums for level in levels])
    return MarkovChain(
        bounds, followers, sums, np.empty(0), np.full(len(levels) + 1, concentration), shift, int(n_items)
    )


def _choose_integer(largest: int) -> type[np.int32] | type[np.int64]:
    return np.int32 if largest <= np.iinfo(np.int32).max else np.int64


class _Edges(NamedTuple):
    """Edges of one level, sorted by context and follower.

    degree int32 (contexts,), followers int32 (edges,), sums int32 or int64 (edges,): cumulative counts of each context
    """

    degree: Items
    followers: Items
    sums: Integers


def _count_edges(leads: Integers, items: Items, starts: Ints, contexts: int, begins: bool) -> tuple[_Edges, Integers]:
    """(edges of a level, index of each event's edge, -1 for none): the edge is the event's context one level up.

    leads: the edge of each event one level down. begins: whether the first event of a row has context 0.
    """
    dtype, bits = _choose_integer(len(items)), max(len(items) - 1, 0).bit_length()
    packed = allocate_array(len(items), np.int64)
    packed = packed[: _pack_contexts(leads, starts, begins, bits, packed)]
    packed.sort()
    degree, edge_of_event = np.zeros(contexts, np.int32), allocate_array(len(items), dtype)
    followers, sums = allocate_array(len(packed), np.int32), allocate_array(len(packed), dtype)
    size = _unpack_edges(packed, bits, items, degree, followers, sums, edge_of_event)
    return _Edges(degree, followers[:size], sums[:size]), edge_of_event


@njit(cache=True, nogil=True)
def _pack_contexts(leads: Integers, starts: Ints, begins: bool, bits: int, packed: Ints) -> int:
    """Write each context with the event's index in the low bits; returns the number of events with a context."""
    size = 0
    for row in range(len(starts) - 1):
        for at in range(starts[row], starts[row + 1]):
            context = np.int64(leads[at - 1]) if at > starts[row] else np.int64(begins) - 1
            if context >= 0:
                packed[size] = context << bits | at
                size += 1
    return size


@njit(cache=True, nogil=True)
def _unpack_edges(
    packed: Ints, bits: int, items: Items, degree: Items, followers: Items, sums: Integers, edge_of_event: Integers
) -> int:
    """Fill a level from ascending `packed`, which is overwritten; returns the number of edges."""
    edge_of_event[:] = -1
    end, edge, mask = 0, -1, (1 << bits) - 1
    while end < len(packed):
        begin, context = end, packed[end] >> bits
        while end < len(packed) and packed[end] >> bits == context:
            packed[end] = np.int64(items[packed[end] & mask]) << bits | packed[end] & mask
            end += 1
        if end - begin > 1:
            packed[begin:end].sort()
        for at in range(begin, end):
            if at == begin or packed[at] >> bits != followers[edge]:
                edge += 1
                degree[context] += 1
                followers[edge] = packed[at] >> bits
            sums[edge] = at - begin + 1
            edge_of_event[packed[at] & mask] = edge
    return edge + 1


@njit(cache=True, nogil=True)
def _accumulate(weights: Floats, bounds: Integers) -> Floats:
    """float64 (edges,): cumulative weights within each context."""
    mass = np.empty(len(weights))
    for context in range(len(bounds) - 1):
        total = 0.0
        for edge in range(bounds[context], bounds[context + 1]):
            total += weights[edge]
            mass[edge] = total
    return mass


def sharpen_chain(chain: MarkovChain, temperature: float, top_k: int, top_p: float) -> MarkovChain:
    """The chain with sampling weights count ** (1 / temperature), restricted to the most frequent followers.

    top_k: maximum number of followers per context, 0 for all; top_p: the smallest set of followers with this share of
    the mass. Counts, and therefore `log_likelihoods`, do not change.
    """
    if temperature == 1.0 and not top_k and top_p >= 1.0:
        return chain
    counts, is_later = chain.cumulative_counts.copy(), np.ones(len(chain.cumulative_counts), bool)
    is_later[chain.bounds[:-1][np.diff(chain.bounds) > 0]] = False
    counts[is_later] -= chain.cumulative_counts[:-1][is_later[1:]]
    weights = counts.astype(np.float64) ** (1.0 / temperature)
    context = np.repeat(np.arange(len(chain.bounds) - 1), np.diff(chain.bounds))
    best_first = np.lexsort((-weights, context))
    mass = _accumulate(weights[best_first], chain.bounds)
    rank = np.arange(len(weights)) - chain.bounds[context]
    before = mass - weights[best_first]
    total = mass[np.maximum(chain.bounds[context + 1] - 1, 0)]
    kept = (before < top_p * total) & ((rank < top_k) if top_k else True)
    weights[best_first[~kept]] = 0.0
    return chain._replace(cumulative_weights=_accumulate(weights, chain.bounds))


@njit(cache=True, inline="always")
def count_context(chain: MarkovChain, context: int) -> int:
    """The count c(h) of a context."""
    low, high = chain.bounds[context], chain.bounds[context + 1]
    return chain.cumulative_counts[high - 1] if high > low else 0


@njit(cache=True, inline="always")
def _count_edge(chain: MarkovChain, context: int, edge: int) -> int:
    return chain.cumulative_counts[edge] - (chain.cumulative_counts[edge - 1] if edge > chain.bounds[context] else 0)


@njit(cache=True)
def start_contexts(chain: MarkovChain, contexts: Ints) -> None:
    """Set the contexts of a row's first event."""
    contexts[:] = -1
    contexts[0] = 0
    if len(contexts) > 1:
        contexts[1] = chain.level_offsets[1]


@njit(cache=True)
def advance_contexts(chain: MarkovChain, contexts: Ints, item: int) -> None:
    """Update the contexts after `item`."""
    for level in range(len(contexts) - 1, 1, -1):
        shorter, contexts[level] = contexts[level - 1], -1
        if shorter >= 0:
            edge = find_index(chain.followers, chain.bounds[shorter], chain.bounds[shorter + 1], item)
            if edge >= 0:
                contexts[level] = chain.level_offsets[level] + edge
    if len(contexts) > 1:
        contexts[1] = chain.level_offsets[1] + item


@njit(cache=True, inline="always")
def get_concentration(chain: MarkovChain, level: int, context: int) -> float:
    """The m of a context of this level."""
    return chain.concentration[-1] if level == 1 and context == chain.level_offsets[1] else chain.concentration[level]


@njit(cache=True)
def compute_probability(
    chain: MarkovChain, popularity: TimePopularity, contexts: Ints, time: int, item: int, n_excluded: int
) -> float:
    """Probability of an item given contexts and time; `n_excluded` 1 leaves the event itself out of all counts."""
    p = 1.0 / chain.n_items
    for level, context in enumerate(contexts):
        if context >= 0:
            edge = find_index(chain.followers, chain.bounds[context], chain.bounds[context + 1], item)
            m = get_concentration(chain, level, context)
            count = _count_edge(chain, context, edge) - n_excluded if edge >= 0 else 0
            p = (count + m * p) / (max(count_context(chain, context) - n_excluded, 0) + m)
        if level == 0 and popularity.global_share < 1.0:
            p = (1.0 - popularity.global_share) * compute_share(
                popularity, time, item, n_excluded
            ) + popularity.global_share * p
    return p


class _HeldOutCounts(NamedTuple):
    """c(h, w), c(h) and P(w | h') of events, float64 (events,) each, without the event itself."""

    pair: Floats
    context: Floats
    lower_probability: Floats


@njit(cache=True)
def _leave_one_out(
    chain: MarkovChain, popularity: TimePopularity, items: Items, times: Ints, starts: Ints, rows: Ints, level: int
) -> _HeldOutCounts:
    """The counts of the events of these rows at a level, without the event itself.

    Level -1 selects the first events of the rows (their level is 1), level 1 all others.
    """
    size = 0
    for row in rows:
        size += starts[row + 1] - starts[row]
    counts, totals, below = np.empty(size), np.empty(size), np.empty(size)
    contexts, known, depth = np.empty(len(chain.level_offsets), np.int64), 0, abs(level)
    for row in rows:
        start_contexts(chain, contexts)
        for at in range(starts[row], starts[row + 1]):
            context, first = contexts[depth], at == starts[row]
            if context >= 0 and (depth != 1 or first == (level == -1)):
                edge = find_index(chain.followers, chain.bounds[context], chain.bounds[context + 1], items[at])
                counts[known], totals[known] = _count_edge(chain, context, edge) - 1, count_context(chain, context) - 1
                below[known] = compute_probability(chain, popularity, contexts[:depth], times[at], items[at], 1)
                known += 1
            advance_contexts(chain, contexts, items[at])
    return _HeldOutCounts(counts[:known], totals[:known], below[:known])


@njit(cache=True)
def compute_log_likelihoods(
    chain: MarkovChain, popularity: TimePopularity, items: Items, times: Ints, starts: Ints
) -> Floats:
    """float64 (rows,): log-likelihood of each row given its first item and the times."""
    total = np.zeros(len(starts) - 1)
    contexts = np.empty(len(chain.level_offsets), np.int64)
    for row in range(len(starts) - 1):
        start_contexts(chain, contexts)
        for at in range(starts[row], starts[row + 1]):
            if at > starts[row]:
                total[row] += np.log(compute_probability(chain, popularity, contexts, times[at], items[at], 0))
            advance_contexts(chain, contexts, items[at])
    return total


@njit(cache=True)
def measure_repeats(
    chain: MarkovChain, popularity: TimePopularity, items: Items, times: Ints, starts: Ints
) -> tuple[float, float]:
    """(observed share of events that repeat an earlier item of their row, share expected by the chain).

    In a row of more than 500 events, evenly spaced ones are measured: each costs a search for every earlier item.
    """
    real, expected, events = 0.0, 0.0, 0
    contexts = np.empty(len(chain.level_offsets), np.int64)
    # earlier items of a row, each once, in the order of their last events: a linked list; 0 is both of its ends
    later, earlier = np.zeros(chain.n_items + 2, np.int32), np.zeros(chain.n_items + 2, np.int32)
    is_listed = np.zeros(chain.n_items + 2, np.bool_)
    for row in range(len(starts) - 1):
        start_contexts(chain, contexts)
        stride = 1 + (starts[row + 1] - starts[row] - 1) // _MAX_MEASURED_EVENTS
        for at in range(starts[row], starts[row + 1]):
            item = items[at]
            if (at - starts[row]) % stride == 0:
                events += at > starts[row]
                real += is_listed[item]
                old = later[0]
                while old:
                    expected += compute_probability(chain, popularity, contexts, times[at], old, 0)
                    old = later[old]
            if is_listed[item]:
                later[earlier[item]], earlier[later[item]] = later[item], earlier[item]
            later[earlier[0]], earlier[item], later[item], earlier[0] = item, earlier[0], 0, item
            is_listed[item] = True
            advance_contexts(chain, contexts, item)
        for at in range(starts[row], starts[row + 1]):
            is_listed[items[at]] = False
        later[0] = earlier[0] = 0
    return real / max(events, 1), expected / max(events, 1)
