"""Digests of what every registered kind draws on small, fixed inputs.

Each kind is run with explicit keys, and as a step of a plan: the random key of a step follows from the step's name,
which falls back to the name of its class in words. Both must survive a rename.

Left out, as their arithmetic (matrix products, decompositions, nets) may differ in the last bit between processors and
a draw may follow from that bit; `python -m bench.trained_rows` compares them on one machine:

transforms        cold_items: tf-idf vectors after a singular value decomposition
filters           density_ratio: a fitted logistic regression
generators        all but markov: nets
table_generators  copula: correlations and a Cholesky factor; smote: neighbours by matrix products; the others: nets
text_generators, image_generators, encoders: models and nets
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from tests.golden.digest import digest, of_histories, of_samples, of_table, plain_opencv, rounded

import leaven
from leaven import registry, rng
from leaven.augmentation import Plan, Step, build_catalog_views, build_epoch_rows, expand
from leaven.datasets.images import Images
from leaven.datasets.samples import Samples
from leaven.simulator import Corruption, Simulator, simulate_first_order
from leaven.simulator.item_generation import draw_image, encode_png

SEED, N_ITEMS = 7, 40
LEFT_OUT = {
    "transforms": {"cold_items"},
    "filters": {"density_ratio"},
    "generators": {"autoregressive", "vae", "gan", "denoiser", "recommender_rollouts"},
    "tabular_generators": {"copula", "order_agnostic", "smote", "vae", "gan", "diffusion"},
}
TABLE_FIELDS: dict[str, dict[str, Any]] = {
    "roll_up": {"column": "kind", "parents": {"mug": "kitchen", "bag": "outdoor"}, "share": 0.8},
    "swap_noise": {"share": 0.5},
    "feature_mask": {"share": 0.5},
    "rules": {"rules": ("price > 0.5", "count < 7", "kind is known")},
}
COLOURS = ((200, 40, 40), (40, 90, 200), (230, 190, 60), (60, 60, 60))
TITLES = (
    "Nivea soft cream, 250ml",
    "Nivea柔软红色棉质衬衫 250毫升",
    "妮维雅温和洁面乳，保湿补水，150毫升，不含酒精",
    "Burt's Bees gentle daily lotion | calming | pack of 2",
    "Apple iPhone 15 Pro 128GB elegant case",
    "sturdy classic kids lamp, small, quiet, x 2",
    "warm handmade scarf sulfate free SPF 50+ ￥99",
    "elegant warm gift | soft cotton | 12 oz",
    "柔软棉质毯子，时尚，温暖，送礼",
)
BRANDS = ("Nivea", "Nivea", "妮维雅", "Burt's Bees")


def numbers(rows: int, label: str, draws: int) -> Any:
    """float64 (rows, draws) in 0..1 that follow from the label."""
    keys = rng.derive_row_keys(rng.derive_key(1, label), np.arange(1, rows + 1, dtype=np.uint64))
    return np.stack([rng.draw_uniform(keys, draw) for draw in range(draws)], axis=1)


@cache
def histories() -> Any:
    """120 histories of the simulated shop, with its catalogue, prices and a column that numbers the events."""
    world = Simulator(users=120, items=N_ITEMS, days=200, seed=5).build_world()
    rows = replace(world.histories, catalog=world.catalog())
    value = np.arange(1, rows.n_events + 1, dtype=np.float64)
    return replace(rows, extra={"value": value})


@cache
def table() -> Any:
    """240 labelled rows of three columns, some cells missing."""
    draws = numbers(240, "table", 5)
    price = np.round(8 * draws[:, 0] ** 2 * 64) / 64
    price[::7] = np.nan
    kinds = np.array(["mug", "bag", "kitchen", "outdoor", None], object)
    columns = {"price": price, "count": np.floor(9 * draws[:, 1]), "kind": kinds[(5 * draws[:, 2]).astype(int)]}
    keys = rng.mix_bits(np.arange(1, 241, dtype=np.uint64))
    return Samples.from_columns(
        columns, np.floor(1.3 * draws[:, 3]), keys, user_ids=keys[(40 * draws[:, 4]).astype(int)]
    )


@cache
def wordy() -> Any:
    """A catalogue whose words stand together and in each other's places."""
    texts = list(TITLES)
    for day in ("daily", "nightly", "weekly"):
        for mood in ("gentle", "warm", "elegant", "calming", "classic"):
            texts += [f"{mood} {thing} for every day {day}" for thing in ("towel", "lamp", "scarf", "gift")]
        texts += [f"{mood}棉质{thing} 送礼 {day}" for mood in ("柔软", "温暖", "时尚") for thing in ("毯子", "枕头")]
    brands = [*BRANDS, *[""] * (len(texts) - len(BRANDS))]
    category = np.array([0, *[1] * len(texts)], np.int32)
    return leaven.Catalog([str(n) for n in range(len(texts))], {"title": texts, "brand": brands}, category, ["home"])


