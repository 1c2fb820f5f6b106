"""Trackers see a run, and can neither block nor fail it."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from leaven.config import parse_spec
from leaven.experiment import run
from leaven.run_folder import RunFolder
from leaven.simulator import Corruption, Simulator
from leaven.tracking.background import RunTracking
from leaven.tracking.contract import StageEnd

SPEC = """
name = "tracked"
[data]
interactions = "shop/interactions.csv"
columns = { user = "user_id", item = "item_id", time = "timestamp" }
[recommender]
kind = "popularity"
[evaluate]
metrics = ["ndcg@5"]
seeds = 1
[[variant]]
name = "crop"
[[variant.step]]
use = "crop"
"""
CALLS: list[object] = []


def record(facts: object) -> None:
    CALLS.append(facts)


class Recorder:
    """Keeps the facts of all calls; `error` is raised in each."""

    def __init__(self, error: Exception | None = None) -> None:
        self.facts, self.error = [], error

    def on_run_start(self, facts) -> None:
        self.facts.append(facts)
        if self.error:
            raise self.error

    on_stage = on_validation = on_run_end = on_run_start


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Path:
    where = tmp_path_factory.mktemp("tracked")
    Simulator(users=120, items=60, days=120, seed=4).build_world().write_files(
        where / "shop", Corruption.typical(), images=False
    )
    return where


def test_a_tracker_sees_start_stages_and_end(shop, tmp_path) -> None:
    tracker = Recorder()
    run(replace(parse_spec(SPEC, shop), tracking=tracker), tmp_path / "run")
    kinds = [type(one).__name__ for one in tracker.facts]
    assert kinds[0] == "RunStart"
    assert kinds[-1] == "RunEnd"
    assert tracker.facts[0].settings["variant.1.name"] == "crop"
    assert any(isinstance(one, StageEnd) and one.stage == "rows crop" for one in tracker.facts)
    assert "crop/ndcg@5" in tracker.facts[-1].metrics
    assert {path.name for path in tracker.facts[-1].artifacts} == {"spec.toml", "facts.json", "report.html"}


def test_a_spec_names_a_function(shop, tmp_path) -> None:
    CALLS.clear()
    table = f'[tracking]\nkind = "function"\nfunction = "{__name__}:record"\n'
    spec = parse_spec(SPEC.replace("[recommender]", table + "[recommender]"), shop)
    assert spec.tracking.function == f"{__name__}:record"


def test_errors_of_a_tracker_are_one_warning_and_the_run_ends(shop, tmp_path, capsys) -> None:
    folder = run(replace(parse_spec(SPEC, shop), tracking=Recorder(ConnectionError("down"))), tmp_path / "run")
    assert isinstance(folder, RunFolder)
    assert (folder.path / "facts.json").exists()
    assert capsys.readouterr().err.count("warning: tracking with Recorder ConnectionError: down") == 1


def test_a_tracker_that_hangs_blocks_nothing(capsys) -> None:
    class Hanging(Recorder):
        def on_stage(self, facts) -> None:
            time.sleep(5)

    start = time.perf_counter()
    tracking = RunTracking(Hanging(), queue_size=3)
    for _ in range(50):
        tracking.notify("on_stage", StageEnd("x", 1.0))
    tracking.close(seconds=0.2)
    assert time.perf_counter() - start < 2
    assert "calls were dropped" in capsys.readouterr().err
