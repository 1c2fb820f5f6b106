"""Negative sampling from the items that are on sale and that the user does not take.

Items and their popularity are updated day by day. Every draw depends only on the rng key of its positive row.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.ctr_features.sampling_config import SamplingConfig

Ints = npt.NDArray[np.int64]
DAY = 86_400
_MAX_ATTEMPTS = 8  # draws for one negative before it is given up
_UNIFORM, _POPULAR, _CATEGORY = range(3)
_STRATEGIES = {"uniform": (_UNIFORM,), "popularity": (_POPULAR,), "category": (_CATEGORY,)}


@dataclass(frozen=True, eq=False)
class EventArrays:
    """The events up to the end of the period: int64 (events,) each, in any order; codes from 1.

    category int64 (items + 1,): category code of each item code. born int64 (items + 1,): release time in seconds
    where the catalog has one, else the largest int64.
    """

    user: Ints
    item: Ints
    time: Ints
    category: Ints
    born: Ints

    @property
    def n_items(self) -> int:
        return len(self.category) - 1


@dataclass(eq=False)
class SampledNegatives:
    """positive int64 (negatives,): index of its positive; slot: index among its `ratio` negatives; item: the item code.

    on_sale  bool (positives,): whether the positive's own item was on sale by the same rule
    counts   draws rejected because the user takes the item ("taken_by_user") or because it was drawn before
             ("drawn_twice"), negatives given up ("given_up"), and positives whose item was not on sale ("not_on_sale")
    """

    positive: Ints
    slot: Ints
    item: Ints
    on_sale: npt.NDArray[np.bool_]
    counts: dict[str, int]


def sample_negatives(
    events: EventArrays, user: Ints, item: Ints, time: Ints, keys: npt.NDArray[np.uint64], config: SamplingConfig
) -> SampledNegatives:
    """Negatives of the positives (user, item, time); keys uint64 (positives,): their rng keys."""
    days = time // DAY
    order = np.argsort(days, kind="stable")
    edges = np.flatnonzero(np.diff(days[order], prepend=-1, append=np.iinfo(np.int64).max))
    taken, on_sale_items = _TakenItems(events, config.allow_repeats), _ItemsOnSale(events, config)
    chosen = np.zeros((len(user), config.ratio), np.int64)
    on_sale = np.zeros(len(user), bool)
    counts = {"taken_by_user": 0, "drawn_twice": 0, "given_up": 0}
    for low, high in pairwise(edges):
        rows = order[low:high]
        on_sale_items.advance_to(int(days[rows[0]]))
        rows = rows[on_sale_items.contain(item[rows])]
        on_sale[rows] = True
        if not len(rows):
            continue
        positives = _DayPositives(user[rows], events.category[item[rows]], time[rows], keys[rows])
        chosen[rows] = _draw_for_day(on_sale_items, taken, positives, config, counts)
    positive, slot = np.nonzero(chosen)
    counts["not_on_sale"] = int((~on_sale).sum())
    return SampledNegatives(positive, slot, chosen[positive, slot], on_sale, counts)


@dataclass(frozen=True, eq=False)
class _DayPositives:
    """The positives of one day: int64 (rows,) codes of user and category, seconds; keys: rng keys."""

    user: Ints
    category: Ints
    time: Ints
    keys: npt.NDArray[np.uint64]


def _draw_for_day(
    on_sale_items: _ItemsOnSale,
    taken: _TakenItems,
    positives: _DayPositives,
    config: SamplingConfig,
    counts: dict[str, int],
) -> Ints:
    """int64 (rows, ratio): the negatives of one day's positives; 0 where none was found."""
    user, category, time, keys = positives.user, positives.category, positives.time, positives.keys
    chosen = np.zeros((len(user), config.ratio), np.int64)
    strategies = _STRATEGIES.get(config.negatives, (_UNIFORM, _POPULAR, _CATEGORY))
    for slot in range(config.ratio):
        strategy = np.array(strategies)[(rng.draw_uniform(keys, 1000 + slot) * len(strategies)).astype(np.int64)]
        open_rows = np.arange(len(user))
        for attempt in range(_MAX_ATTEMPTS):
            u = rng.draw_uniform(keys[open_rows], slot * _MAX_ATTEMPTS + attempt)
            found = on_sale_items.draw_items(strategy[open_rows], category[open_rows], u)
            rejected = taken(user[open_rows], found, time[open_rows])
            twice = ~rejected & (chosen[open_rows, :slot] == found[:, None]).any(axis=1)
            counts["taken_by_user"] += int(rejected.sum())
            counts["drawn_twice"] += int(twice.sum())
            good = ~(rejected | twice)
            chosen[open_rows[good], slot] = found[good]
            open_rows = open_rows[~good]
            strategy[open_rows[strategy[open_rows] == _CATEGORY]] = (
                _UNIFORM if attempt >= _MAX_ATTEMPTS // 2 else _CATEGORY
            )
            if not len(open_rows):
                break
        counts["given_up"] += len(open_rows)
    return chosen


