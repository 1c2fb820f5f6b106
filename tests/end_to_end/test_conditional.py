"""A plan that steers itself, on a tiny simulated shop, from a spec to a page; what cannot be steered says so."""

import json
from pathlib import Path

import pytest

from leaven.config import load_spec
from leaven.errors import DataError, SpecError
from leaven.experiment import run
from leaven.experiment.adaptive_training import describe_decisions
from leaven.simulator import Corruption, Simulator

SPEC = """
name = "steered"
[data]
interactions = "shop/interactions.csv"
columns = { user = "user_id", item = "item_id", time = "timestamp" }
[split]
control_share = 0.2
[recommender]
kind = "transformer"
width = 16
layers = 1
dropout = 0.0
batch_events = 128
n_validations = 10
[evaluate]
metrics = ["ndcg@5"]
seeds = 1
steps = 60
[[variant]]
name = "conditional"
combine = "conditional"
controller = { kind = "gap", rate = 0.5, dead_band = 0.0, smoothing = 0.0 }
[[variant.step]]
use = "drop"
mode = "in_place"
when = "each_epoch"
[[variant]]
name = "dynamic"
rounds = 2
[[variant.step]]
use = "markov"
when = "each_round"
[[variant.step]]
use = "crop"
when = "each_epoch"
during = [0.0, 0.5]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    where = tmp_path_factory.mktemp("steered")
    Simulator(users=300, items=60, days=200, seed=5).build_world().write_files(
        where / "shop", Corruption.typical(), images=False
    )
    (where / "spec.toml").write_text(SPEC)
    return where


@pytest.fixture(scope="module")
def done(folder):
    return run(load_spec(folder / "spec.toml"), folder / "run")


def test_every_validation_is_a_decision_in_the_folder_the_facts_and_the_page(done) -> None:
    facts = done.read_facts()
    kept = json.loads((done.path / "variants/conditional/seed-1/decisions.json").read_text())
    assert [row["step"] for row in kept] == [6, 12, 18, 24, 30, 36, 42, 48, 54, 60]
    assert facts.decisions == describe_decisions(kept, "conditional", 1)
    assert all({"step", "signals", "decision", "why"} <= set(row) for row in kept)
    assert kept[0]["signals"]["excess"] == 0.0  # until it augments, it is the pilot
    assert kept[-1]["decision"]["strength"] == [0.0]
    assert any(row["decision"]["strength"][0] > 0 for row in kept)
    assert "Decisions of controllers" in (done.path / "report.html").read_text()


def test_the_cost_includes_the_steps_of_the_pilot(done) -> None:
    cost = done.read_facts().cost
    assert cost.pilot_steps == 18
    assert cost.seconds["pilots"] > 0


def test_facts_list_rounds_and_stages_by_step(done) -> None:
    markov, crop = done.read_facts().get_variant("dynamic").steps
    assert len(markov.rounds) == 2
    assert markov.synthetic == sum(markov.rounds) > 0
    assert crop.synthetic > 0


def test_killed_in_its_pilot_and_in_mid_training_it_ends_with_the_same_bytes_and_decisions(
    done, folder, tmp_path
) -> None:
    class Killed(Exception):
        pass

    def at(place: str, step: int):
        def tell(done: int, total: int, words: str) -> None:
            if words.startswith("conditional, seed 1") and ("pilot" in words) == (place == "pilot") and done >= step:
                raise Killed

        return tell

    (folder / "alone.toml").write_text(SPEC[: SPEC.index('[[variant]]\nname = "dynamic"')])
    spec = load_spec(folder / "alone.toml")
    for place, step in (("pilot", 12), ("arm", 36)):
        with pytest.raises(Killed):
            run(spec, tmp_path / "run", resume=True, on_progress=at(place, step))
    again = run(spec, tmp_path / "run", resume=True)
    for name in ("decisions.json", "model/transformer.safetensors"):
        path = f"variants/conditional/seed-1/{name}"
        assert (again.path / path).read_bytes() == (done.path / path).read_bytes()
    assert again.read_facts().cost.pilot_steps == 18


def test_a_replay_of_the_log_trains_the_same_net(done, folder) -> None:
    """Open loop with the recorded schedule: the same rows at the same steps from the same start."""
    log = done.path / "variants/conditional/seed-1/decisions.json"
    text = SPEC.replace(
        '{ kind = "gap", rate = 0.5, dead_band = 0.0, smoothing = 0.0 }', f'{{ kind = "replay", log = "{log}" }}'
    )
    text = text[: text.index('[[variant]]\nname = "dynamic"')]
    (folder / "replay.toml").write_text(text)
    again = run(load_spec(folder / "replay.toml"), folder / "replayed")
    weights = "variants/conditional/seed-1/model/transformer.safetensors"
    assert (again.path / weights).read_bytes() == (done.path / weights).read_bytes()
    assert again.read_facts().cost.pilot_steps == 0


def test_a_recommender_without_epochs_gets_constant_strength_and_the_facts_report_it(folder, tmp_path) -> None:
    text = SPEC[: SPEC.index('[[variant]]\nname = "dynamic"')]
    start, end = text.index("[recommender]"), text.index("[evaluate]")
    text = text[:start] + '[recommender]\nkind = "item_knn"\n' + text[end:].replace("steps = 60\n", "")
    (folder / "knn.toml").write_text(text)
    facts = run(load_spec(folder / "knn.toml"), tmp_path / "run").read_facts()
    assert [row.reason.split(":")[0] for row in facts.decisions] == ["constant strength"]
    assert facts.comparison.means["conditional"] != facts.comparison.means["baseline"]


def test_what_a_split_or_a_recommender_cannot_give_is_refused_before_any_training(folder, tmp_path) -> None:
    with pytest.raises(DataError, match=r"control_share = 0\.05"):
        run(load_spec(folder / "spec.toml", ["split.control_share=0.0"]), tmp_path / "one")
    text = SPEC.replace("during = [0.0, 0.5]", "during = [0.6, 1.0]")
    start, end = text.index("[recommender]"), text.index("[evaluate]")
    (folder / "late.toml").write_text(text[:start] + '[recommender]\nkind = "popularity"\n' + text[end:])
    late = load_spec(folder / "late.toml")
    with pytest.raises(SpecError, match="during"):
        run(late, tmp_path / "two")
    assert not list(tmp_path.glob("*/variants/*/seed-*"))
