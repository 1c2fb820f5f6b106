"""What does a simulated user take next, and what did all of them take?

The law of the next item, given a history and a time, is written once, in `_category_weights`,
`_brand_weights`, `_repeat_share` and the popularity of the items that are born. `simulate` draws from
these functions and `law_rows` writes them out, so that the two cannot drift apart.

An event is a repeat with a small chance (one of the last items, recent ones more likely). Otherwise the
item is new to the user: with a small chance a companion of the last item, else category, then brand
inside the category, then item by popularity; all conditioned on "born and not yet seen".
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

YEAR = 365.25 * 86_400
_REPEAT_REACH = 10  # a repeat looks back this many events
_REPEAT_FADE = 0.8
_TRIES = 64  # then the law is written out: exact as well, only slower


class Law(NamedTuple):
    """All that the law of the next item depends on, beside history and time.

    category, brand  int32 (items + 1,)  codes from 0 of each item; place 0 is unused
    born             int64 (items + 1,)  first second of sale
    order            int32 (items,)      items by (category, brand, birth)
    order_born       int64 (items,)      their births
    mass             float64 (items,)    popularity, summed up inside each group of (category, brand)
    groups           int64 (categories * brands + 1,)  where each group starts in `order`
    base             float64 (categories,)  log weight of each category
    season           float64 (2, categories)  size, and time of the year (0..1) of the peak
    after_one        float64 (categories + 1, categories)  log weight after the last category
    after_two        float64 (categories + 1, categories + 1, categories)  and after the last two
    companions       int32 (items + 1, 3)  items that go with an item; 0: none
    shares           float64 (3,)        how a companion is picked
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


class Mind(NamedTuple):
    """What the law knows of one user, and room to work in.

    tastes      float64 (categories + brands,)  fading averages of what was taken
    memory      int64 (4,)  category before last + 1, last category + 1, last item, last time; 0: none
    seen        bool (items + 1,)
    categories, brands, row  float64  weights at work; ends int64 (brands,): where each group's sale ends
    """

    tastes: Floats
    memory: Ints
    seen: Mask
    categories: Floats
    brands: Floats
    ends: Ints
    row: Floats


@njit(cache=True)
def _new_mind(law: Law) -> Mind:
    n_items, n_brands = len(law.order), (len(law.groups) - 1) // len(law.base)
    return Mind(
        np.zeros(len(law.base) + n_brands),
        np.zeros(4, np.int64),
        np.zeros(n_items + 1, np.bool_),
        np.zeros(len(law.base)),
        np.zeros(n_brands),
        np.zeros(n_brands, np.int64),
        np.zeros(n_items),
    )


@njit(cache=True)
def _fade(law: Law, memory: Ints, time: int) -> float:
    """What is left of a taste since the last event, 0..1."""
    return np.exp(-(time - memory[3]) / law.fade_seconds) if memory[2] > 0 else 1.0


@njit(cache=True)
def _forget(mind: Mind, past: Items) -> None:
    """A user without a past again; `past` is what was seen."""
    mind.tastes[:] = 0.0
    mind.memory[:] = 0
    for item in past:
        mind.seen[item] = False


@njit(cache=True)
def _remember(law: Law, mind: Mind, item: int, time: int) -> None:
    """One event: tastes of categories and of brands fade and move towards what was taken."""
    tastes, memory = mind.tastes, mind.memory
    kept = law.keep * _fade(law, memory, time)
    for place in range(len(tastes)):
        tastes[place] *= kept
    tastes[law.category[item]] += 1.0 - law.keep
    tastes[len(law.base) + law.brand[item]] += 1.0 - law.keep
    memory[0] = memory[1]
    memory[1] = law.category[item] + 1
    memory[2] = item
    memory[3] = time
    mind.seen[item] = True


@njit(cache=True)
def _category_weights(law: Law, mind: Mind, time: int) -> None:
    """mind.categories, summing to 1: season, taste, and what follows the last two categories."""
    out, memory = mind.categories, mind.memory
    faded = law.taste_pull * _fade(law, memory, time)
    year = time / YEAR
    total = 0.0
    for c in range(len(out)):
        log_weight = law.base[c] + law.season[0, c] * np.cos(2 * np.pi * (year - law.season[1, c]))
        log_weight += faded * mind.tastes[c] + law.after_one[memory[1], c] + law.after_two[memory[0], memory[1], c]
        out[c] = np.exp(log_weight)
        total += out[c]
    for c in range(len(out)):
        out[c] /= total