class _TakenItems:
    """Whether a user takes an item at a time or later (or at any time, where repeats are not positives)."""

    def __init__(self, events: EventArrays, repeats: bool) -> None:
        pair = events.user * (events.n_items + 1) + events.item
        order = np.lexsort((events.time, pair))
        pair, time = pair[order], events.time[order]
        last = np.flatnonzero(np.diff(pair, append=-1))
        self.pairs, self.width, self.repeats = pair[last], events.n_items + 1, repeats
        self.last = time[last]

    def __call__(self, user: Ints, item: Ints, time: Ints) -> npt.NDArray[np.bool_]:
        pair = user * self.width + item
        index = np.minimum(np.searchsorted(self.pairs, pair), len(self.pairs) - 1)
        known: npt.NDArray[np.bool_] = self.pairs[index] == pair
        return np.asarray(known & (self.last[index] >= time), bool) if self.repeats else known


class _ItemsOnSale:
    """The items on sale at the start of a day and their popularity; days follow in ascending order."""

    def __init__(self, events: EventArrays, config: SamplingConfig) -> None:
        order = np.argsort(events.time, kind="stable")
        self._events, self._config = events, config
        self._item, self._day = events.item[order], events.time[order] // DAY
        self._latest = np.where(events.born < np.iinfo(np.int64).max, events.born // DAY, -(10**9))
        self._recent = np.zeros(events.n_items + 1, np.int64)
        self._read, self._gone = 0, 0

    def advance_to(self, day: int) -> None:
        """Reads the events before this day."""
        read = int(np.searchsorted(self._day, day))
        new = slice(self._read, read)
        np.maximum.at(self._latest, self._item[new], self._day[new])
        np.add.at(self._recent, self._item[new], 1)
        gone = int(np.searchsorted(self._day, day - self._config.popularity_days))
        np.subtract.at(self._recent, self._item[self._gone : gone], 1)
        self._read, self._gone = read, gone
        self._on_sale = (self._latest < day) & (self._latest >= day - self._config.on_sale_days)
        self._on_sale[0] = False
        self.items = np.flatnonzero(self._on_sale)
        self._weights = np.cumsum(self._recent[self.items] + 1.0)
        category = self._events.category[self.items]
        self._by_category = self.items[np.argsort(category, kind="stable")]
        self._sorted = np.sort(category)

    def contain(self, item: Ints) -> npt.NDArray[np.bool_]:
        """bool (rows,): whether these items are on sale."""
        held: npt.NDArray[np.bool_] = self._on_sale[item]
        return held

    def draw_items(self, strategy: Ints, category: Ints, u: npt.NDArray[np.float64]) -> Ints:
        """int64 (rows,): one item per row, by its strategy and a uniform number in 0..1."""
        count = len(self.items)
        found = self.items[np.minimum((u * count).astype(np.int64), count - 1)]
        by_popularity = np.minimum(np.searchsorted(self._weights, u * self._weights[-1], side="right"), count - 1)
        found = np.where(strategy == _POPULAR, self.items[by_popularity], found)
        low = np.searchsorted(self._sorted, category)
        size = np.searchsorted(self._sorted, category, side="right") - low
        inside = np.minimum(low + (u * size).astype(np.int64), count - 1)
        picked: Ints = np.where((strategy == _CATEGORY) & (size > 1), self._by_category[inside], found)
        return picked
