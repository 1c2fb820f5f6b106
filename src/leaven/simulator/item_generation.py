"""Which items does the simulated world sell, and what goes with what?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.simulator.behavior_kernels import Law
from leaven.simulator.vocabulary import ADJECTIVES, BRANDS, COLOURS, MATERIALS, Flavour

DAY = 86_400
_TAIL = 0.7  # popularity falls as rank ** -0.7
_OLD_SHARE = 0.6  # of the items are on sale from the first day


@dataclass(frozen=True, eq=False)
class ItemTable:
    """The items; item *i* is place *i*, place 0 is unused (codes count from 0).

    category, brand, colour, material, adjective, thing  int32 (items + 1,)
    price       float64 (items + 1,), NaN where the world has no prices
    born        int64 (items + 1,), seconds since 1970
    popularity  float64 (items + 1,)
    companions  int32 (items + 1, 3), 0 for none
    """

    category: npt.NDArray[np.int32]
    brand: npt.NDArray[np.int32]
    colour: npt.NDArray[np.int32]
    material: npt.NDArray[np.int32]
    adjective: npt.NDArray[np.int32]
    thing: npt.NDArray[np.int32]
    price: npt.NDArray[np.float64]
    born: npt.NDArray[np.int64]
    popularity: npt.NDArray[np.float64]
    companions: npt.NDArray[np.int32]


def draw_items(flavour: Flavour, items: int, begin: int, days: int, key: int) -> ItemTable:
    """The items of a world that opens at `begin` (seconds) for `days`; `items` covers every category."""
    chance = rng.generator(rng.key(key, "items"))
    n_categories = len(flavour.categories)
    category = np.zeros(items + 1, np.int32)
    category[1:] = chance.permutation(np.arange(items) % n_categories)
    brand = (category * 3 + chance.integers(0, 6, items + 1)).astype(np.int32) % len(BRANDS)
    typical = np.array([c.price or np.nan for c in flavour.categories])[category]
    brand_level = chance.normal(0.0, 0.3, len(BRANDS))[brand]
    popularity = np.power(1.0 + chance.permutation(items + 1), -_TAIL, dtype=np.float64)
    return ItemTable(
        category=category,
        brand=brand,
        colour=chance.integers(0, len(COLOURS), items + 1).astype(np.int32),
        material=chance.integers(0, len(MATERIALS), items + 1).astype(np.int32),
        adjective=chance.integers(0, len(ADJECTIVES), items + 1).astype(np.int32),
        thing=(chance.integers(0, 1 << 30, items + 1) % _things(flavour)[category]).astype(np.int32),
        price=np.round(typical * np.exp(brand_level + chance.normal(0.0, 0.35, items + 1)), 2),
        born=_births(category, begin, days, chance),
        popularity=popularity,
        companions=_companions(category, brand, popularity, n_categories, chance),
    )


def _things(flavour: Flavour) -> npt.NDArray[np.int64]:
    return np.array([len(c.things) for c in flavour.categories], np.int64)


def _births(
    category: npt.NDArray[np.int32], begin: int, days: int, chance: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Most items are there from the start; every category has one that is."""
    later = begin + (chance.random(len(category)) * 0.9 * days * DAY).astype(np.int64)
    born = np.where(chance.random(len(category)) < _OLD_SHARE, begin - 30 * DAY, later)
    first = np.unique(category[1:], return_index=True)[1] + 1
    born[first] = begin - 30 * DAY
    return born


def _companions(
    category: npt.NDArray[np.int32],
    brand: npt.NDArray[np.int32],
    popularity: npt.NDArray[np.float64],
    n_categories: int,
    chance: np.random.Generator,
) -> npt.NDArray[np.int32]:
    """Three items that go with each one: of the next category in a ring, of its brand where there are any."""
    ring = chance.permutation(n_categories)
    follower = np.empty(n_categories, np.int64)
    follower[ring] = np.roll(ring, -1)
    companions = np.zeros((len(category), 3), np.int32)
    places = np.arange(1, len(category))
    for c in range(n_categories):
        pool = places[category[1:] == follower[c]]
        for b in np.unique(brand):
            mine = places[(category[1:] == c) & (brand[1:] == b)]
            kin = pool[brand[pool] == b]
            pool_here = kin if len(kin) >= 3 else pool
            weights = popularity[pool_here] ** 0.5
            companions[mine] = chance.choice(pool_here, (len(mine), 3), p=weights / weights.sum())
    return companions


def law_of(table: ItemTable, flavour: Flavour, key: int) -> Law:
    """The law of the next item over these items."""
    chance = rng.generator(rng.key(key, "law"))
    n, n_brands = len(flavour.categories), len(BRANDS)
    items = np.arange(1, len(table.category))
    group = table.category[items].astype(np.int64) * n_brands + table.brand[items]
    order = np.lexsort((items, table.born[items], group))
    groups = np.searchsorted(group[order], np.arange(n * n_brands + 1)).astype(np.int64)
    mass = np.cumsum(table.popularity[items][order])
    before = np.concatenate([[0.0], mass])[groups[:-1]]
    return Law(
        category=table.category,
        brand=table.brand,
        born=table.born,
        order=items[order].astype(np.int32),
        order_born=table.born[items][order],
        mass=mass - before[group[order]],
        groups=groups,
        base=chance.normal(0.0, 0.3, n),
        season=np.stack([chance.uniform(0.3, 1.5, n), chance.random(n)]),
        after_one=_transitions((n + 1, n), 2, 1.5, chance),
        after_two=_transitions((n + 1, n + 1, n), 1, 4.0, chance),
        companions=table.companions,
        shares=np.array([0.6, 0.25, 0.15]),
        taste_pull=5.0,
        brand_pull=7.0,
        keep=0.8,
        fade_seconds=120.0 * DAY,
        companion_chance=0.2,
        repeat_chance=flavour.repeat,
    )


def _transitions(
    shape: tuple[int, ...], followers: int, lift: float, chance: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Log weights: `lift` for a few followers of each past, 0 for the others and where a past is missing."""
    weights = np.zeros(shape)
    chosen = np.argsort(chance.random(shape), axis=-1)[..., :followers]
    np.put_along_axis(weights, chosen, lift, axis=-1)
    for axis in range(len(shape) - 1):
        weights[(slice(None),) * axis + (0,)] = 0.0  # code 0: there was no such event
    return weights
