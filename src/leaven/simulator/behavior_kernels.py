"""Kernels of simulated behavior: they draw items and compute the true probabilities of the next item.

The probabilities, given a history and a time, are defined once, in `_write_category_weights`,
`_write_brand_weights`, `_repeat_probability` and the popularity of the released items. The kernel that draws
events and the one that returns probabilities share these functions, so that they agree.

An event is a repeat with a small probability (one of the last items, recent ones more likely). Otherwise the
item is new to the user: with a small probability a companion of the last item, else category, then brand
within the category, then item by popularity; all conditioned on "released and not yet seen".
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from leaven.kernels.keyed_rng import draw_uniform

Floats = npt.NDArray[np.float64]
Items = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_YEAR_SECONDS = 365.25 * 86_400
_REPEAT_REACH = 10  # a repeat looks back this many events
_REPEAT_DECAY = 0.8
_MAX_ATTEMPTS = 64  # then all probabilities are computed: exact too, but slower


class ChoiceModel(NamedTuple):
    """The parameters of the probabilities of the next item.

    category, brand  int32 (items + 1,)  codes from 0 of each item; index 0 is unused
    born             int64 (items + 1,)  release time in seconds
    order            int32 (items,)      items by (category, brand, release)
    order_born       int64 (items,)      their release times
    mass             float64 (items,)    cumulative popularity within each group of (category, brand)
    groups           int64 (categories * brands + 1,)  where each group starts in `order`
    base             float64 (categories,)  log weight of each category
    season           float64 (2, categories)  amplitude, and time of the year (0..1) of the peak
    after_one        float64 (categories + 1, categories)  log weight after the last category
    after_two        float64 (categories + 1, categories + 1, categories)  and after the last two
    companions       int32 (items + 1, 3)  companions of an item; 0: none
    shares           float64 (3,)        probabilities of the companions
    """

    category: Items
    brand: Items
    born: Ints
    order: Items
    order_born: Ints
    mass: Floats
    groups: Ints
    base: Floats
    season: Floats
    after_one: Floats
    after_two: Floats
    companions: Items
    shares: Floats
    taste_pull: float
    brand_pull: float
    keep: float
    fade_seconds: float
    companion_chance: float
    repeat_chance: float


class _UserState(NamedTuple):
    """The state of one user, and work arrays.

    tastes      float64 (categories + brands,)  decaying averages of taken categories and brands
    memory      int64 (4,)  category before last + 1, last category + 1, last item, last time; 0: none
    seen        bool (items + 1,)
    categories, brands, row  float64  work arrays of weights; ends int64 (brands,): end of each group's released items
    """

    tastes: Floats
    memory: Ints
    seen: Mask
    categories: Floats
    brands: Floats
    ends: Ints
    row: Floats


@njit(cache=True)
def _create_state(law: ChoiceModel) -> _UserState:
    n_items, n_brands = len(law.order), (len(law.groups) - 1) // len(law.base)
    return _UserState(
        np.zeros(len(law.base) + n_brands),
        np.zeros(4, np.int64),
        np.zeros(n_items + 1, np.bool_),
        np.zeros(len(law.base)),
        np.zeros(n_brands),
        np.zeros(n_brands, np.int64),
        np.zeros(n_items),
    )


@njit(cache=True)
def _decay(law: ChoiceModel, memory: Ints, time: int) -> float:
    """The decay of tastes since the last event, 0..1."""
    return np.exp(-(time - memory[3]) / law.fade_seconds) if memory[2] > 0 else 1.0


@njit(cache=True)
def _reset_state(state: _UserState, past: Items) -> None:
    """Resets the state; `past` holds the seen items."""
    state.tastes[:] = 0.0
    state.memory[:] = 0
    for item in past:
        state.seen[item] = False


@njit(cache=True)
def _update_state(law: ChoiceModel, state: _UserState, item: int, time: int) -> None:
    """Updates the state by one event: tastes decay and move towards its category and brand."""
    tastes, memory = state.tastes, state.memory
    kept = law.keep * _decay(law, memory, time)
    for index in range(len(tastes)):
        tastes[index] *= kept
    tastes[law.category[item]] += 1.0 - law.keep
    tastes[len(law.base) + law.brand[item]] += 1.0 - law.keep
    memory[0] = memory[1]
    memory[1] = law.category[item] + 1
    memory[2] = item
    memory[3] = time
    state.seen[item] = True


@njit(cache=True)
def _write_category_weights(law: ChoiceModel, state: _UserState, time: int) -> None:
    """Writes state.categories, with sum 1: season, tastes, and transitions from the last two categories."""
    out, memory = state.categories, state.memory
    faded = law.taste_pull * _decay(law, memory, time)
    year = time / _YEAR_SECONDS
    total = 0.0
    for c in range(len(out)):
        log_weight = law.base[c] + law.season[0, c] * np.cos(2 * np.pi * (year - law.season[1, c]))
        log_weight += faded * state.tastes[c] + law.after_one[memory[1], c] + law.after_two[memory[0], memory[1], c]
        out[c] = np.exp(log_weight)
        total += out[c]
    for c in range(len(out)):
        out[c] /= total


@njit(cache=True)
def _find_released_end(law: ChoiceModel, group: int, time: int) -> int:
    """The index after the last released item of a group."""
    low, high = law.groups[group], law.groups[group + 1]
    while low < high:
        middle = (low + high) // 2
        if law.order_born[middle] <= time:
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True)
def _write_brand_weights(law: ChoiceModel, state: _UserState, category: int, time: int) -> None:
    """Writes state.brands, with sum 1: popularity of released items times loyalty; and state.ends."""
    out, ends = state.brands, state.ends
    faded = law.brand_pull * _decay(law, state.memory, time)
    first = category * len(out)
    total = 0.0
    for b in range(len(out)):
        ends[b] = _find_released_end(law, first + b, time)
        out[b] = 0.0
        if ends[b] > law.groups[first + b]:
            out[b] = law.mass[ends[b] - 1] * np.exp(faded * state.tastes[len(law.base) + b])
            total += out[b]
    for b in range(len(out)):
        out[b] /= total


@njit(cache=True)
def _repeat_probability(law: ChoiceModel, memory: Ints, time: int) -> float:
    """The probability of a repeat; 0 without a past and within one basket (the same second)."""
    return law.repeat_chance if memory[2] > 0 and time > memory[3] else 0.0


@njit(cache=True)
def _select_index(weights: Floats, u: float) -> int:
    """The index that a uniform number u selects; weights sum to 1."""
    last = 0
    for index in range(len(weights)):
        if weights[index] > 0.0:
            last = index
            u -= weights[index]
            if u < 0.0:
                break
    return last


@njit(cache=True)
def _select_item(law: ChoiceModel, first: int, end: int, u: float) -> np.int32:
    """An item of order[first:end] by popularity."""
    target = u * law.mass[end - 1]
    low, high = first, end - 1
    while low < high:
        middle = (low + high) // 2
        if law.mass[middle] <= target:
            low = middle + 1
        else:
            high = middle
    return law.order[low]


@njit(cache=True)
def _write_new_item_weights(law: ChoiceModel, state: _UserState, time: int) -> float:
    """Writes state.row: the weight of each released and unseen item; returns their sum."""
    out, brands, ends = state.row, state.brands, state.ends
    follow = law.companion_chance if state.memory[2] > 0 else 0.0
    out[:] = 0.0
    _write_category_weights(law, state, time)
    for c in range(len(state.categories)):
        _write_brand_weights(law, state, c, time)
        for b in range(len(brands)):
            before = 0.0
            for index in range(law.groups[c * len(brands) + b], ends[b]):
                share = (law.mass[index] - before) / law.mass[ends[b] - 1]
                out[law.order[index] - 1] = (1.0 - follow) * state.categories[c] * brands[b] * share
                before = law.mass[index]
    if follow > 0.0:
        for j in range(len(law.shares)):
            other = law.companions[state.memory[2], j]
            if other > 0 and law.born[other] <= time:
                out[other - 1] += follow * law.shares[j]
    total = 0.0
    for i in range(len(out)):
        if state.seen[i + 1]:
            out[i] = 0.0
        total += out[i]
    return total


@njit(cache=True)
def _write_probabilities(law: ChoiceModel, state: _UserState, past: Items, time: int) -> None:
    """Writes state.row, with sum 1: the probability of each item to be next."""
    total = _write_new_item_weights(law, state, time)
    repeat = 1.0 if total <= 0.0 else _repeat_probability(law, state.memory, time)
    if total > 0.0:
        state.row[:] *= (1.0 - repeat) / total
    if repeat > 0.0:
        reach = min(len(past), _REPEAT_REACH)
        whole = (1.0 - _REPEAT_DECAY**reach) / (1.0 - _REPEAT_DECAY)
        for back in range(reach):
            state.row[past[len(past) - 1 - back] - 1] += repeat * _REPEAT_DECAY**back / whole


@njit(cache=True)
def _select_repeat(past: Items, u: float) -> np.int32:
    """One of the last items, recent ones more likely."""
    reach = min(len(past), _REPEAT_REACH)
    rest = u * (1.0 - _REPEAT_DECAY**reach) / (1.0 - _REPEAT_DECAY)
    for back in range(reach):
        rest -= _REPEAT_DECAY**back
        if rest < 0.0:
            return past[len(past) - 1 - back]
    return past[len(past) - reach]


@njit(cache=True)
def _propose_item(law: ChoiceModel, state: _UserState, time: int, key: np.uint64, draw: int) -> np.int32:
    """A proposed item, which may be seen already; 0 for an unreleased companion. Uses four draws."""
    if state.memory[2] > 0 and draw_uniform(key, draw) < law.companion_chance:
        other = law.companions[state.memory[2], _select_index(law.shares, draw_uniform(key, draw + 1))]
        return other if other > 0 and law.born[other] <= time else np.int32(0)
    c = _select_index(state.categories, draw_uniform(key, draw + 1))
    _write_brand_weights(law, state, c, time)
    b = _select_index(state.brands, draw_uniform(key, draw + 2))
    return _select_item(law, law.groups[c * len(state.brands) + b], state.ends[b], draw_uniform(key, draw + 3))


@njit(cache=True)
def _draw_item(
    law: ChoiceModel, state: _UserState, past: Items, time: int, key: np.uint64, draw: int
) -> tuple[np.int32, int]:
    """The next item, and the number of the next draw."""
    if draw_uniform(key, draw) < _repeat_probability(law, state.memory, time):
        return _select_repeat(past, draw_uniform(key, draw + 1)), draw + 2
    draw += 2
    _write_category_weights(law, state, time)
    for _ in range(_MAX_ATTEMPTS):
        item = _propose_item(law, state, time, key, draw)
        draw += 4
        if item > 0 and not state.seen[item]:
            return item, draw
    u = draw_uniform(key, draw)
    total = _write_new_item_weights(law, state, time)
    if total <= 0.0:
        return _select_repeat(past, u), draw + 1
    return np.int32(_select_index(state.row / total, u) + 1), draw + 1


@njit(cache=True)
def simulate_events(law: ChoiceModel, times: Ints, starts: Ints, keys: npt.NDArray[np.uint64]) -> Items:
    """int32 (events,): the item of each user at these times.

    times int64 (events,) ascending inside a user; starts int64 (users + 1,); keys uint64 (users,).
    """
    items = np.zeros(len(times), np.int32)
    state = _create_state(law)
    for user in range(len(keys)):
        draw, first, end = 0, starts[user], starts[user + 1]
        for event in range(first, end):
            items[event], draw = _draw_item(law, state, items[first:event], times[event], keys[user], draw)
            _update_state(law, state, items[event], times[event])
        _reset_state(state, items[first:end])
    return items


@njit(cache=True)
def draw_next(law: ChoiceModel, items: Items, times: Ints, when: int, keys: npt.NDArray[np.uint64]) -> Items:
    """int32 (keys,): one draw per key of the next item of one history at time `when`."""
    drawn = np.zeros(len(keys), np.int32)
    state = _create_state(law)
    for event in range(len(items)):
        _update_state(law, state, items[event], times[event])
    for index in range(len(keys)):
        drawn[index], _ = _draw_item(law, state, items, when, keys[index], 0)
    return drawn


@njit(cache=True)
def compute_next_probabilities(
    law: ChoiceModel, items: Items, times: Ints, starts: Ints, when: Ints
) -> npt.NDArray[np.float32]:
    """float32 (rows, items): the probability of each item to be next in each history, at time `when` (rows,).

    Items 0 (not in the world) are skipped. A time before the last event is replaced by that of the event.
    """
    out = np.zeros((len(when), len(law.order)), np.float32)
    state = _create_state(law)
    for r in range(len(when)):
        past = items[starts[r] : starts[r + 1]]
        past = past[past > 0]
        for event in range(starts[r], starts[r + 1]):
            if items[event] > 0:
                _update_state(law, state, items[event], times[event])
        _write_probabilities(law, state, past, max(when[r], state.memory[3]))
        out[r] = state.row
        _reset_state(state, past)
    return out


@njit(cache=True)
def compute_log_likelihoods(law: ChoiceModel, items: Items, times: Ints, starts: Ints) -> Floats:
    """float64 (rows,): the log-likelihood of each history, given its first event and its times."""
    sums = np.zeros(len(starts) - 1)
    state = _create_state(law)
    for r in range(len(sums)):
        first, end = starts[r], starts[r + 1]
        for event in range(first, end):
            if event > first:
                _write_probabilities(law, state, items[first:event], times[event])
                sums[r] += np.log(state.row[items[event] - 1])
            _update_state(law, state, items[event], times[event])
        _reset_state(state, items[first:end])
    return sums


@njit(cache=True)
def draw_event_times(
    lengths: Ints, keys: npt.NDArray[np.uint64], begins: Ints, end: int, gaps: Floats, basket: float, session: float
) -> tuple[Ints, Ints]:
    """times int64 (events,) and starts int64 (users + 1,): the times of each user's events, up to `end`.

    lengths int64 (users,) maximum numbers of events; begins int64 (users,) first second; gaps float64 (users,)
    mean seconds between sessions. An event shares the second of the last one with probability `basket`, and
    follows minutes after it with probability `session`.
    """
    times = np.zeros(lengths.sum(), np.int64)
    starts = np.zeros(len(lengths) + 1, np.int64)
    event_index = 0
    for user in range(len(lengths)):
        time = begins[user]
        for event in range(lengths[user]):
            if event > 0:
                u = draw_uniform(keys[user], 2 * event)
                wait = -np.log(1.0 - draw_uniform(keys[user], 2 * event + 1))
                if u >= basket:
                    time += 1 + int(wait * (240.0 if u < basket + session else gaps[user]))
            if time >= end:
                break
            times[event_index] = time
            event_index += 1
        starts[user + 1] = event_index
    return times[:event_index], starts