@cache
def pixels() -> Any:
    """uint8 (12, 64, 64, 3): ten drawn products, noise, and one of a single colour."""
    drawn = [draw_image(n % 8, COLOURS[n % 4], n % 11, n) for n in range(10)]
    noise = (256 * numbers(64 * 64, "noise", 3)).astype(np.uint8).reshape(64, 64, 3)
    return np.stack([*drawn, noise, np.full((64, 64, 3), 90, np.uint8)])


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="leaven-", ignore_cleanup_errors=True)


@cache
def pictured() -> Any:
    """Twelve items without words, each with a picture in a file."""
    folder = Path(_folder().name)
    files = [f"{place}.png" for place in range(12)]
    for name, picture in zip(files, pixels(), strict=True):
        (folder / name).write_bytes(encode_png(picture))
    category = np.array([0, *[1, 2] * 6], np.int32)
    ids = [f"i{n:02d}" for n in range(12)]
    return leaven.Catalog(ids, {}, category, ["a", "b"], image_paths=files, image_folder=folder)


def row_keys(rows: Any) -> Any:
    """uint64 (rows,): one key a row."""
    return rng.derive_row_keys(rng.derive_key(SEED, "golden"), rows.row_ids)


def names(count: int) -> Any:
    """uint64 (count,): keys of values that have no keys of their own."""
    return rng.derive_row_keys(rng.derive_key(SEED, "golden"), rng.derive_user_ids([str(n) for n in range(count)]))


def full(count: int, strength: float = 1.0) -> Any:
    return np.full(count, strength, np.float32)


def _changing(train: Any, wish: Any, of: Callable[[Any], str]) -> dict[str, str]:
    """A transform of rows: by keys, by keys at 0.6 of its strength, as a step that adds, and as one of each epoch."""
    fitted, keys = wish.fit(train), row_keys(train)
    fresh = Plan([Step(wish, mode="in_place", when="each_epoch", p=0.5)])
    return {
        "keys": of(fitted(train, keys, full(len(train)))),
        "weaker": of(fitted(train, keys, full(len(train), 0.6))),
        "plan": of(expand(train, Plan([Step(wish)]), seed=SEED)),
        "epoch": of(build_epoch_rows(train, train, fresh, SEED)(2, 0.5)),
    }


def _generating(train: Any, wish: Any, of: Callable[[Any], str]) -> dict[str, str]:
    """A generator of rows: by keys, and as a step."""
    made = wish.fit(train, key=SEED).sample(names(60))
    return {"keys": of(made), "plan": of(expand(train, Plan([Step(wish)]), seed=SEED))}


def _viewed(catalog: Any, wish: Any) -> str:
    """All views that a step on items makes, and how the items are shown in an epoch of a step that replaces."""
    once = build_catalog_views(catalog, Plan([Step(wish)]), SEED)
    parts: list[Any] = []
    for column, items, _, after in once.iterate_views(once.steps[0], 0):
        parts += [column, np.asarray(items, np.int64), _values(after)]
    shown = once(2, 0.5)
    fresh = build_catalog_views(catalog, Plan([Step(wish, mode="in_place", when="each_epoch", p=0.5)]), SEED)(2, 0.5)
    for seen in (shown, fresh):
        parts += [{name: list(values) for name, values in seen.texts.items()}, seen.pixels]
    return digest(*parts)


def _values(values: Any) -> Any:
    """Texts as a list, pictures as one array."""
    return np.stack(values) if isinstance(values[0], np.ndarray) else list(values)


def transforms(kind: str) -> dict[str, str]:
    return _changing(histories(), registry.create_config("transforms", kind), of_histories)


def table_transforms(kind: str) -> dict[str, str]:
    return _changing(table(), registry.create_config("tabular_transforms", kind, TABLE_FIELDS.get(kind)), of_samples)


def text_transforms(kind: str) -> dict[str, str]:
    wish, texts = registry.create_config("text_transforms", kind), list(wordy().texts["title"])
    fitted = wish.fit(wordy())
    by_keys = [fitted(texts, names(len(texts)), full(len(texts), strength)) for strength in (1.0, 0.6)]
    return {"keys": digest(*by_keys), "plan": _viewed(wordy(), wish)}


def image_transforms(kind: str) -> dict[str, str]:
    wish, seen = (
        registry.create_config("image_transforms", kind),
        Images.from_pixels(pixels(), np.arange(1, 13, dtype=np.int32)),
    )
    fitted = wish.fit(pictured())
    by_keys = [fitted(seen, names(12), full(12, strength)).pixels for strength in (1.0, 0.6)]
    return {"keys": digest(*by_keys), "plan": _viewed(pictured(), wish)}


def generators(kind: str) -> dict[str, str]:
    return _generating(histories(), registry.create_config("generators", kind), of_histories)


