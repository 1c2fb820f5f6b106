"""Exports a simulated world as tables and files: interactions, items, images and the ground truth."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.errors import DataError
from leaven.simulator.corruption import (
    MISSING,
    Columns,
    Corruption,
    add_bots,
    add_stray_views,
    corrupt_lines,
    misspell_word,
)
from leaven.simulator.item_generation import SimulatedItems, draw_image, encode_png
from leaven.simulator.vocabulary import ADJECTIVES, BRANDS, COLORS, MATERIALS, Flavor

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, eq=False)
class SimulatedLog:
    """interactions: user_id, item_id, timestamp (ISO 8601, UTC), kind, quantity, and price if the world has prices.
    items: item_id, title, title_zh, description, description_zh, category, brand, born, image, and price.
    facts: users, items, lines, and the amount of each kind of corruption.
    """

    interactions: pa.Table
    items: pa.Table
    facts: dict[str, Any]


def list_user_ids(users: int) -> list[str]:
    """The ids of users: u000000, u000001 …"""
    return [f"u{user:06d}" for user in range(users)]


def list_item_ids(items: int) -> list[str]:
    """The ids of items 1, 2 …: i00001, i00002 …, padded to the width of the last one so that they sort by number."""
    width = max(5, len(str(items)))
    return [f"i{item:0{width}d}" for item in range(1, items + 1)]


def build_texts(table: SimulatedItems, flavor: Flavor) -> dict[str, Sequence[str]]:
    """title, title_zh, description, description_zh: one text per item each."""
    columns: dict[str, list[str]] = {"title": [], "title_zh": [], "description": [], "description_zh": []}
    for item in range(1, len(table.category)):
        category = flavor.categories[table.category[item]]
        english, chinese = (
            {
                "adjective": ADJECTIVES[table.adjective[item]][side],
                "color": COLORS[table.color[item]][side],
                "material": MATERIALS[table.material[item]][side],
                "thing": category.things[table.thing[item]][side],
                "brand": BRANDS[table.brand[item]],
                "category": category.name,
            }
            for side in (0, 1)
        )
        english["article"] = "An" if english["adjective"][0] in "aeiou" else "A"
        has_material = category.price > 0
        columns["title"].append(_format_title(english, " ", has_material))
        columns["title_zh"].append(_format_title(chinese, "", has_material))
        columns["description"].append(flavor.describe[0].format(**english))
        columns["description_zh"].append(flavor.describe[1].format(**chinese))
    return dict(columns)


def _format_title(parts: dict[str, str], separator: str, has_material: bool) -> str:
    names = ["adjective", "color", *(["material"] if has_material else []), "thing"]
    return parts["brand"] + " " + separator.join(parts[name] for name in names)


def build_log(
    histories: Histories, table: SimulatedItems, flavor: Flavor, corruption: Corruption, seed: int
) -> SimulatedLog:
    """The tables of a world, in time order, with corruption."""
    generator = rng.make_generator(rng.derive_key(seed, "log"))
    lines = _list_lines(histories, table, flavor, generator)
    lines, stray_facts = add_stray_views(lines, table.born, corruption.stray_views, generator)
    lines, bot_facts = add_bots(lines, len(histories), histories.n_items, corruption.bots, generator)
    n_clean = len(lines["time"])
    lines.pop("catalog_price", None)
    lines, facts = corrupt_lines(lines, corruption, generator)
    facts["before_release"] = _count_before_release(lines, table)
    items, item_facts = _build_item_table(table, flavor, corruption, generator)
    sizes = {"users": len(histories), "items": histories.n_items, "events": histories.n_events}
    known = (
        sizes
        | {"lines": len(lines["time"]), "lines_before_corruption": n_clean}
        | facts
        | bot_facts
        | stray_facts
        | item_facts
    )
    return SimulatedLog(
        _build_interactions(lines, len(histories) + bot_facts["bots"], histories.n_items, flavor), items, known
    )


def _list_lines(histories: Histories, table: SimulatedItems, flavor: Flavor, generator: np.random.Generator) -> Columns:
    """Every event as a line, in time order; the order of each user's events is kept."""
    order = np.argsort(histories.times, kind="stable")
    events = len(order)
    shares = np.array([share for _, share in flavor.kinds])
    kind = np.minimum(np.searchsorted(np.cumsum(shares), generator.random(events), side="right"), len(shares) - 1)
    bought = np.array([name == "purchase" for name, _ in flavor.kinds])[kind]
    return {
        "user": histories.event_rows()[order],
        "item": histories.items[order].astype(np.int64),
        "time": histories.times[order],
        "kind": kind,
        "quantity": np.where(bought, 1 + generator.geometric(0.7, events) - 1, 1),
        "price": table.price[histories.items[order]],
        "catalog_price": table.price,
    }


