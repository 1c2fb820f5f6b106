"""A run of clicks that steers itself, whose rows are judged, traced and erased."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from leaven.config import load_spec
from leaven.datasets.samples import Samples
from leaven.errors import DataError
from leaven.experiment import run
from leaven.experiment.adaptive_training import describe_decisions
from leaven.provenance import erase_users, trace_lineage
from leaven.quality import evaluate_quality
from leaven.quality.run_quality import RunQuality
from leaven.simulator import Simulator
from leaven.sweeps import run_sweep

SPEC = """
task = "ctr"
[data]
interactions = "shop/interactions.csv"
columns = { user = "user_id", item = "item_id", time = "timestamp", price = "price" }
[samples]
ratio = 3
max_positives = 500
[split]
control_share = 0.2
[recommender]
kind = "mlp"
hidden = [16]
batch_size = 64
epochs = 4
learning_rate = 0.01
[evaluate]
seeds = 1
[quality]
metrics = ["classifier_auc", "marginals", "copies"]
[[variant]]
name = "steered"
combine = "conditional"
controller = { kind = "gap", rate = 0.5, dead_band = 0.0, smoothing = 0.0 }
[[variant.step]]
use = "feature_mask"
mode = "in_place"
when = "each_epoch"
p = 0.8
[[variant]]
name = "made"
[[variant.step]]
use = "marginals"
[[variant]]
name = "mixed"
[[variant.step]]
use = "row_mixup"
"""
STEERED = SPEC[: SPEC.index('[[variant]]\nname = "made"')]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    where = tmp_path_factory.mktemp("kept")
    Simulator(users=150, items=50, days=200, seed=5).build_world().write_files(where / "shop", images=False)
    (where / "spec.toml").write_text(SPEC)
    return where


@pytest.fixture(scope="module")
def done(folder):
    return run(load_spec(folder / "spec.toml"), folder / "run")


def part(done, name: str) -> Samples:
    return Samples.from_parquet(done.path / "data" / f"{name}.parquet")


def test_control_users_are_in_no_other_part(done) -> None:
    control = set(part(done, "control").user_ids)
    assert len(control) >= 10
    assert not any(control & set(part(done, name).user_ids) for name in ("train", "valid", "test"))
    assert done.read_facts().data.split["control"] == {"rows": len(part(done, "control")), "users": len(control)}


def test_every_validation_is_a_decision_and_the_cost_includes_the_pilot(done) -> None:
    facts = done.read_facts()
    kept = json.loads((done.path / "variants/steered/seed-1/decisions.json").read_text())
    assert facts.decisions == describe_decisions(kept, "steered", 1)
    assert len(kept) >= 12
    assert kept[0]["signals"]["excess"] == 0.0  # until it augments, it is the pilot
    assert max(row["decision"]["strength"][0] for row in kept) > 0
    assert kept[-1]["decision"]["strength"] == [0.0]
    assert facts.cost.pilot_steps > 0
    assert "Decisions of controllers" in (done.path / "report.html").read_text()


def test_cut_off_in_mid_training_it_ends_with_the_same_net_and_a_replay_trains_it_too(done, folder, tmp_path) -> None:
    class Killed(Exception):
        pass

    def tell(done: int, total: int, words: str) -> None:
        if words.startswith("steered, seed 1") and "pilot" not in words and done >= 60:
            raise Killed

    (folder / "alone.toml").write_text(STEERED)
    with pytest.raises(Killed):
        run(load_spec(folder / "alone.toml"), tmp_path / "run", on_progress=tell)
    again = run(load_spec(folder / "alone.toml"), tmp_path / "run", resume=True)
    log = done.path / "variants/steered/seed-1/decisions.json"
    replay = STEERED.replace(
        '{ kind = "gap", rate = 0.5, dead_band = 0.0, smoothing = 0.0 }', f'{{ kind = "replay", log = "{log}" }}'
    )
    (folder / "replay.toml").write_text(replay)
    replayed = run(load_spec(folder / "replay.toml"), tmp_path / "replayed")
    weights = "variants/steered/seed-1/model/ctr.safetensors"
    first = (done.path / weights).read_bytes()
    assert (again.path / weights).read_bytes() == first
    assert (replayed.path / weights).read_bytes() == first


def test_models_without_steps_report_constant_strength(folder, tmp_path) -> None:
    (folder / "alone.toml").write_text(STEERED)
    with pytest.raises(DataError, match=r"control_share = 0\.05"):
        run(load_spec(folder / "alone.toml", ["split.control_share=0"]), tmp_path / "nobody")
    text = STEERED[: STEERED.index("[recommender]")] + '[recommender]\nkind = "logistic"\n'
    (folder / "line.toml").write_text(text + STEERED[STEERED.index("[evaluate]") :])
    facts = run(load_spec(folder / "line.toml"), tmp_path / "line").read_facts()
    assert [row.reason.split(":")[0] for row in facts.decisions] == ["constant strength"]


def test_synthetic_rows_are_evaluated_in_the_run_and_from_its_files(done) -> None:
    quality = RunQuality.from_json(done.read_facts().quality).variants
    assert list(quality) == ["repeat", "steered", "made", "mixed"]
    figures = {name: {one.kind: one.value for one in found.facts.figures} for name, found in quality.items()}
    assert figures["repeat"]["copies"] == 1.0
    assert figures["made"]["copies"] < 0.1
    assert figures["made"]["classifier_auc"] > figures["mixed"]["classifier_auc"]
    setup = quality["made"].facts.setup
    assert setup.notes["left_out_columns"] == ("user",)
    assert setup.rows.held_out == len(part(done, "control"))
    page = (done.path / "report.html").read_text()
    assert "left out: user" in page
    files = [str(done.path / "data" / f"{name}.parquet") for name in ("train", "control")]
    found = evaluate_quality(
        *files, str(done.path / "variants/made/expanded"), metrics=("classifier_auc", "copies"), seed=7
    )
    assert found.modality == "tabular"
    assert found.setup.rows.new == setup.rows.new
    assert found["classifier_auc"].value == pytest.approx(figures["made"]["classifier_auc"], abs=0.1)


def test_synthetic_rows_and_users_have_a_lineage(done) -> None:
    rows = Samples.from_parquet(*sorted((done.path / "variants/mixed/expanded").glob("01*.parquet")))
    found = trace_lineage(done.path, int(rows.row_ids[5]))
    (link,) = found.chains["mixed"]
    assert link.parent == f"{int(rows.parents[5]):016x}"
    user = part(done, "train").categorical_column("user")[0]
    assert trace_lineage(done.path, user).user == user


def test_an_erased_user_is_in_no_row_no_cell_and_no_list_of_names(done, tmp_path) -> None:
    copy = Path(shutil.copytree(done.path, tmp_path / "run"))
    user = sorted(
        set(part(done, "train").categorical_column("user")) & set(part(done, "test").categorical_column("user"))
    )[0]
    made = Samples.from_parquet(*sorted((copy / "variants/made/expanded").glob("01*.parquet")))
    assert (made.categorical_column("user") == user).any()  # what learned from the rows names whom it learned from
    found = erase_users(copy, [user])
    assert found.trained_steps == {"made": ["marginals"], "mixed": ["row mixup"]}
    samples = [path for path in copy.glob("data/*.parquet") if path.name != "names.parquet"]
    for path in [*samples, *copy.glob("variants/*/expanded/*.parquet")]:
        rows = Samples.from_parquet(path)
        assert user not in rows.levels["user"]
        assert user not in set(rows.categorical_column("user"))
    assert found.removed_rows["made"] > found.removed_rows["train"]


def test_a_sweep_of_synthetic_rows_has_fidelity(folder, tmp_path) -> None:
    facts = run_sweep(load_spec(folder / "spec.toml"), "variant.made.copies=0,1", tmp_path / "copies").read_facts()
    none, as_many = facts.sweep.points
    assert none.synthetic_rows == 0 < as_many.synthetic_rows
    assert 0.5 < as_many.auc.value <= 1
    assert np.isfinite(facts.sweep.training_auc.value)