@njit(cache=True)
def _born_in(law: Law, group: int, time: int) -> int:
    """The place after the last item of a group that is on sale."""
    low, high = law.groups[group], law.groups[group + 1]
    while low < high:
        middle = (low + high) // 2
        if law.order_born[middle] <= time:
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True)
def _brand_weights(law: Law, mind: Mind, category: int, time: int) -> None:
    """mind.brands, summing to 1: popularity on sale, times loyalty; mind.ends: where each group's sale ends."""
    out, ends = mind.brands, mind.ends
    faded = law.brand_pull * _fade(law, mind.memory, time)
    first = category * len(out)
    total = 0.0
    for b in range(len(out)):
        ends[b] = _born_in(law, first + b, time)
        out[b] = 0.0
        if ends[b] > law.groups[first + b]:
            out[b] = law.mass[ends[b] - 1] * np.exp(faded * mind.tastes[len(law.base) + b])
            total += out[b]
    for b in range(len(out)):
        out[b] /= total


@njit(cache=True)
def _repeat_share(law: Law, memory: Ints, time: int) -> float:
    """The chance of a repeat; none without a past, none inside one basket (the same second)."""
    return law.repeat_chance if memory[2] > 0 and time > memory[3] else 0.0


@njit(cache=True)
def _picked(weights: Floats, u: float) -> int:
    """The place that a uniform draw falls on; weights sum to 1."""
    last = 0
    for place in range(len(weights)):
        if weights[place] > 0.0:
            last = place
            u -= weights[place]
            if u < 0.0:
                break
    return last


@njit(cache=True)
def _picked_item(law: Law, first: int, end: int, u: float) -> np.int32:
    """An item of order[first:end] by popularity."""
    aim = u * law.mass[end - 1]
    low, high = first, end - 1
    while low < high:
        middle = (low + high) // 2
        if law.mass[middle] <= aim:
            low = middle + 1
        else:
            high = middle
    return law.order[low]


@njit(cache=True)
def _write_fresh(law: Law, mind: Mind, time: int) -> float:
    """mind.row: the weight of each item that is born and not seen; returns their sum."""
    out, brands, ends = mind.row, mind.brands, mind.ends
    follow = law.companion_chance if mind.memory[2] > 0 else 0.0
    out[:] = 0.0
    _category_weights(law, mind, time)
    for c in range(len(mind.categories)):
        _brand_weights(law, mind, c, time)
        for b in range(len(brands)):
            before = 0.0
            for place in range(law.groups[c * len(brands) + b], ends[b]):
                share = (law.mass[place] - before) / law.mass[ends[b] - 1]
                out[law.order[place] - 1] = (1.0 - follow) * mind.categories[c] * brands[b] * share
                before = law.mass[place]
    if follow > 0.0:
        for j in range(len(law.shares)):
            other = law.companions[mind.memory[2], j]
            if other > 0 and law.born[other] <= time:
                out[other - 1] += follow * law.shares[j]
    total = 0.0
    for i in range(len(out)):
        if mind.seen[i + 1]:
            out[i] = 0.0
        total += out[i]
    return total


@njit(cache=True)
def _write_law(law: Law, mind: Mind, past: Items, time: int) -> None:
    """mind.row, summing to 1: the chance of each item to be next."""
    total = _write_fresh(law, mind, time)
    repeat = 1.0 if total <= 0.0 else _repeat_share(law, mind.memory, time)
    if total > 0.0:
        mind.row[:] *= (1.0 - repeat) / total
    if repeat > 0.0:
        reach = min(len(past), _REPEAT_REACH)
        whole = (1.0 - _REPEAT_FADE**reach) / (1.0 - _REPEAT_FADE)
        for back in range(reach):
            mind.row[past[len(past) - 1 - back] - 1] += repeat * _REPEAT_FADE**back / whole


@njit(cache=True)
def _repeated(past: Items, u: float) -> np.int32:
    """One of the last items, recent ones more likely."""
    reach = min(len(past), _REPEAT_REACH)
    aim = u * (1.0 - _REPEAT_FADE**reach) / (1.0 - _REPEAT_FADE)
    for back in range(reach):
        aim -= _REPEAT_FADE**back
        if aim < 0.0:
            return past[len(past) - 1 - back]
    return past[len(past) - reach]


@njit(cache=True)
def _try_item(law: Law, mind: Mind, time: int, key: np.uint64, draw: int) -> np.int32:
    """An item of the law before "born and not seen" is asked, 0 for a companion that is not born; four draws."""
    if mind.memory[2] > 0 and draw_uniform(key, draw) < law.companion_chance:
        other = law.companions[mind.memory[2], _picked(law.shares, draw_uniform(key, draw + 1))]
        return other if other > 0 and law.born[other] <= time else np.int32(0)
    c = _picked(mind.categories, draw_uniform(key, draw + 1))
    _brand_weights(law, mind, c, time)
    b = _picked(mind.brands, draw_uniform(key, draw + 2))
    return _picked_item(law, law.groups[c * len(mind.brands) + b], mind.ends[b], draw_uniform(key, draw + 3))


