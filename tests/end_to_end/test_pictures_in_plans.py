"""One plan changes histories, words and pictures, linked by item, and a recommender that reads all three learns."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from leaven.config import load_spec
from leaven.datasets.images import decode_image
from leaven.errors import SpecError
from leaven.experiment import preview_variants, run
from leaven.facts import VariantFacts
from leaven.report.html import render_report
from leaven.simulator import Corruption, Simulator

pytest.importorskip("cv2")
SPEC = """
name = "pictures"
[data]
interactions = "shop/interactions.csv"
columns = { user = "user_id", item = "item_id", time = "timestamp" }
items = "shop/items.csv"
item_columns = { item = "item_id", text = ["title"], category = "category", image = "image" }
[recommender]
kind = "multimodal"
encoders = ["tfidf", { kind = "image_classifier", size = 32, widths = [8, 16], steps = 20, cache = "kept" }]
transformer = { kind = "transformer", width = 16, layers = 1, negatives = 32, batch_events = 256 }
consistency_weight = 0.1
[evaluate]
metrics = ["ndcg@5"]
seeds = 1
steps = 12
[[variant]]
name = "rows, words and pictures"
[[variant.step]]
use = "crop"
[[variant.step]]
use = "units"
[[variant.step]]
use = "brightness"
guard = false
[[variant.step]]
use = "images.rotate"
mode = "in_place"
when = "each_epoch"
p = 0.5
[[variant.step]]
use = "images.vae"
steps = 3
width = 8
noise = 4
batch = 8
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    where = tmp_path_factory.mktemp("pictures")
    Simulator(users=150, items=40, days=200, seed=5).build_world().write_files(
        where / "shop", Corruption.typical(), images=True
    )
    (where / "shop/images/i00007.png").write_bytes(b"no picture")
    (where / "spec.toml").write_text(SPEC)
    return where


@pytest.fixture(scope="module")
def done(folder):
    return run(load_spec(folder / "spec.toml"), folder / "run")


def variant_of(done) -> VariantFacts:
    return done.read_facts().get_variant("rows, words and pictures")


def test_steps_on_three_things_stand_in_one_plan_and_each_is_counted(done, folder) -> None:
    steps = variant_of(done).steps
    assert [step.modality for step in steps] == ["", "text", "images", "images", "images"]
    items = len(pq.read_table(folder / "run/data/catalog.parquet"))
    assert steps[1].synthetic == items
    assert steps[2].synthetic == steps[4].synthetic == items - 1  # the broken file
    assert sum(files.count for files in steps[2].unreadable.values()) == 1
    assert variant_of(done).synthetic_rows == steps[0].synthetic


def test_the_recommender_reads_words_and_pictures_and_tells_what_it_could_not_read(done, folder) -> None:
    fit = next(one for one in done.read_facts().trainings if one.variant == "rows, words and pictures").further
    items = len(pq.read_table(folder / "run/data/catalog.parquet"))
    assert fit["items_known_by"] == {"text": 1.0, "images": round((items - 1) / items, 4)}
    assert list(fit["pictures_unread"].values()) == [1]
    assert list((folder / "kept").rglob("*.safetensors"))  # relative to the spec


def test_views_are_kept_by_item_as_jpeg_and_shown_with_their_nearest_real_neighbour(done, folder) -> None:
    table = pq.read_table(next((folder / "run").rglob("views/03-brightness.parquet")))
    assert table.column_names == ["item", "column", "copy", "jpeg"]
    first = decode_image(table.column("jpeg")[0].as_py())
    assert first.shape == (32, 32, 3)
    assert "i00007" not in table.column("item").to_pylist()
    page = render_report(done.read_facts())
    assert "Images of items, step brightness:" in page
    assert "nearest real image" in page
    assert page.count('<img src="data:image/png;base64,') > 10
    assert "http" not in page.split("<img", 1)[1].split(">", 1)[0]


def test_a_generator_is_fitted_once_for_all_trainings_of_a_variant(done, folder) -> None:
    (kept,) = (folder / "run").rglob("views/learned-*/mark")
    before = kept.stat().st_mtime_ns
    run(load_spec(folder / "spec.toml", ["evaluate.seeds=2"]), folder / "run", resume=True)
    assert kept.stat().st_mtime_ns == before


def test_the_resolved_spec_gives_the_same_variants(done, folder) -> None:
    assert load_spec(folder / "run/spec.toml").variants == load_spec(folder / "spec.toml").variants


def test_a_preview_tells_of_pictures_too(folder, tmp_path) -> None:
    found = preview_variants(load_spec(folder / "spec.toml"), None, 6, tmp_path)["rows, words and pictures"]
    assert any("levels" in one.after[0] for one in found if one.step == "brightness")


def test_a_recommender_that_reads_no_pictures_is_refused_before_anything_is_read(folder) -> None:
    spec = load_spec(folder / "spec.toml", ['recommender.encoders=["tfidf"]'])
    with pytest.raises(SpecError, match="encoder of images"):
        run(spec, folder / "refused")
    assert not (folder / "refused").exists()