def _count_before_release(lines: Columns, table: SimulatedItems) -> int:
    """The number of lines of an item before its release: of bots, and of shuffled times."""
    known = (lines["item"] != MISSING) & (lines["time"] != MISSING)
    return int((lines["time"][known] < table.born[lines["item"][known]]).sum())


def _build_interactions(lines: Columns, users: int, items: int, flavor: Flavor) -> pa.Table:
    import pyarrow as pa

    kinds = [name for name, _ in flavor.kinds]
    missing_time = lines["time"] == MISSING
    stamps = np.datetime_as_string(lines["time"].astype("datetime64[s]"), timezone="UTC")
    columns = {
        "user_id": _decode(lines["user"], list_user_ids(users), 0),
        "item_id": _decode(lines["item"], list_item_ids(items), 1),
        "timestamp": pa.array(stamps, pa.string(), mask=missing_time),
        "kind": _decode(lines["kind"], kinds, 0),
        "quantity": pa.array(lines["quantity"].astype(np.int32)),
    }
    if not np.isnan(lines["price"]).all():
        columns["price"] = pa.array(np.round(lines["price"], 2))
    return pa.table(columns)


def _decode(codes: npt.NDArray[np.int64], names: list[str], first: int) -> pa.Array:
    """The names of codes, which count from `first`; null where missing."""
    import pyarrow as pa

    indices = pa.array(np.maximum(codes - first, 0), mask=codes == MISSING)
    return pa.array(names).take(indices)


def _build_item_table(
    table: SimulatedItems, flavor: Flavor, corruption: Corruption, generator: np.random.Generator
) -> tuple[pa.Table, dict[str, int]]:
    import pyarrow as pa

    items = len(table.category) - 1
    names = [flavor.categories[code].name for code in table.category[1:]]
    wrong = generator.permutation(items)[: int(corruption.misspelled_categories * items)]
    for item in wrong:
        names[item] = misspell_word(names[item], generator)
    texts = {name: list(column) for name, column in build_texts(table, flavor).items()}
    blank = generator.permutation(items)[: int(corruption.missing_descriptions * items)]
    for item in blank:
        texts["description"][item] = ""
    ids = list_item_ids(items)
    columns: dict[str, object] = {"item_id": ids, **texts, "category": names}
    columns["brand"] = [BRANDS[code] for code in table.brand[1:]]
    if not np.isnan(table.price[1:]).all():
        columns["price"] = table.price[1:]
    columns["born"] = pa.array(np.datetime_as_string(table.born[1:].astype("datetime64[s]"), timezone="UTC"))
    columns["image"] = [f"images/{name}.png" for name in ids]
    return pa.table(columns), {"misspelled_categories": len(wrong), "missing_descriptions": len(blank)}


def write_log(
    log: SimulatedLog, table: SimulatedItems, folder: Path, truth: Mapping[str, object], images: bool
) -> None:
    """Writes the folder atomically. Without images, the items have no image column."""
    import pyarrow.csv as csv

    others = folder.exists() and any(folder.iterdir() if folder.is_dir() else [folder])
    if others and not (folder / "truth.json").exists():
        raise DataError(str(folder), "a new or empty folder", "other files", "name another folder")
    part = folder.with_name(folder.name + ".part")
    if part.exists():
        shutil.rmtree(part)
    part.mkdir(parents=True)
    csv.write_csv(log.interactions, part / "interactions.csv")
    csv.write_csv(log.items if images else log.items.drop_columns(["image"]), part / "items.csv")
    if images:
        (part / "images").mkdir()
        for item, name in enumerate(list_item_ids(len(table.category) - 1), 1):
            (part / "images" / f"{name}.png").write_bytes(encode_png(draw_item_image(table, item)))
    (part / "truth.json").write_text(json.dumps(truth, indent=2) + "\n")
    if folder.exists():
        shutil.rmtree(folder)
    part.rename(folder)


def draw_item_image(table: SimulatedItems, item: int) -> npt.NDArray[np.uint8]:
    """uint8 (64, 64, 3): the image of an item."""
    color = COLORS[table.color[item]][2]
    return draw_image(int(table.category[item]), color, int(table.brand[item]), item)
