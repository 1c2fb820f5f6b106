"""What would the best possible recommender know of this world?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import HeldOut, Histories
from leaven.errors import DataError, SpecError, nearest
from leaven.protocols import Ranked
from leaven.simulator.behavior_kernels import Law, law_rows, log_likelihoods, simulate, visit_times
from leaven.simulator.corruption import Dirt
from leaven.simulator.export_tables import Log, item_ids, make_log, user_ids, words_of, write_log
from leaven.simulator.item_generation import DAY, ItemTable, draw_items, law_of
from leaven.simulator.vocabulary import FLAVOURS

BEGIN = 1_609_459_200
"""2021-01-01 00:00:00 UTC, when every world opens."""
_CELLS = 8_000_000  # of a chunk of the law: 32 MB


@dataclass(frozen=True)
class Shop:
    """The wish for a simulated world whose truth is known.

    users, items  how many; items at least one a category
    days          how long the world is watched
    seed          everything follows from it
    kind          "shop", "video", "music" or "social": names, habits of repeating, lengths, prices
    mean_events   events of an average user; None: what is usual for the kind

    >>> world = Shop(users=50, items=60, days=100, seed=7).open()
    >>> bool(abs(world.next_law(world.histories, world.last_times()).sum(axis=1) - 1).max() < 1e-5)
    True

    Raises SpecError for an unknown kind, or numbers too small for a world.
    """

    users: int = 2000
    items: int = 600
    days: int = 365
    seed: int = 7
    kind: str = "shop"
    mean_events: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in FLAVOURS:
            raise SpecError("shop.kind", "a known kind of world", repr(self.kind), nearest(self.kind, FLAVOURS))
        fewest = len(FLAVOURS[self.kind].categories)
        for name, least in (("users", 1), ("items", fewest), ("days", 1)):
            if getattr(self, name) < least:
                raise SpecError(f"shop.{name}", f"{least} or more", str(getattr(self, name)), f"raise {name}")
        if self.mean_events is not None and not self.mean_events >= 1:
            raise SpecError("shop.mean_events", "1 or more", str(self.mean_events), "raise mean_events")

    def open(self) -> World:
        """The world: its items, its law, and what its users did."""
        flavour = FLAVOURS[self.kind]
        key = rng.key(self.seed, "shop", self.kind)
        table = draw_items(flavour, self.items, BEGIN, self.days, key)
        law = law_of(table, flavour, key)
        histories = _histories(self, law, key)
        return World(self, table, law, histories)


def _histories(shop: Shop, law: Law, key: int) -> Histories:
    """What every user did: when first, then what."""
    flavour = FLAVOURS[shop.kind]
    names = rng.user_keys(user_ids(shop.users))
    keys = rng.row_keys(rng.key(key, "users"), names)
    mean = (shop.mean_events or flavour.mean_events) * 1.3  # the world's end cuts some short
    # lengths: 3 + a geometric number, as many users come rarely and few often
    tail = 1.0 + np.floor(np.log1p(-rng.uniform(keys, 0)) / np.log1p(-1.0 / max(mean - 3.0, 1.01)))
    lengths = np.maximum(np.minimum(2 + tail, 50 * mean), 1).astype(np.int64)
    begins = BEGIN + (rng.uniform(keys, 1) * 0.7 * shop.days * DAY).astype(np.int64)
    pace = np.exp(1.2 * (rng.uniform(keys, 2) - 0.5))
    gaps = flavour.gap_days * DAY * pace * min(1.0, shop.days / 365)
    visit_keys = rng.row_keys(rng.key(key, "visits"), names)
    basket = 0.1 if shop.kind == "shop" else 0.0
    times, starts = visit_times(lengths, visit_keys, begins, BEGIN + shop.days * DAY, gaps, basket, 0.4)
    items = simulate(law, times, starts, rng.row_keys(rng.key(key, "choices"), names))
    return Histories.real(items, times, starts, names, shop.items)


@dataclass(frozen=True, eq=False)
class World:
    """A world that was opened: everything about it is known.

    shop       the wish
    table      the items
    law        the law of the next item
    histories  what the users did, without dirt; the keys are those of the user names u000000 …
    """

    shop: Shop
    table: ItemTable
    law: Law
    histories: Histories
    _ids: dict[str, int] = field(default_factory=dict, repr=False)

    def catalog(self) -> Catalog:
        """The items as a clean catalogue; its ids are those of the written files."""
        flavour = FLAVOURS[self.shop.kind]
        category = np.concatenate([[0], self.table.category[1:] + 1]).astype(np.int32)
        price = None if np.isnan(self.table.price[1:]).all() else self.table.price
        return Catalog(
            ids=item_ids(self.shop.items),
            words=words_of(self.table, flavour),
            category=category,
            categories=[c.name for c in flavour.categories],
            price=price,
            born=self.table.born,
        )

    def last_times(self) -> npt.NDArray[np.int64]:
        """int64 (users,): one second after each user's last event."""
        last: npt.NDArray[np.int64] = self.histories.times[self.histories.starts[1:] - 1] + 1
        return last

    def next_law(self, histories: Histories, times: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """float32 (rows, items): the chance of each item to be the next event at `times` (rows,).

        Column j is the world's item j + 1. The simulator draws from the same functions. Histories over
        another catalogue (cleaned, with items dropped) need their `catalog`, whose ids are looked up.
        Holds all rows at once: slice the histories where that is too much.
        """
        when = np.asarray(times, np.int64)
        if len(when) != len(histories):
            raise DataError("times", f"{len(histories)} times, one a row", str(len(when)), "")
        items = self._own_ids(histories)[histories.items]
        starts = histories.starts - histories.starts[0]
        law: npt.NDArray[np.float32] = law_rows(self.law, items, histories.times, starts, when)
        return law

    def log_likelihood(self, histories: Histories) -> npt.NDArray[np.float64]:
        """float64 (rows,): natural logarithm of each row's chance given its first event and its times.

        -inf where the world never does this (an item before its birth, or repeated where nothing is).
        """
        items = self._own_ids(histories)[histories.items]
        if (items == 0).any():
            raise DataError("histories.items", "items of this world", "an unknown item", "map the ids first")
        with np.errstate(divide="ignore"):
            sums: npt.NDArray[np.float64] = log_likelihoods(
                self.law, items, histories.times, histories.starts - histories.starts[0]
            )
        return sums

    def ranked(self, held_out: HeldOut, k: int = 10, exclude_seen: bool = True) -> Ranked:
        """The k items that the truth finds most likely at each user's first held-out time, in the ids of `held_out`."""
        n_items = held_out.histories.n_items
        if k < 1:
            raise SpecError("k", "1 or more", str(k), "")
        width = min(k, n_items)
        items = np.zeros((len(held_out), k), np.int32)
        scores = np.full((len(held_out), k), -np.inf, np.float32)
        for rows, law in self._chunks(held_out, exclude_seen):
            top = np.argsort(-law, axis=1, kind="stable")[:, :width]
            best = np.take_along_axis(law, top, axis=1)
            items[rows, :width] = np.where(best >= 0, top + 1, 0)
            scores[rows, :width] = np.where(best >= 0, best, -np.inf)
        return Ranked(items, scores)

    def best_ndcg(self, held_out: HeldOut, k: int = 10, exclude_seen: bool = True) -> npt.NDArray[np.float64]:
        """float64 (users,): NDCG@k of ranking every item by the true law.

        With one held-out item a user, the next event, no ranking does better in expectation. With several
        it is the law of the first of them, and the sets are compared as `Ndcg` does.
        """
        lists = self.ranked(held_out, k, exclude_seen).items
        discounts = 1.0 / np.log2(np.arange(2, k + 2))
        values = np.zeros(len(held_out))
        for user in range(len(held_out)):
            taken = np.unique(held_out.items[held_out.starts[user] : held_out.starts[user + 1]])
            gain = float(discounts @ np.isin(lists[user], taken[taken > 0]))
            values[user] = gain / discounts[: len(taken)].sum()
        return values

    def log(self, dirt: Dirt | None = None) -> Log:
        """The world as a user of leaven would get it: two tables, dirt planted, and how much of each."""
        return make_log(self.histories, self.table, FLAVOURS[self.shop.kind], dirt or Dirt(), self.shop.seed)

    def write(self, folder: str | Path, dirt: Dirt | None = None, pictures: bool = True) -> dict[str, Any]:
        """interactions.csv, items.csv, images/, truth.json in a new folder; returns the facts.

        The folder is whole or it is not there. Raises DataError where something else lies at its place.
        """
        log = self.log(dirt)
        truth = {"shop": asdict(self.shop), "dirt": asdict(dirt or Dirt()), "facts": log.facts}
        write_log(log, self.table, Path(folder), truth, pictures)
        return log.facts

    def _chunks(self, held_out: HeldOut, exclude_seen: bool) -> Iterator[tuple[slice, npt.NDArray[np.float32]]]:
        """(rows, law over the items of `held_out`, -1 where an item is not to be listed)."""
        histories = held_out.histories
        columns = self._own_ids(histories)[1 : histories.n_items + 1]
        when = held_out.times[held_out.starts[:-1]]
        step = max(1, _CELLS // max(self.shop.items, 1))
        for first in range(0, len(histories), step):
            rows = slice(first, min(first + step, len(histories)))
            part = histories.slice(rows.start, rows.stop)
            law = self.next_law(part, when[rows])[:, np.maximum(columns, 1) - 1]
            law[:, columns == 0] = 0.0
            if exclude_seen:
                known = part.items <= histories.n_items
                law[part.row_of_event()[known], part.items[known] - 1] = -1.0
            yield rows, law

    def _own_ids(self, histories: Histories) -> npt.NDArray[np.int32]:
        """int32 (items of the histories + 2,): the world's id of each of theirs; 0 for unknown and for the mask."""
        own = np.zeros(histories.n_items + 2, np.int32)
        if histories.catalog is not None:
            if not self._ids:
                self._ids.update({name: place for place, name in enumerate(item_ids(self.shop.items), 1)})
            own[1:-1] = [self._ids.get(name, 0) for name in histories.catalog.ids]
        elif histories.n_items == self.shop.items:
            own[1:-1] = np.arange(1, self.shop.items + 1)
        else:
            got = f"{histories.n_items} items and no catalogue"
            raise DataError(
                "histories", f"the world's {self.shop.items} items, or a catalogue", got, "keep the catalog"
            )
        return own
