"""The simulator config and the simulated world, with its true probabilities of the next item."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import HeldOut, Histories
from leaven.errors import DataError, SpecError, suggest_name
from leaven.protocols import RankedItems
from leaven.simulator.behavior_kernels import (
    ChoiceModel,
    compute_log_likelihoods,
    compute_next_probabilities,
    draw_event_times,
    simulate_events,
)
from leaven.simulator.corruption import Corruption
from leaven.simulator.export_tables import SimulatedLog, build_log, build_texts, list_item_ids, list_user_ids, write_log
from leaven.simulator.item_generation import DAY, ReleasePlan, SimulatedItems, build_choice_model, draw_items
from leaven.simulator.vocabulary import FLAVORS

BEGIN = 1_609_459_200
"""2021-01-01 00:00:00 UTC, when every world starts."""
_CHUNK_CELLS = 8_000_000  # probabilities per chunk: 32 MB


@dataclass(frozen=True)
class Simulator:
    """Config of a simulated world with known behavior.

    users, items  numbers of users and items; at least one item per category
    days          length of the simulated period
    seed          of all random draws
    kind          "shop", "video", "music" or "social": texts, share of repeats, history lengths, prices
    mean_events   events of an average user; None: the default of the kind
    initial_share share of the items on sale from the first day; the others are released later
    fade_days     days in which the popularity of a released item fades by the factor e; None: it does not fade
    kind_shares   shares of the kinds of events, in the order of the kind; None: the defaults of the kind

    >>> world = Simulator(users=50, items=60, days=100, seed=7).build_world()
    >>> bool(abs(world.next_item_probabilities(world.histories, world.last_times()).sum(axis=1) - 1).max() < 1e-5)
    True

    Raises SpecError for an unknown kind, or numbers that are too small.
    """

    users: int = 2000
    items: int = 600
    days: int = 365
    seed: int = 7
    kind: str = "shop"
    mean_events: float | None = None
    initial_share: float = 0.6
    fade_days: float | None = None
    kind_shares: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.kind not in FLAVORS:
            raise SpecError(
                "simulator.kind", "a known kind of world", repr(self.kind), suggest_name(self.kind, FLAVORS)
            )
        n_categories = len(FLAVORS[self.kind].categories)
        for name, minimum in (("users", 1), ("items", n_categories), ("days", 1)):
            if getattr(self, name) < minimum:
                raise SpecError(f"simulator.{name}", f"{minimum} or more", str(getattr(self, name)), f"raise {name}")
        if self.mean_events is not None and not self.mean_events >= 1:
            raise SpecError("simulator.mean_events", "1 or more", str(self.mean_events), "raise mean_events")
        if not 0 <= self.initial_share <= 1:
            raise SpecError("simulator.initial_share", "a share in 0..1", str(self.initial_share))
        names = [name for name, _ in FLAVORS[self.kind].kinds]
        if self.kind_shares is not None:
            object.__setattr__(self, "kind_shares", shares := tuple(self.kind_shares))
            if len(shares) != len(names) or min(shares) < 0 or not abs(sum(shares) - 1) < 1e-9:
                expected = f"{len(names)} shares that sum to 1, of {', '.join(names)}"
                raise SpecError("simulator.kind_shares", expected, str(shares), "write one for each kind")
        if self.fade_days is not None and not self.fade_days >= 1:
            raise SpecError("simulator.fade_days", "1 or more", str(self.fade_days), "raise fade_days")

    def build_world(self) -> World:
        """The world: its items, its model of the next item, and the histories of its users."""
        flavor = FLAVORS[self.kind]
        key = rng.derive_key(self.seed, "shop", self.kind)
        table = draw_items(flavor, self.items, ReleasePlan(BEGIN, self.days, self.initial_share), key)
        law = build_choice_model(table, flavor, key, self.fade_days)
        histories = _simulate_histories(self, law, key)
        return World(self, table, law, histories)


def _simulate_histories(shop: Simulator, law: ChoiceModel, key: int) -> Histories:
    """The histories of all users: first the times, then the items."""
    flavor = FLAVORS[shop.kind]
    names = rng.derive_user_ids(list_user_ids(shop.users))
    keys = rng.derive_row_keys(rng.derive_key(key, "users"), names)
    mean = (shop.mean_events or flavor.mean_events) * 1.3  # the end of the period truncates some
    # lengths: 3 + a geometric number, since many users have few events and few have many
    tail = 1.0 + np.floor(np.log1p(-rng.draw_uniform(keys, 0)) / np.log1p(-1.0 / max(mean - 3.0, 1.01)))
    lengths = np.maximum(np.minimum(2 + tail, 50 * mean), 1).astype(np.int64)
    begins = BEGIN + (rng.draw_uniform(keys, 1) * 0.7 * shop.days * DAY).astype(np.int64)
    pace = np.exp(1.2 * (rng.draw_uniform(keys, 2) - 0.5))
    gaps = flavor.gap_days * DAY * pace * min(1.0, shop.days / 365)
    visit_keys = rng.derive_row_keys(rng.derive_key(key, "visits"), names)
    basket = 0.1 if shop.kind == "shop" else 0.0
    times, starts = draw_event_times(lengths, visit_keys, begins, BEGIN + shop.days * DAY, gaps, basket, 0.4)
    items = simulate_events(law, times, starts, rng.derive_row_keys(rng.derive_key(key, "choices"), names))
    return Histories.from_arrays(items, times, starts, names, shop.items)


def _hash_events(
    row_ids: npt.NDArray[np.uint64], items: npt.NDArray[np.int32], times: npt.NDArray[np.int64]
) -> npt.NDArray[np.uint64]:
    """uint64 (events,): a hash of user, item and time."""
    items_and_times = rng.mix_bits(items.astype(np.uint64) ^ rng.mix_bits(times.view(np.uint64)))
    return rng.mix_bits(row_ids ^ items_and_times)


@dataclass(frozen=True, eq=False)
class World:
    """A simulated world.

    simulator     its config
    table         its items
    choice_model  its model of the next item
    histories     of its users, without corruption; the row ids are those of the users u000000 …
    """

    simulator: Simulator
    table: SimulatedItems
    choice_model: ChoiceModel
    histories: Histories
    _ids: dict[str, int] = field(default_factory=dict, repr=False)

    def catalog(self) -> Catalog:
        """The catalog of the items, without corruption; its ids are those of the written files."""
        flavor = FLAVORS[self.simulator.kind]
        category = np.concatenate([[0], self.table.category[1:] + 1]).astype(np.int32)
        price = None if np.isnan(self.table.price[1:]).all() else self.table.price
        return Catalog(
            ids=list_item_ids(self.simulator.items),
            texts=build_texts(self.table, flavor),
            category=category,
            categories=[c.name for c in flavor.categories],
            price=price,
            first_sale_times=self.table.born,
        )

    def last_times(self) -> npt.NDArray[np.int64]:
        """int64 (users,): one second after each user's last event."""
        last: npt.NDArray[np.int64] = self.histories.times[self.histories.starts[1:] - 1] + 1
        return last

    def next_item_probabilities(self, histories: Histories, times: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """float32 (rows, items): the probability of each item to be the next event at `times` (rows,).

        Column j is the world's item j + 1. The simulator draws from the same functions. Histories over
        another catalog (cleaned, with items dropped) need their `catalog`, whose ids are looked up.
        All rows are held in memory: slice large histories.
        """
        when = np.asarray(times, np.int64)
        if len(when) != len(histories):
            raise DataError("times", f"{len(histories)} times, one per row", str(len(when)), "")
        items = self._map_items(histories)[histories.items]
        starts = histories.starts - histories.starts[0]
        probabilities: npt.NDArray[np.float32] = compute_next_probabilities(
            self.choice_model, items, histories.times, starts, when
        )
        return probabilities

    def log_likelihood(self, histories: Histories) -> npt.NDArray[np.float64]:
        """float64 (rows,): the log-likelihood of each row, given its first event and its times.

        -inf for impossible rows (an item before its release, or a repeat in a world without repeats).
        """
        items = self._map_items(histories)[histories.items]
        if (items == 0).any():
            raise DataError("histories.items", "items of this world", "an unknown item", "map the ids first")
        with np.errstate(divide="ignore"):
            sums: npt.NDArray[np.float64] = compute_log_likelihoods(
                self.choice_model, items, histories.times, histories.starts - histories.starts[0]
            )
        return sums

    def select_true_events(self, held_out: HeldOut) -> HeldOut:
        """The same users and targets, with those events of the histories alone that the world has drawn.

        Accidental views, exchanged times and other corruption are left out, so that the true probabilities of the next
        item follow from what really happened.
        """
        past, world = held_out.histories, self.histories
        drawn = _hash_events(world.row_ids[world.event_rows()], world.items, world.times)
        own = _hash_events(past.row_ids[past.event_rows()], self._map_items(past)[past.items], past.times)
        is_true = np.isin(own, drawn)
        source = np.flatnonzero(is_true)
        starts = np.concatenate([[0], np.cumsum(is_true)])[past.starts - past.starts[0]].astype(np.int64)
        return replace(held_out, histories=past.replace_events(starts, past.items[source], past.times[source], source))

    def rank_items(self, held_out: HeldOut, k: int = 10, exclude_seen: bool = True) -> RankedItems:
        """The k most probable items at each user's first held-out time, in the ids of `held_out`."""
        n_items = held_out.histories.n_items
        if k < 1:
            raise SpecError("k", "1 or more", str(k), "")
        width = min(k, n_items)
        items = np.zeros((len(held_out), k), np.int32)
        scores = np.full((len(held_out), k), -np.inf, np.float32)
        for rows, probabilities in self._iterate_chunks(held_out, exclude_seen):
            top = np.argsort(-probabilities, axis=1, kind="stable")[:, :width]
            best = np.take_along_axis(probabilities, top, axis=1)
            items[rows, :width] = np.where(best >= 0, top + 1, 0)
            scores[rows, :width] = np.where(best >= 0, best, -np.inf)
        return RankedItems(items, scores)

    def best_ndcg(self, held_out: HeldOut, k: int = 10, exclude_seen: bool = True) -> npt.NDArray[np.float64]:
        """float64 (users,): NDCG@k of ranking all items by their true probabilities.

        With one held-out item per user, the next event, no ranking is better in expectation. With several,
        the probabilities are those of the first one, and the sets are compared as in `Ndcg`.
        """
        lists = self.rank_items(held_out, k, exclude_seen).items
        discounts = 1.0 / np.log2(np.arange(2, k + 2))
        values = np.zeros(len(held_out))
        for user in range(len(held_out)):
            taken = np.unique(held_out.target_items[held_out.target_starts[user] : held_out.target_starts[user + 1]])
            gain = float(discounts @ np.isin(lists[user], taken[taken > 0]))
            values[user] = gain / discounts[: len(taken)].sum()
        return values

    def build_log(self, corruption: Corruption | None = None) -> SimulatedLog:
        """The log of the world: two tables with corruption, and the amounts of it."""
        flavor, shares = FLAVORS[self.simulator.kind], self.simulator.kind_shares
        if shares is not None:
            kinds = zip(flavor.kinds, shares, strict=True)
            flavor = replace(flavor, kinds=tuple((name, share) for (name, _), share in kinds))
        return build_log(self.histories, self.table, flavor, corruption or Corruption(), self.simulator.seed)

    def write_files(
        self, folder: str | Path, corruption: Corruption | None = None, images: bool = True
    ) -> dict[str, object]:
        """Writes interactions.csv, items.csv, images/, truth.json to a new folder; returns the facts.

        The folder is written atomically. Raises DataError for a folder with other files.
        """
        log = self.build_log(corruption)
        truth = {"shop": asdict(self.simulator), "corruption": asdict(corruption or Corruption()), "facts": log.facts}
        write_log(log, self.table, Path(folder), truth, images)
        return log.facts

    def _iterate_chunks(self, held_out: HeldOut, exclude_seen: bool) -> Iterator[tuple[slice, npt.NDArray[np.float32]]]:
        """Rows and their probabilities over the items of `held_out`, -1 for excluded items."""
        histories = held_out.histories
        columns = self._map_items(histories)[1 : histories.n_items + 1]
        when = held_out.target_times[held_out.target_starts[:-1]]
        step = max(1, _CHUNK_CELLS // max(self.simulator.items, 1))
        for first in range(0, len(histories), step):
            rows = slice(first, min(first + step, len(histories)))
            part = histories.slice(rows.start, rows.stop)
            probabilities = self.next_item_probabilities(part, when[rows])[:, np.maximum(columns, 1) - 1]
            probabilities[:, columns == 0] = 0.0
            if exclude_seen:
                known = part.items <= histories.n_items
                probabilities[part.event_rows()[known], part.items[known] - 1] = -1.0
            yield rows, probabilities

    def _map_items(self, histories: Histories) -> npt.NDArray[np.int32]:
        """int32 (items of the histories + 2,): the world's id of each item; 0 for unknown items and the mask."""
        own = np.zeros(histories.n_items + 2, np.int32)
        if histories.catalog is not None:
            if not self._ids:
                self._ids.update({name: item for item, name in enumerate(list_item_ids(self.simulator.items), 1)})
            own[1:-1] = [self._ids.get(name, 0) for name in histories.catalog.ids]
        elif histories.n_items == self.simulator.items:
            own[1:-1] = np.arange(1, self.simulator.items + 1)
        else:
            got = f"{histories.n_items} items and no catalog"
            raise DataError(
                "histories", f"the world's {self.simulator.items} items, or a catalog", got, "keep the catalog"
            )
        return own
