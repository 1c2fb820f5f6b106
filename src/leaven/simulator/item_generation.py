"""Generates the items of a simulated world and its model of the next item."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.simulator.behavior_kernels import ChoiceModel
from leaven.simulator.vocabulary import ADJECTIVES, BRANDS, COLORS, MATERIALS, Flavor

DAY = 86_400
_POPULARITY_EXPONENT = 0.7  # popularity decreases as rank ** -0.7
_INITIAL_SHARE = 0.6  # of the items are on sale from the first day


@dataclass(frozen=True, eq=False)
class SimulatedItems:
    """The items; item *i* is at index *i*, index 0 is unused (codes count from 0).

    category, brand, color, material, adjective, thing  int32 (items + 1,)
    price       float64 (items + 1,), NaN where the world has no prices
    born        int64 (items + 1,), release time in seconds since 1970
    popularity  float64 (items + 1,)
    companions  int32 (items + 1, 3), 0 for none
    """

    category: npt.NDArray[np.int32]
    brand: npt.NDArray[np.int32]
    color: npt.NDArray[np.int32]
    material: npt.NDArray[np.int32]
    adjective: npt.NDArray[np.int32]
    thing: npt.NDArray[np.int32]
    price: npt.NDArray[np.float64]
    born: npt.NDArray[np.int64]
    popularity: npt.NDArray[np.float64]
    companions: npt.NDArray[np.int32]


def draw_items(flavor: Flavor, items: int, begin: int, days: int, key: int) -> SimulatedItems:
    """The items of a world that starts at `begin` (seconds) and lasts `days`; `items` covers every category."""
    generator = rng.make_generator(rng.derive_key(key, "items"))
    n_categories = len(flavor.categories)
    category = np.zeros(items + 1, np.int32)
    category[1:] = generator.permutation(np.arange(items) % n_categories)
    brand = (category * 3 + generator.integers(0, 6, items + 1)).astype(np.int32) % len(BRANDS)
    n_things = np.array([len(c.things) for c in flavor.categories], np.int64)
    typical = np.array([c.price or np.nan for c in flavor.categories])[category]
    brand_level = generator.normal(0.0, 0.3, len(BRANDS))[brand]
    popularity = np.power(1.0 + generator.permutation(items + 1), -_POPULARITY_EXPONENT, dtype=np.float64)
    return SimulatedItems(
        category=category,
        brand=brand,
        color=generator.integers(0, len(COLORS), items + 1).astype(np.int32),
        material=generator.integers(0, len(MATERIALS), items + 1).astype(np.int32),
        adjective=generator.integers(0, len(ADJECTIVES), items + 1).astype(np.int32),
        thing=(generator.integers(0, 1 << 30, items + 1) % n_things[category]).astype(np.int32),
        price=np.round(typical * np.exp(brand_level + generator.normal(0.0, 0.35, items + 1)), 2),
        born=_draw_release_times(category, begin, days, generator),
        popularity=popularity,
        companions=_draw_companions(category, brand, popularity, n_categories, generator),
    )


def _draw_release_times(
    category: npt.NDArray[np.int32], begin: int, days: int, generator: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Most items are on sale from the start, at least one of each category."""
    later = begin + (generator.random(len(category)) * 0.9 * days * DAY).astype(np.int64)
    born = np.where(generator.random(len(category)) < _INITIAL_SHARE, begin - 30 * DAY, later)
    first = np.unique(category[1:], return_index=True)[1] + 1
    born[first] = begin - 30 * DAY
    return born


def _draw_companions(
    category: npt.NDArray[np.int32],
    brand: npt.NDArray[np.int32],
    popularity: npt.NDArray[np.float64],
    n_categories: int,
    generator: np.random.Generator,
) -> npt.NDArray[np.int32]:
    """Three companions per item: of the next category in a ring, of the same brand where there are three or more."""
    ring = generator.permutation(n_categories)
    follower = np.empty(n_categories, np.int64)
    follower[ring] = np.roll(ring, -1)
    companions = np.zeros((len(category), 3), np.int32)
    items = np.arange(1, len(category))
    for c in range(n_categories):
        pool = items[category[1:] == follower[c]]
        for b in np.unique(brand):
            mine = items[(category[1:] == c) & (brand[1:] == b)]
            same_brand = pool[brand[pool] == b]
            candidates = same_brand if len(same_brand) >= 3 else pool
            weights = popularity[candidates] ** 0.5
            companions[mine] = generator.choice(candidates, (len(mine), 3), p=weights / weights.sum())
    return companions


def build_choice_model(table: SimulatedItems, flavor: Flavor, key: int) -> ChoiceModel:
    """The model of the next item over these items."""
    generator = rng.make_generator(rng.derive_key(key, "law"))
    n, n_brands = len(flavor.categories), len(BRANDS)
    items = np.arange(1, len(table.category))
    group = table.category[items].astype(np.int64) * n_brands + table.brand[items]
    order = np.lexsort((items, table.born[items], group))
    groups = np.searchsorted(group[order], np.arange(n * n_brands + 1)).astype(np.int64)
    mass = np.cumsum(table.popularity[items][order])
    before = np.concatenate([[0.0], mass])[groups[:-1]]
    return ChoiceModel(
        category=table.category,
        brand=table.brand,
        born=table.born,
        order=items[order].astype(np.int32),
        order_born=table.born[items][order],
        mass=mass - before[group[order]],
        groups=groups,
        base=generator.normal(0.0, 0.3, n),
        season=np.stack([generator.uniform(0.3, 1.5, n), generator.random(n)]),
        after_one=_draw_transitions((n + 1, n), 2, 1.5, generator),
        after_two=_draw_transitions((n + 1, n + 1, n), 1, 4.0, generator),
        companions=table.companions,
        shares=np.array([0.6, 0.25, 0.15]),
        taste_pull=5.0,
        brand_pull=7.0,
        keep=0.8,
        fade_seconds=120.0 * DAY,
        companion_chance=0.2,
        repeat_chance=flavor.repeat,
    )


def _draw_transitions(
    shape: tuple[int, ...], followers: int, lift: float, generator: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Log weights: `lift` for random followers of each past, 0 for others and for a missing past."""
    weights = np.zeros(shape)
    chosen = np.argsort(generator.random(shape), axis=-1)[..., :followers]
    np.put_along_axis(weights, chosen, lift, axis=-1)
    for axis in range(len(shape) - 1):
        weights[(slice(None),) * axis + (0,)] = 0.0  # code 0: no such event
    return weights
