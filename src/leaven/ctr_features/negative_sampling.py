"""What was on sale then and not taken?

Day by day: which items are on sale, how popular they are, which of them a user did not take. Every draw follows from
the key of its positive row.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.ctr_features.sampling_config import Sampling

Ints = npt.NDArray[np.int64]
DAY = 86_400
_ATTEMPTS = 8  # draws for one place before it is given up
_UNIFORM, _POPULAR, _CATEGORY = range(3)
_LOTS = {"uniform": (_UNIFORM,), "popularity": (_POPULAR,), "category": (_CATEGORY,)}


@dataclass(frozen=True, eq=False)
class Deeds:
    """What happened up to the end of the period: int64 (events,) each, in any order; codes from 1.

    category int64 (items + 1,): category code of each item code. born int64 (items + 1,): first second of sale where
    the catalogue states it, else the largest int64.
    """

    user: Ints
    item: Ints
    time: Ints
    category: Ints
    born: Ints

    @property
    def items(self) -> int:
        return len(self.category) - 1


@dataclass(eq=False)
class Drawn:
    """positive int64 (negatives,): whose negative it is; slot: which of its `ratio`; item: the item code.

    on_sale  bool (positives,): whether the positive's own item was on sale by the same rule
    counts   refused because the user takes it ("taken_by_user"), because it was drawn already ("drawn_twice"), places
             given up ("given_up"), and positives whose item was not on sale ("not_on_sale")
    """

    positive: Ints
    slot: Ints
    item: Ints
    on_sale: npt.NDArray[np.bool_]
    counts: dict[str, int]


def draw(deeds: Deeds, user: Ints, item: Ints, time: Ints, keys: npt.NDArray[np.uint64], wish: Sampling) -> Drawn:
    """Negatives of the positives (user, item, time), each with the key of its chance."""
    days = time // DAY
    order = np.argsort(days, kind="stable")
    edges = np.flatnonzero(np.diff(days[order], prepend=-1, append=np.iinfo(np.int64).max))
    guard, shelf = _Guard(deeds, wish.repeats), _Shelf(deeds, wish)
    chosen = np.zeros((len(user), wish.ratio), np.int64)
    on_sale = np.zeros(len(user), bool)
    counts = {"taken_by_user": 0, "drawn_twice": 0, "given_up": 0}
    for low, high in pairwise(edges):
        rows = order[low:high]
        shelf.open(int(days[rows[0]]))
        rows = rows[shelf.holds(item[rows])]
        on_sale[rows] = True
        if not len(rows):
            continue
        asked = (user[rows], deeds.category[item[rows]], time[rows], keys[rows])
        chosen[rows] = _of_day(shelf, guard, asked, wish, counts)
    positive, slot = np.nonzero(chosen)
    counts["not_on_sale"] = int((~on_sale).sum())
    return Drawn(positive, slot, chosen[positive, slot], on_sale, counts)


def _of_day(
    shelf: _Shelf,
    guard: _Guard,
    asked: tuple[Ints, Ints, Ints, npt.NDArray[np.uint64]],
    wish: Sampling,
    counts: dict[str, int],
) -> Ints:
    """int64 (rows, ratio): the negatives of one day's positives, 0 where none was found."""
    user, category, time, keys = asked
    chosen = np.zeros((len(user), wish.ratio), np.int64)
    lots = _LOTS.get(wish.negatives, (_UNIFORM, _POPULAR, _CATEGORY))
    for slot in range(wish.ratio):
        lot = np.array(lots)[(rng.uniform(keys, 1000 + slot) * len(lots)).astype(np.int64)]
        open_rows = np.arange(len(user))
        for attempt in range(_ATTEMPTS):
            chance = rng.uniform(keys[open_rows], slot * _ATTEMPTS + attempt)
            found = shelf.pick(lot[open_rows], category[open_rows], chance)
            taken = guard(user[open_rows], found, time[open_rows])
            twice = ~taken & (chosen[open_rows, :slot] == found[:, None]).any(axis=1)
            counts["taken_by_user"] += int(taken.sum())
            counts["drawn_twice"] += int(twice.sum())
            good = ~(taken | twice)
            chosen[open_rows[good], slot] = found[good]
            open_rows = open_rows[~good]
            lot[open_rows[lot[open_rows] == _CATEGORY]] = _UNIFORM if attempt >= _ATTEMPTS // 2 else _CATEGORY
            if not len(open_rows):
                break
        counts["given_up"] += len(open_rows)
    return chosen