@njit(cache=True)
def _take(law: Law, mind: Mind, past: Items, time: int, key: np.uint64, draw: int) -> tuple[np.int32, int]:
    """(the item taken next, the number of the next draw)."""
    if draw_uniform(key, draw) < _repeat_share(law, mind.memory, time):
        return _repeated(past, draw_uniform(key, draw + 1)), draw + 2
    draw += 2
    _category_weights(law, mind, time)
    for _ in range(_TRIES):
        item = _try_item(law, mind, time, key, draw)
        draw += 4
        if item > 0 and not mind.seen[item]:
            return item, draw
    u = draw_uniform(key, draw)
    total = _write_fresh(law, mind, time)
    if total <= 0.0:
        return _repeated(past, u), draw + 1
    return np.int32(_picked(mind.row / total, u) + 1), draw + 1


@njit(cache=True)
def simulate(law: Law, times: Ints, starts: Ints, keys: npt.NDArray[np.uint64]) -> Items:
    """int32 (events,): what each user takes at these times.

    times int64 (events,) ascending inside a user; starts int64 (users + 1,); keys uint64 (users,).
    """
    items = np.zeros(len(times), np.int32)
    mind = _new_mind(law)
    for user in range(len(keys)):
        draw, first, end = 0, starts[user], starts[user + 1]
        for event in range(first, end):
            items[event], draw = _take(law, mind, items[first:event], times[event], keys[user], draw)
            _remember(law, mind, items[event], times[event])
        _forget(mind, items[first:end])
    return items


@njit(cache=True)
def draw_next(law: Law, items: Items, times: Ints, when: int, keys: npt.NDArray[np.uint64]) -> Items:
    """int32 (keys,): one draw a key of what follows one history at time `when`."""
    drawn = np.zeros(len(keys), np.int32)
    mind = _new_mind(law)
    for event in range(len(items)):
        _remember(law, mind, items[event], times[event])
    for place in range(len(keys)):
        drawn[place], _ = _take(law, mind, items, when, keys[place], 0)
    return drawn


@njit(cache=True)
def law_rows(law: Law, items: Items, times: Ints, starts: Ints, when: Ints) -> npt.NDArray[np.float32]:
    """float32 (rows, items): the chance of each item to be next in each history, at time `when` (rows,).

    Items 0 (unknown to the shop) are passed over. A time before the last event counts as that event's.
    """
    out = np.zeros((len(when), len(law.order)), np.float32)
    mind = _new_mind(law)
    for r in range(len(when)):
        past = items[starts[r] : starts[r + 1]]
        past = past[past > 0]
        for event in range(starts[r], starts[r + 1]):
            if items[event] > 0:
                _remember(law, mind, items[event], times[event])
        _write_law(law, mind, past, max(when[r], mind.memory[3]))
        out[r] = mind.row
        _forget(mind, past)
    return out


@njit(cache=True)
def log_likelihoods(law: Law, items: Items, times: Ints, starts: Ints) -> Floats:
    """float64 (rows,): natural logarithm of each history's chance, given its first event and its times."""
    sums = np.zeros(len(starts) - 1)
    mind = _new_mind(law)
    for r in range(len(sums)):
        first, end = starts[r], starts[r + 1]
        for event in range(first, end):
            if event > first:
                _write_law(law, mind, items[first:event], times[event])
                sums[r] += np.log(mind.row[items[event] - 1])
            _remember(law, mind, items[event], times[event])
        _forget(mind, items[first:end])
    return sums


@njit(cache=True)
def visit_times(
    lengths: Ints, keys: npt.NDArray[np.uint64], begins: Ints, end: int, gaps: Floats, basket: float, session: float
) -> tuple[Ints, Ints]:
    """(times int64 (events,), starts int64 (users + 1,)): when each user comes by, up to `end`.

    lengths int64 (users,) events wished; begins int64 (users,) first second; gaps float64 (users,)
    mean seconds between visits. An event shares the second of the last one with chance `basket`, lies
    minutes after it with chance `session`.
    """
    times = np.zeros(lengths.sum(), np.int64)
    starts = np.zeros(len(lengths) + 1, np.int64)
    place = 0
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
            times[place] = time
            place += 1
        starts[user + 1] = place
    return times[:place], starts
