"""Generates the items of a simulated world and its model of the next item."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.simulator.behavior_kernels import ChoiceModel
from leaven.simulator.vocabulary import ADJECTIVES, BRANDS, COLORS, MATERIALS, Flavor

DAY = 86_400
_POPULARITY_EXPONENT = 0.7  # popularity decreases as rank ** -0.7


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


@dataclass(frozen=True)
class ReleasePlan:
    """When items are released.

    begin          start of the world in seconds
    days           its length
    initial_share  share of the items on sale from the first day; the others are released over 9 tenths of the days
    """

    begin: int
    days: int
    initial_share: float


def draw_items(flavor: Flavor, items: int, releases: ReleasePlan, key: int) -> SimulatedItems:
    """The items of a world; `items` covers every category."""
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
        born=_draw_release_times(category, releases, generator),
        popularity=popularity,
        companions=_draw_companions(category, brand, popularity, n_categories, generator),
    )


def _draw_release_times(
    category: npt.NDArray[np.int32], releases: ReleasePlan, generator: np.random.Generator
) -> npt.NDArray[np.int64]:
    """At least one item of each category is on sale from the start."""
    before = releases.begin - 30 * DAY
    later = releases.begin + (generator.random(len(category)) * 0.9 * releases.days * DAY).astype(np.int64)
    born = np.where(generator.random(len(category)) < releases.initial_share, before, later)
    first = np.unique(category[1:], return_index=True)[1] + 1
    born[first] = before
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


def build_choice_model(table: SimulatedItems, flavor: Flavor, key: int, fade_days: float | None = None) -> ChoiceModel:
    """The model of the next item over these items.

    fade_days: days in which the popularity of a released item fades by the factor e. Of exp(-age / fade),
    only the part of the release time differs between items, so that the masses need no clock.
    """
    generator = rng.make_generator(rng.derive_key(key, "law"))
    n, n_brands = len(flavor.categories), len(BRANDS)
    items = np.arange(1, len(table.category))
    group = table.category[items].astype(np.int64) * n_brands + table.brand[items]
    order = np.lexsort((items, table.born[items], group))
    groups = np.searchsorted(group[order], np.arange(n * n_brands + 1)).astype(np.int64)
    popularity = table.popularity[items]
    if fade_days is not None:
        popularity = popularity * np.exp((table.born[items] - table.born[items].max()) / (fade_days * DAY))
    mass = np.cumsum(popularity[order])
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


_SIZE = 64  # pixels on each side


def draw_image(shape: int, color: tuple[int, int, int], brand: int, variant: int) -> npt.NDArray[np.uint8]:
    """uint8 (64, 64, 3): a shape (by category) in a color, with stripes whose angle and width depend on the brand.

    `variant` moves and scales the shape a little.

    >>> draw_image(0, (200, 0, 0), 3, 1).shape
    (64, 64, 3)
    """
    y, x = np.mgrid[0:_SIZE, 0:_SIZE].astype(np.float64)
    size = 0.8 + 0.05 * (variant % 5)
    u = (x - 31.5 - (variant // 5 % 5 - 2)) / (24.0 * size)
    v = (y - 31.5 - (variant // 25 % 5 - 2)) / (24.0 * size)
    inside = _is_inside(shape, u, v)
    angle = np.pi * (brand % 8) / 8
    stripes = np.sin((3.0 + 2.0 * (brand // 8)) * np.pi * (u * np.cos(angle) + v * np.sin(angle))) > 0.3
    ink = np.asarray(color, np.float64)
    image = np.full((_SIZE, _SIZE, 3), 245.0) - 12.0 * (y / _SIZE)[..., None]
    image[inside] = ink
    image[inside & stripes] = 0.65 * ink + 0.35 * (255.0 if ink.mean() < 128 else 0.0)
    pixels: npt.NDArray[np.uint8] = np.clip(np.round(image), 0, 255).astype(np.uint8)
    return pixels


def _is_inside(shape: int, u: npt.NDArray[np.float64], v: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """bool (points): the points of the square -1..1 in a shape: eight outlines, full and with a hole."""
    radius, angle = np.hypot(u, v), np.arctan2(v, u)
    outlines = (
        radius < 0.95,
        np.maximum(np.abs(u), np.abs(v)) < 0.8,
        np.abs(u) + np.abs(v) < 1.0,
        (v < 0.75) & (v > 2 * np.abs(u) - 0.95),
        radius < 0.6 + 0.3 * np.cos(5 * angle),
        np.minimum(np.abs(u), np.abs(v)) + 0.6 * np.maximum(np.abs(u), np.abs(v)) < 0.6,
        (np.abs(u) < 0.4) & (np.abs(v) < 0.95),
        np.maximum(np.abs(u), np.abs(v) * 1.8) < 0.95,
    )
    filled = outlines[shape % 8]
    return filled if shape < 8 else filled & (radius > 0.35)


def encode_png(image: npt.NDArray[np.uint8]) -> bytes:
    """The bytes of a PNG file (ISO 15948) of an image, uint8 (height, width, 3)."""
    height, width, _ = image.shape
    rows = np.zeros((height, 1 + 3 * width), np.uint8)  # each row starts with its filter: 0, none
    rows[:, 1:] = image.reshape(height, -1)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows.tobytes(), 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_build_chunk(name, data) for name, data in chunks)


def _build_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
