"""Digests of what the expansion stage writes for three specs on small simulated shops.

The columns of the Parquet files are digested, not their bytes, which depend on the version of pyarrow.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow.parquet as pq
from tests.golden.digest import digest, of_table, plain_opencv

from leaven.config import load_spec
from leaven.datasets.log_names import NAMES_FILE
from leaven.experiment import expand_variant
from leaven.simulator import Corruption, Simulator

DATA = """
name = "golden"
[data]
interactions = "shop/interactions.csv"
columns = { user = "user_id", item = "item_id", time = "timestamp", price = "price", quantity = "quantity" }
items = "shop/items.csv"
"""
HISTORIES = """
item_columns = { item = "item_id", text = ["title"], category = "category", price = "price", born = "born" }
[recommender]
kind = "item_knn"
[evaluate]
metrics = ["ndcg@5"]
seeds = 1
[[variant]]
name = "golden"
combine = "layered"
[[variant.step]]
use = "crop"
[[variant.step]]
use = "markov"
copies = { kind = "balanced" }
[[variant.step]]
use = "windows"
input = "real"
[[variant.step]]
use = "mixup"
copies = { kind = "random" }
[[variant.step]]
use = "substitute"
name = "swapped"
input = "crop"
filters = ["validity", "copies"]
[[variant.step]]
use = "jitter"
mode = "in_place"
p = 0.5
"""
ITEMS = """
item_columns = { item = "item_id", text = ["title"], category = "category", image = "image" }
[recommender]
kind = "multimodal"
[evaluate]
metrics = ["ndcg@5"]
seeds = 1
[[variant]]
name = "golden"
[[variant.step]]
use = "reorder"
[[variant.step]]
use = "units"
[[variant.step]]
use = "misspell"
copies = { kind = "uniform", factor = 2 }
[[variant.step]]
use = "text.swap"
mode = "in_place"
p = 0.5
[[variant.step]]
use = "brightness"
guard = false
[[variant.step]]
use = "images.rotate"
mode = "in_place"
p = 0.5
[[variant.step]]
use = "cutmix"
"""
CLICKS = """
item_columns = { item = "item_id", category = "category", price = "price" }
[samples]
ratio = 3
max_positives = 300
[recommender]
kind = "popularity"
[evaluate]
seeds = 1
[[variant]]
name = "golden"
combine = "layered"
[[variant.step]]
use = "noise"
alpha = 2.0
clip_to_range = false
[[variant.step]]
use = "repeat"
copies = { kind = "balanced", towards = "category", max_copies = 2 }
[[variant.step]]
use = "swap_noise"
[[variant.step]]
use = "row_mixup"
[[variant.step]]
use = "marginals"
copies = { kind = "balanced", towards = "class" }
[[variant.step]]
use = "feature_mask"
mode = "in_place"
p = 0.5
"""
SPECS = {
    "histories": DATA + HISTORIES,
    "items": DATA + ITEMS,
    "clicks": 'task = "ctr"\n' + DATA + CLICKS,
}
"""Name -> spec with one arm, "golden"."""


def digests_of(name: str) -> dict[str, str]:
    """The data and the files of the arm's folder by name -> digest of their columns."""
    with tempfile.TemporaryDirectory() as scratch, plain_opencv():
        folder, pictures = Path(scratch), name == "items"
        world = Simulator(users=100, items=24 if pictures else 60, days=200, seed=5).build_world()
        world.write_files(folder / "shop", Corruption.typical(), images=pictures)
        (folder / "spec.toml").write_text(SPECS[name], encoding="utf-8")
        run = expand_variant(load_spec(folder / "spec.toml"), "golden", folder / "run")
        made = sorted(run.variant_folder("golden").rglob("*.parquet"))
        data = sorted(path for path in (folder / "run" / "data").rglob("*.parquet") if path.name != NAMES_FILE)
        found = {f"{path.parent.name}/{path.name}": of_table(pq.read_table(path)) for path in made}
        return found | {"data": digest([of_table(pq.read_table(path)) for path in data])}
