"""A small source with everything that exports have to carry."""

import numpy as np
import pyarrow as pa

from leaven.exports import ExportSource, build_source

ITEM_NAMES = ["mug", "bag", "tea", "cup", "jam", "ink", "pen", "hat"]


def build_events(n_users: int, seed: int, part: str, clock: bool = True) -> pa.Table:
    """Real rows of every user, and a synthetic row of every third, with weight 0.5 and unknown values."""
    random, rows = np.random.default_rng(seed), []
    for user in range(n_users):
        for is_synthetic in [False, True] if part == "train" and user % 3 == 0 else [False]:
            items = random.permutation(len(ITEM_NAMES))[: random.integers(3, 7)]
            times = np.sort(random.integers(1_600_000_000_000_000_000, 1_700_000_000_000_000_000, len(items)))
            for place, (item, time) in enumerate(zip(items, times, strict=True)):
                is_last = place == len(items) - 1
                rows.append(
                    {
                        "user": f"u{user}+crop.1" if is_synthetic else f"u{user}",
                        "item": ITEM_NAMES[item],
                        "time": int(time),
                        "kind": None if is_synthetic else ["View", "Purchase"][place % 2],
                        "value": None if is_synthetic else float(1 + place % 5),
                        "quantity": None if is_synthetic else float(place),
                        "price": None if is_synthetic else 1.25 * (1 + int(item)),
                        "position": place,
                        "is_target": place > 0 if part == "train" else is_last,
                        "origin": "synthetic" if is_synthetic else "real",
                        "step": "crop" if is_synthetic else None,
                        "parent": f"u{user}" if is_synthetic else None,
                        "weight": 0.5 if is_synthetic else 1.0,
                    }
                )
    table = pa.Table.from_pylist(rows)
    return table.set_column(2, "time", table["time"].cast(pa.timestamp("ns", "UTC"))) if clock else table


def build_items() -> pa.Table:
    """One row per item, with one more than the events name."""
    names = [*ITEM_NAMES, "new"]
    return pa.table(
        {
            "item": names,
            "title": [f"A {name}, fine: «{name}» | x=1" for name in names],
            "category": ["home & garden", "fashion"] * 4 + [None],
            "price": [1.25 * (1 + place) for place in range(8)] + [None],
        }
    )


def build_users(n_users: int) -> pa.Table:
    return pa.table({"user": [f"u{user}" for user in range(n_users)], "country": (["NL", "BE"] * n_users)[:n_users]})


def build_example(n_users: int = 60, seed: int = 1) -> ExportSource:
    """Events of three parts, items, users, views of items."""
    views = {"item": ["mug"], "step": ["synonyms"], "copy": [0], "column": ["title"], "text": ["A beaker"]}
    return build_source(
        build_events(n_users, seed, "train"),
        build_events(n_users // 3, seed + 1, "valid"),
        build_events(n_users // 3, seed + 2, "test"),
        build_items(),
        build_users(n_users),
        pa.table(views | {"image": pa.array([None], pa.binary())}),
        {"log": "example"},
    )


def build_samples(rows: int = 200) -> ExportSource:
    """Labeled rows without users and items."""
    random = np.random.default_rng(3)

    def build_part(size: int) -> pa.Table:
        return pa.table(
            {
                "label": random.integers(0, 2, size).astype(float),
                "hour": pa.array([None if one % 7 == 0 else float(one % 24) for one in range(size)]),
                "device": ["a phone", "tab:let", None, "50%|off"] * (size // 4),
                "origin": ["real"] * (size - 4) + ["synthetic"] * 4,
                "weight": np.where(np.arange(size) < size - 4, 1.0, 0.25),
            }
        )

    return build_source(build_part(rows), build_part(rows // 2), build_part(rows // 2))
