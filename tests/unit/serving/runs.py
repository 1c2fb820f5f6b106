"""Small run folders with a trained recommender, written without a run."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import Histories
from leaven.experiment.split_storage import save_catalog
from leaven.protocols import TrainingContext
from leaven.registry import find_kind
from leaven.rng import derive_user_ids
from leaven.run_folder import write_json, write_text
from leaven.simulator import simulate_first_order

N_ITEMS = 30
USERS = [f"user-{number}" for number in range(120)]
CATEGORIES = ("soap", "lamp", "towel")


def build_catalog() -> Catalog:
    """30 items of three categories; odd items have another color than even ones."""
    codes = np.array([0] + [1 + item % 3 for item in range(N_ITEMS)], np.int32)
    titles = [f"{('red', 'blue')[item % 2]} {CATEGORIES[item % 3]} {item % 7}" for item in range(N_ITEMS)]
    ids = [f"i{item:02d}" for item in range(N_ITEMS)]
    return Catalog(ids, {"title": titles}, category=codes, categories=CATEGORIES)


def build_histories() -> Histories:
    """Histories in which the next item follows from the last one; the last item of the catalog never occurs."""
    rows, _ = simulate_first_order(N_ITEMS - 1, len(USERS), 8, seed=3)
    known = Histories.from_arrays(rows.items, rows.times, rows.starts, derive_user_ids(USERS), N_ITEMS)
    return replace(known, catalog=build_catalog())


def write_run(folder: Path, recommender: Any, steps: int | None = None, variant: str = "baseline") -> Path:
    """A run folder with one trained variant."""
    histories = build_histories()
    write_json(folder / "lock.json", {})
    kind = find_kind("recommenders", recommender)
    write_text(
        folder / "spec.toml", f'name = "shop"\n[data]\ninteractions = "log.csv"\n[recommender]\nkind = "{kind}"\n'
    )
    (folder / "data").mkdir()
    save_catalog(build_catalog(), folder / "data" / "catalog.parquet")
    histories.to_parquet(folder / "data" / "train.parquet", ids="internal")
    fitted = recommender.fit(histories, TrainingContext(key=1, steps=steps))
    fitted.save(folder / "variants" / variant / "seed-1" / "model")
    return folder
