"""Test-time augmentation by one field of [evaluate]: other lists, the same trainings, its cost among the facts."""

import tomllib

import numpy as np

from leaven.config import load_spec, parse_spec
from leaven.experiment import run
from leaven.report.html import render_report
from leaven.simulator import Corruption, Simulator

SPEC = """
[data]
interactions = "shop/interactions.csv"
columns = { user = "user_id", item = "item_id", time = "timestamp" }
[recommender]
kind = "item_knn"
[evaluate]
metrics = ["ndcg@5"]
seeds = 1
[[variant]]
name = "crop"
[[variant.step]]
use = "crop"
"""


def test_views_change_the_lists_and_nothing_else(tmp_path) -> None:
    Simulator(users=200, items=60, days=200, seed=5).build_world().write_files(
        tmp_path / "shop", Corruption.typical(), images=False
    )
    path = tmp_path / "spec.toml"
    path.write_text(SPEC)
    plain = run(load_spec(path), tmp_path / "plain")
    seen = run(load_spec(path, ["evaluate.views=4"]), tmp_path / "seen")
    model = "variants/baseline/seed-1/model"
    for one in (plain.path / model).iterdir():
        assert one.read_bytes() == (seen.path / model / one.name).read_bytes()
    values = [np.load(one.path / "variants/baseline/seed-1/values.npz")["ndcg@5"] for one in (plain, seen)]
    assert (values[0] != values[1]).any()
    cost = seen.read_facts().cost
    assert cost.test_views == 4
    assert cost.seconds["evaluate"] > 0
    assert "views of each test history" in render_report(seen.read_facts()).lower()
    assert plain.read_facts().cost.test_views == 1
    kept = (seen.path / "spec.toml").read_text()
    assert tomllib.loads(kept)["evaluate"]["view"]["use"] == "drop"
    assert parse_spec(kept).evaluate == load_spec(path, ["evaluate.views=4"]).evaluate