class _Guard:
    """Does the user take this item then or later (or ever, where repeats are no positives)?"""

    def __init__(self, deeds: Deeds, repeats: bool) -> None:
        pair = deeds.user * (deeds.items + 1) + deeds.item
        order = np.lexsort((deeds.time, pair))
        pair, time = pair[order], deeds.time[order]
        last = np.flatnonzero(np.diff(pair, append=-1))
        self.pairs, self.width, self.repeats = pair[last], deeds.items + 1, repeats
        self.last = time[last]

    def __call__(self, user: Ints, item: Ints, time: Ints) -> npt.NDArray[np.bool_]:
        pair = user * self.width + item
        place = np.minimum(np.searchsorted(self.pairs, pair), len(self.pairs) - 1)
        known: npt.NDArray[np.bool_] = self.pairs[place] == pair
        return np.asarray(known & (self.last[place] >= time), bool) if self.repeats else known


class _Shelf:
    """What is on sale at the start of a day, and how popular it is; days are opened in ascending order."""

    def __init__(self, deeds: Deeds, wish: Sampling) -> None:
        order = np.argsort(deeds.time, kind="stable")
        self._deeds, self._wish = deeds, wish
        self._item, self._day = deeds.item[order], deeds.time[order] // DAY
        self._latest = np.where(deeds.born < np.iinfo(np.int64).max, deeds.born // DAY, -(10**9))
        self._recent = np.zeros(deeds.items + 1, np.int64)
        self._read, self._gone = 0, 0

    def open(self, day: int) -> None:
        """Everything before this day is known, nothing of it or after it."""
        read = int(np.searchsorted(self._day, day))
        new = slice(self._read, read)
        np.maximum.at(self._latest, self._item[new], self._day[new])
        np.add.at(self._recent, self._item[new], 1)
        gone = int(np.searchsorted(self._day, day - self._wish.popular_days))
        np.subtract.at(self._recent, self._item[self._gone : gone], 1)
        self._read, self._gone = read, gone
        self._on_sale = (self._latest < day) & (self._latest >= day - self._wish.on_sale_days)
        self._on_sale[0] = False
        self.items = np.flatnonzero(self._on_sale)
        self._weights = np.cumsum(self._recent[self.items] + 1.0)
        category = self._deeds.category[self.items]
        self._by_category = self.items[np.argsort(category, kind="stable")]
        self._sorted = np.sort(category)

    def holds(self, item: Ints) -> npt.NDArray[np.bool_]:
        """bool (rows,): whether these items are on sale."""
        held: npt.NDArray[np.bool_] = self._on_sale[item]
        return held

    def pick(self, lot: Ints, category: Ints, chance: npt.NDArray[np.float64]) -> Ints:
        """int64 (rows,): one item a row, by the way that its lot says."""
        count = len(self.items)
        found = self.items[np.minimum((chance * count).astype(np.int64), count - 1)]
        place = np.minimum(np.searchsorted(self._weights, chance * self._weights[-1], side="right"), count - 1)
        found = np.where(lot == _POPULAR, self.items[place], found)
        low = np.searchsorted(self._sorted, category)
        size = np.searchsorted(self._sorted, category, side="right") - low
        inside = np.minimum(low + (chance * size).astype(np.int64), count - 1)
        picked: Ints = np.where((lot == _CATEGORY) & (size > 1), self._by_category[inside], found)
        return picked
