"""One plan changes histories and words together, and a recommender that reads items learns from both."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from leaven.config import load_spec
from leaven.errors import SpecError
from leaven.experiment import preview_variants, run
from leaven.report.html import render_report
from leaven.simulator import Corruption, Simulator

SPEC = """
name = "words"
[data]
interactions = "shop/interactions.csv"
columns = { user = "user_id", item = "item_id", time = "timestamp" }
items = "shop/items.csv"
item_columns = { item = "item_id", text = ["title"], category = "category", price = "price" }
[recommender]
kind = "multimodal"
encoders = ["tfidf", { kind = "attributes", price_weight = 0.2 }]
transformer = { kind = "transformer", width = 16, layers = 1, negatives = 32, batch_events = 256 }
consistency_weight = 0.1
[evaluate]
metrics = ["ndcg@5"]
seeds = 1
steps = 12
[[variant]]
name = "rows and words"
[[variant.step]]
use = "crop"
[[variant.step]]
use = "units"
columns = ["title"]
[[variant.step]]
use = "text.delete"
mode = "in_place"
when = "each_epoch"
p = 0.5
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    where = tmp_path_factory.mktemp("words")
    Simulator(users=150, items=40, days=200, seed=5).build_world().write_files(
        where / "shop", Corruption.typical(), images=False
    )
    (where / "spec.toml").write_text(SPEC)
    return where


def test_a_run_trains_on_views_keeps_them_by_item_and_shows_them(folder) -> None:
    done = run(load_spec(folder / "spec.toml"), folder / "run")
    facts = done.read_facts()
    variant = facts.get_variant("rows and words")
    assert [step.modality for step in variant.steps] == ["", "text", "text"]
    items = len(pq.read_table(folder / "run/data/catalog.parquet"))
    assert variant.steps[1].synthetic == items
    assert variant.synthetic_rows == variant.steps[0].synthetic
    table = pq.read_table(next((folder / "run").rglob("views/02-units.parquet")))
    assert table.num_rows == items
    fit = next(one for one in facts.trainings if one.variant == "rows and words").further
    assert set(fit["items_known_by"]) == {"text", "attributes"}
    page = render_report(facts)
    assert "Texts of items, step delete words" in page
    assert "multimodal" in (folder / "run/spec.toml").read_text()
    again = load_spec(folder / "run/spec.toml")
    assert again.recommender == load_spec(folder / "spec.toml").recommender


def test_a_preview_shows_texts_and_rows(folder, tmp_path) -> None:
    found = preview_variants(load_spec(folder / "spec.toml"), None, 6, tmp_path)["rows and words"]
    assert {one.step for one in found} == {"crop", "delete words"} | ({"units"} & {one.step for one in found})


def test_a_recommender_without_text_is_rejected_before_anything_is_read(folder) -> None:
    spec = load_spec(folder / "spec.toml", ["recommender={ kind = 'item_knn' }"])
    with pytest.raises(SpecError, match="multimodal"):
        run(spec, folder / "refused")
    assert not (folder / "refused").exists()
