"""Test-time augmentation by one field of [evaluate]: other lists, the same trainings, its cost among the facts."""

import tomllib

import numpy as np

from leaven.config import load, parse
from leaven.experiment import run
from leaven.report.html import render
from leaven.simulator import Dirt, Shop

SPEC = """
[data]
interactions = "shop/interactions.csv"
columns = { user = "user_id", item = "item_id", time = "timestamp" }
[recommender]
kind = "itemknn"
[evaluate]
metrics = ["ndcg@5"]
seeds = 1
"""


def test_views_change_the_lists_and_nothing_else(tmp_path) -> None:
    Shop(users=200, items=60, days=200, seed=5).open().write(tmp_path / "shop", Dirt.typical(), pictures=False)
    path = tmp_path / "spec.toml"
    path.write_text(SPEC)
    plain = run(load(path), tmp_path / "plain")
    seen = run(load(path, ["evaluate.views=4"]), tmp_path / "seen")
    model = "arms/baseline/seed-1/model"
    for one in (plain.folder / model).iterdir():
        assert one.read_bytes() == (seen.folder / model / one.name).read_bytes()
    values = [np.load(one.folder / "arms/baseline/seed-1/values.npz")["ndcg@5"] for one in (plain, seen)]
    assert (values[0] != values[1]).any()
    cost = seen.facts()["cost"]
    assert cost["views_of_each_test_history"] == 4
    assert cost["seconds"]["judge"] > 0
    assert "views of each test history" in render(seen.facts()).lower()
    assert "views_of_each_test_history" not in plain.facts()["cost"]
    kept = (seen.folder / "spec.toml").read_text()
    assert tomllib.loads(kept)["evaluate"]["view"]["use"] == "drop"
    assert parse(kept).evaluate == load(path, ["evaluate.views=4"]).evaluate
