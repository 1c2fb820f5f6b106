"""Is the dirt in the log exactly as much as the facts say?"""

import json
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from leaven.errors import DataError, SpecError
from leaven.simulator import Corruption, Simulator, World
from leaven.simulator.item_generation import draw_image, encode_png
from leaven.simulator.vocabulary import FLAVORS

DIRT = Corruption(0.02, 0.01, 0.03, 0.02, 0.04, 0.02, 0.01, 0.1, 0.05)


@pytest.fixture(scope="module")
def world() -> World:
    return Simulator(users=300, items=120, days=200, seed=9).build_world()


def test_a_log_without_corruption_equals_the_world(world: World) -> None:
    log = world.build_log()
    lines = log.interactions.to_pandas().sort_values("user_id", kind="stable")
    items = [world.catalog().ids[item - 1] for item in world.histories.items]
    assert lines["item_id"].tolist() == items
    assert not lines.duplicated().any()
    assert all(log.facts[name] == 0 for name in ("missing_user", "duplicates", "bots", "before_release"))


def test_every_kind_of_corruption_is_counted_exactly(world: World) -> None:
    log, clean = world.build_log(DIRT), world.build_log()
    lines, items, facts = log.interactions.to_pandas(), log.items.to_pandas(), log.facts
    assert len(lines) == facts["lines"] == facts["lines_before_corruption"] + facts["duplicates_planted"]
    assert facts["lines_before_corruption"] == world.histories.n_events + facts["bot_lines"]
    for name, column in (("user", "user_id"), ("item", "item_id"), ("time", "timestamp")):
        assert lines[column].isna().sum() == facts[f"missing_{name}"] > 0
    assert lines.duplicated().sum() == facts["duplicates"] >= facts["duplicates_planted"] > 100
    assert ((lines["price"] < 0) | (lines["price"] > 10_000)).sum() == facts["price_outliers"] > 0
    bots = [f"u{user:06d}" for user in range(300, 300 + facts["bots"])]
    with_dirt = lines["user_id"].isin(bots).sum()
    assert facts["bots"] == 3
    assert 0.9 * facts["bot_lines"] < with_dirt < 1.1 * facts["bot_lines"]
    known = {category.name for category in FLAVORS["shop"].categories}
    assert (~items["category"].isin(known)).sum() == facts["misspelled_categories"] == 12
    assert (items["description"] == "").sum() == facts["missing_descriptions"] == 6
    assert (items["category"] != clean.items.to_pandas()["category"]).sum() == facts["misspelled_categories"]


def test_shuffled_times_are_counted_and_no_time_is_lost(world: World) -> None:
    clean = world.build_log().interactions.to_pandas()["timestamp"]
    log = world.build_log(Corruption(shuffled_times=0.2))
    times = log.interactions.to_pandas()["timestamp"]
    assert (times != clean).sum() == log.facts["shuffled_times"] > 100
    assert sorted(times) == sorted(clean)
    born = dict(zip(log.items["item_id"].to_pylist(), log.items["born"].to_pylist(), strict=True))
    early = times < log.interactions.to_pandas()["item_id"].map(born)
    assert early.sum() == log.facts["before_release"] > 0


def test_a_share_out_of_bounds_is_an_error() -> None:
    with pytest.raises(SpecError, match=r"corruption\.duplicates"):
        Corruption(duplicates=1.5)
    with pytest.raises(SpecError, match="at most 1"):
        Corruption(missing_user=0.6, missing_item=0.6)


def test_the_folder_is_complete_and_reproducible(world: World, tmp_path: Path) -> None:
    facts = world.write_files(tmp_path / "a", DIRT)
    world.simulator.build_world().write_files(tmp_path / "b", DIRT)
    names = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file())
    assert len(names) == 3 + 120
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in names)
    truth = json.loads((tmp_path / "a" / "truth.json").read_text())
    assert truth["facts"] == facts
    assert Simulator(**truth["shop"]) == world.simulator
    assert len(pd.read_csv(tmp_path / "a" / "interactions.csv")) == facts["lines"]
    items = pd.read_csv(tmp_path / "a" / "items.csv")
    assert all((tmp_path / "a" / image).exists() for image in items["image"])
    assert not list(tmp_path.glob("*.part"))


def test_without_images_items_have_no_image_column(world: World, tmp_path: Path) -> None:
    world.write_files(tmp_path / "a", images=False)
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["interactions.csv", "items.csv", "truth.json"]
    assert "image" not in pd.read_csv(tmp_path / "a" / "items.csv")


def test_a_folder_with_other_files_is_not_changed(world: World, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(DataError, match="name another folder"):
        world.write_files(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_titles_are_in_both_languages_and_contain_the_item_name(world: World) -> None:
    item = world.build_log().items.slice(0, 1).to_pylist()[0]
    assert item["brand"] in item["title"]
    assert any("\u4e00" <= letter <= "\u9fff" for letter in item["title_zh"])
    assert item["category"] in item["description"]


def test_worlds_without_prices_have_no_price_column() -> None:
    log = Simulator(users=20, items=40, days=50, kind="video").build_world().build_log(Corruption(price_outliers=0.1))
    assert "price" not in log.interactions.column_names
    assert log.facts["price_outliers"] == 0


def test_a_png_decodes_to_the_image() -> None:
    picture = draw_image(3, (200, 30, 30), brand=5, variant=2)
    data = encode_png(picture)
    body = data[data.index(b"IDAT") + 4 : data.index(b"IEND") - 8]
    rows = np.frombuffer(zlib.decompress(body), np.uint8).reshape(64, 1 + 64 * 3)
    assert data.startswith(b"\x89PNG")
    np.testing.assert_array_equal(rows[:, 1:].reshape(64, 64, 3), picture)


def test_categories_and_brands_look_different() -> None:
    shapes = {draw_image(shape, (200, 30, 30), 0, 0).tobytes() for shape in range(16)}
    brands = {draw_image(0, (200, 30, 30), brand, 0).tobytes() for brand in range(16)}
    assert (len(shapes), len(brands)) == (16, 16)