def table_generators(kind: str) -> dict[str, str]:
    return _generating(table(), registry.create_config("tabular_generators", kind), of_samples)


def strategies(kind: str) -> dict[str, str]:
    wish, rows = registry.create_config("strategies", kind), histories()
    step = Step(registry.create_config("transforms", "crop"), copies=wish)
    return {"keys": digest(wish(rows, SEED)), "plan": of_histories(expand(rows, Plan([step]), seed=SEED))}


def table_strategies(kind: str) -> dict[str, str]:
    wish, rows = registry.create_config("tabular_strategies", kind), table()
    step = Step(registry.create_config("tabular_transforms", "noise"), copies=wish)
    return {"keys": digest(wish(rows, SEED)), "plan": of_samples(expand(rows, Plan([step]), seed=SEED))}


def schedules(kind: str) -> dict[str, str]:
    schedule = registry.create_config("schedules", kind)
    return {"values": digest(rounded([float(schedule(place / 20)) for place in range(21)]))}


@cache
def mixture() -> tuple[Any, Any]:
    """(real rows of a known chain, new rows: true ones, shuffled children of real rows, noise, and copies)."""
    real = simulate_first_order(60, rows=300, length=8, seed=1)[0]
    true = simulate_first_order(60, rows=360, length=8, seed=1)[0]
    lists = [true.row_items(row).tolist() for row in range(300, 360)]
    order = numbers(60, "order", 8)
    lists += [real.row_items(row)[np.argsort(order[row])].tolist() for row in range(60)]
    drawn = 1 + (60 * numbers(60, "drawn", 8)).astype(int)
    lists += [row[: 1 + place % 8].tolist() for place, row in enumerate(drawn)]
    lists += [real.row_items(row).tolist() for row in range(20)]
    new = leaven.Histories.from_lists(
        lists, 60, row_ids=rng.derive_user_ids([f"new{n}" for n in range(len(lists))]).tolist()
    )
    parents = np.zeros(len(lists), np.uint64)
    parents[60:120] = real.row_ids[:60]
    return real, replace(new, parents=parents, origin=np.ones(len(lists), np.int16))


def filters(kind: str) -> dict[str, str]:
    wish, (real, new) = registry.create_config("filters", kind), mixture()
    kept = wish.fit(real, SEED)(new)
    step = Step(registry.create_config("transforms", "substitute"), filters=(wish,))
    counts = sorted(int(count) for count in kept.rejected.values())
    planned = of_histories(expand(real, Plan([step]), seed=SEED))
    return {"keys": digest(np.asarray(kept.accepted), counts), "plan": planned}


def table_filters(kind: str) -> dict[str, str]:
    wish, rows = registry.create_config("tabular_filters", kind, TABLE_FIELDS.get(kind)), table()
    kept = wish.fit(rows, SEED)(rows)
    step = Step(registry.create_config("tabular_transforms", "noise"), filters=(wish,))
    counts = sorted(int(count) for count in kept.rejected.values())
    return {
        "keys": digest(np.asarray(kept.accepted), counts),
        "plan": of_samples(expand(rows, Plan([step]), seed=SEED)),
    }


def simulator(kind: str) -> dict[str, str]:
    """A world of each kind: what its users did, its items, and the two tables with typical dirt."""
    world = Simulator(users=60, items=N_ITEMS, days=200, seed=5, kind=kind).build_world()
    clean, dirty = world.build_log(), world.build_log(Corruption.typical())
    return {
        "histories": of_histories(world.histories),
        "clean": digest(of_table(clean.interactions), of_table(clean.items)),
        "dirty": digest(of_table(dirty.interactions), of_table(dirty.items)),
        "pictures": digest(pixels()),
    }


FAMILIES: dict[str, Callable[[str], dict[str, str]]] = {
    "transforms": transforms,
    "text_transforms": text_transforms,
    "image_transforms": image_transforms,
    "tabular_transforms": table_transforms,
    "strategies": strategies,
    "tabular_strategies": table_strategies,
    "schedules": schedules,
    "filters": filters,
    "tabular_filters": table_filters,
    "generators": generators,
    "tabular_generators": table_generators,
}
"""Family of the registry -> digests of one of its kinds."""


def cases() -> list[tuple[str, str]]:
    """(family, kind) of everything that has digests; worlds of the simulator are a family here."""
    found = [
        (family, kind)
        for family in FAMILIES
        for kind in registry.FAMILIES[family]
        if kind not in LEFT_OUT.get(family, ())
    ]
    return found + [("simulator", kind) for kind in ("shop", "video", "music", "social")]


def digests_of(family: str, kind: str) -> dict[str, str]:
    """What is drawn -> its digest."""
    with plain_opencv():
        return simulator(kind) if family == "simulator" else FAMILIES[family](kind)
