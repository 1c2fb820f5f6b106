"""From a log and a spec to a verdict: the same bytes after a kill, in any order of lines, with any workers."""

import hashlib
import importlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from leaven.config import Spec, load_spec
from leaven.engines.local import Local
from leaven.errors import DataError, FitError, SpecError
from leaven.experiment import describe_run, expand_variant, incremental_expansion, preview_variants, run
from leaven.facts import ReuseFacts
from leaven.report.html import render_report
from leaven.run_folder import RunFolder
from leaven.simulator import Corruption, Simulator

SPEC = """
name = "small"
[data]
interactions = "shop/interactions.csv"
columns = { user = "user_id", item = "item_id", time = "timestamp", price = "price" }
items = "shop/items.csv"
item_columns = { item = "item_id", text = ["title"], category = "category" }
[recommender]
kind = "item_knn"
[evaluate]
metrics = ["ndcg@5", "coverage@5"]
seeds = 2
[[variant]]
name = "crop, then markov"
combine = "layered"
[[variant.step]]
use = "crop"
[[variant.step]]
use = "markov"
[[variant]]
name = "masks"
[[variant.step]]
use = "mask"
mode = "in_place"
when = "each_epoch"
p = 0.5
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    where = tmp_path_factory.mktemp("small")
    Simulator(users=300, items=80, days=200, seed=5).build_world().write_files(
        where / "shop", Corruption.typical(), images=False
    )
    (where / "spec.toml").write_text(SPEC)
    return where


@pytest.fixture(scope="module")
def spec(folder) -> Spec:
    return load_spec(folder / "spec.toml")


@pytest.fixture(scope="module")
def done(spec, folder):
    return run(spec, folder / "run")


def digest(folder: Path, pattern: str = "**/expanded/*.parquet") -> str:
    files = sorted(folder.glob(pattern))
    assert files
    return hashlib.sha256(
        b"".join(p.relative_to(folder).as_posix().encode() + p.read_bytes() for p in files)
    ).hexdigest()


def test_a_run_leaves_verdict_records_rows_and_a_page(done) -> None:
    facts = done.read_facts()
    assert [effect.variant for effect in facts.comparison.effects] == ["repeat", "crop, then markov", "masks"]
    assert len(facts.trainings) == 4 * 2
    assert facts.verdict.headline
    assert 0 < facts.comparison.means["baseline"] < facts.comparison.best_possible < 1
    assert (done.path / "report.html").read_text() == render_report(facts)


def test_trainings_side_by_side_say_the_same(done, spec, folder) -> None:
    heard = []
    beside = run(spec, folder / "beside", n_jobs=2, on_progress=lambda *said: heard.append(said))
    assert (8, 8, "training, 2 in parallel") in heard
    assert beside.read_facts().comparison == done.read_facts().comparison
    assert digest(beside.path, "**/values.npz") == digest(done.path, "**/values.npz")
    again = []
    run(spec, folder / "beside", resume=True, n_jobs=2, on_progress=lambda *said: again.append(said[2]))
    assert not [words for words in again if "in parallel" in words]  # nothing is left to do


def test_an_error_of_a_parallel_training_names_variant_and_seed(folder) -> None:
    wish = load_spec(folder / "spec.toml", ["recommender.kind=transformer", "recommender.learning_rate=1e30"])
    with pytest.raises(FitError, match="baseline, seed 1"):
        run(wish, folder / "broken", n_jobs=2)


def test_the_control_duplicates_as_many_real_rows_as_the_largest_plan_adds(done) -> None:
    rows = {variant.name: variant.synthetic_rows for variant in done.read_facts().variants}
    assert rows["repeat"] == rows["crop, then markov"] > 0
    assert rows["masks"] == 0


def test_records_have_one_value_per_user_seed_variant_and_metric(done) -> None:
    records = pq.read_table(done.path / "records.parquet")
    assert records.column_names == ["variant", "seed", "user", "metric", "value"]
    users = len(set(records["user"].to_pylist()))
    assert records.num_rows == users * 2 * 4
    means = records.group_by(["variant"]).aggregate([("value", "mean")])
    by_arm = dict(zip(means["variant"].to_pylist(), means["value_mean"].to_pylist(), strict=True))
    assert by_arm["baseline"] == pytest.approx(done.read_facts().comparison.means["baseline"])


def test_steps_of_each_epoch_reach_recommenders_that_know_no_epochs(done) -> None:
    means = done.read_facts().comparison.means
    assert means["masks"] != means["baseline"]


def test_a_run_is_repeated_from_its_own_spec_with_the_same_bytes(done, tmp_path) -> None:
    again = run(load_spec(done.path / "spec.toml"), tmp_path / "again")
    for pattern in ("**/expanded/*.parquet", "records.parquet", "data/*.parquet"):
        assert digest(again.path, pattern) == digest(done.path, pattern)


def test_a_finished_run_is_resumed_without_doing_anything_again(spec, done) -> None:
    before = {path: path.stat().st_mtime_ns for path in done.path.glob("variants/**/*.*")}
    run(spec, done.path, resume=True)
    assert {path: path.stat().st_mtime_ns for path in done.path.glob("variants/**/*.*")} == before


def test_a_run_of_another_spec_is_not_resumed_and_stays_as_it_is(folder, done) -> None:
    before = {path: path.read_bytes() for path in done.path.glob("*.*")}
    other = load_spec(
        folder / "spec.toml",
        ["evaluate.metrics=['ndcg@3']", "variant.0.step.0.copies={ kind = 'uniform', factor = 2 }"],
    )
    with pytest.raises(DataError, match=r"evaluate.metrics.0, evaluate.metrics.1, variant.0.step.0.copies"):
        run(other, done.path, resume=True)
    assert {path: path.read_bytes() for path in done.path.glob("*.*")} == before


def test_more_seeds_are_added_to_a_finished_run_without_training_the_others_again(folder, done, tmp_path) -> None:
    whole = tmp_path / "run"
    subprocess.run(["cp", "-r", "--preserve=all", done.path, whole], check=True)
    before = {path: path.stat().st_mtime_ns for path in whole.glob("variants/**/*.*")}
    more = run(load_spec(folder / "spec.toml", ["evaluate.seeds=3"]), whole, resume=True)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert {training.seed for training in more.read_facts().trainings} == {1, 2, 3}
    with pytest.raises(DataError, match=r"evaluate\.seeds"):
        run(load_spec(folder / "spec.toml"), whole, resume=True)


def test_results_of_fewer_seeds_never_lie_next_to_a_spec_with_more(folder, done, tmp_path, monkeypatch) -> None:
    whole = tmp_path / "run"
    subprocess.run(["cp", "-r", "--preserve=all", done.path, whole], check=True)

    def interrupt(*more: object, **named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(importlib.import_module("leaven.experiment.run"), "run_trial", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(load_spec(folder / "spec.toml", ["evaluate.seeds=3"]), whole, resume=True)
    assert "seeds = 3" in (whole / "spec.toml").read_text()
    assert not (whole / "facts.json").exists()
    assert not (whole / "report.html").exists()


def test_a_run_whose_log_cannot_be_read_leaves_no_folder(folder, tmp_path) -> None:
    broken = tmp_path / "broken.csv"
    broken.write_text("user_id,item_id,timestamp\na,b,yesterday\n")
    with pytest.raises(DataError):
        run(load_spec(folder / "spec.toml", [f"data.interactions={broken}"]), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_spec_without_variants_says_what_to_add(folder, tmp_path) -> None:
    without = load_spec(folder / "spec.toml", ["variant=[]"])
    for attempt in (lambda: run(without, tmp_path / "run"), lambda: describe_run(without)):
        with pytest.raises(SpecError, match=r"\[\[variant.step\]\]"):
            attempt()
    assert not (tmp_path / "run").exists()


def test_a_run_of_an_older_format_is_refused(folder, spec, tmp_path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "lock.json").write_text('{"seed": 7}')
    with pytest.raises(DataError, match="older leaven"):
        run(spec, tmp_path / "run", resume=True)


def test_a_run_killed_again_and_again_ends_with_the_bytes_of_an_undisturbed_one(done, folder, tmp_path) -> None:
    out = tmp_path / "killed"
    command = [sys.executable, "-m", "leaven", "run", str(folder / "spec.toml"), "--out", str(out), "--resume"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    for wait in (1.5, 3.0, 4.5):
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        process.wait()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    for pattern in ("**/expanded/*.parquet", "records.parquet"):
        assert digest(out, pattern) == digest(done.path, pattern)


DAMAGED = [
    "data/train.parquet",
    "stages/data.json",
    "stages/fit-masks-1.json",
    "variants/crop-then-markov/expanded/02-markov-00000.parquet",
    "variants/masks/seed-1/model/itemknn.npz",
    "variants/masks/seed-1/values.npz",
]


@pytest.mark.parametrize("name", DAMAGED)
@pytest.mark.parametrize("damage", ["half", "one bit", "deleted"])
def test_a_damaged_file_of_a_run_is_named_and_made_again(done, spec, tmp_path, caplog, name, damage) -> None:
    shutil.copytree(done.path, tmp_path / "run")
    path = tmp_path / "run" / name
    content = path.read_bytes()
    middle = len(content) // 2
    damaged = {
        "half": content[:middle],
        "one bit": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
    }
    path.write_bytes(damaged[damage]) if damage in damaged else path.unlink()
    again = run(spec, tmp_path / "run", resume=True)
    assert Path(name).name in caplog.text or (damage == "deleted" and name.startswith("stages"))
    for pattern in ("data/*.parquet", "variants/**/*.parquet", "variants/**/*.npz", "records.parquet"):
        assert digest(again.path, pattern) == digest(done.path, pattern)


def test_a_damaged_lock_is_one_clear_error(done, spec, tmp_path) -> None:
    shutil.copytree(done.path, tmp_path / "run")
    (tmp_path / "run" / "lock.json").write_text('{"format"')
    with pytest.raises(DataError, match=r"lock\.json.*damaged"):
        run(spec, tmp_path / "run", resume=True)


def expanding(folder: Path, out: Path, *more: str) -> list[str]:
    """The command that makes the rows of the layered arm."""
    asked = [sys.executable, "-m", "leaven", "expand", str(folder / "spec.toml"), "--variant", "crop, then markov"]
    return [*asked, "--out", str(out), *more]


@pytest.mark.parametrize("more", [["--workers", "1"], ["--workers", "2"]])
def test_an_expansion_killed_at_any_moment_ends_with_the_bytes_of_an_undisturbed_one(
    done, folder, tmp_path, more
) -> None:
    command = expanding(folder, tmp_path / "killed", "--resume", *more)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    begun = tmp_path / "killed" / "variants" / "crop-then-markov" / "expanded"
    for files in (1, 2, 4):  # so many files of rows may be there when it is killed
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and len(list(begun.glob("*"))) < files:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    assert digest(begun, "*.parquet") == digest(done.path / "variants" / "crop-then-markov" / "expanded", "*.parquet")
    assert not list(begun.glob("*.part"))


def test_an_expanded_folder_loses_a_step_as_if_it_had_never_been_there(spec, folder, tmp_path, monkeypatch) -> None:
    out = tmp_path / "less"
    expand_variant(spec, "crop, then markov", out)
    rows = out / "variants" / "crop-then-markov" / "expanded"
    crops = sorted(rows.glob("01-crop-*"))
    before = {path: path.stat().st_mtime_ns for path in crops}
    less = expand_variant(spec, "crop, then markov", out, without=["markov"])
    assert {path: path.stat().st_mtime_ns for path in crops} == before
    assert less.read_facts().variants[0].reuse == ReuseFacts(("crop",))
    never = expand_variant(load_spec(out / "spec.toml"), "crop, then markov", tmp_path / "never")
    assert digest(out) == digest(never.path)
    again = expand_variant(spec, "crop, then markov", out, without=["markov"])
    assert again.read_facts().variants[0].reuse == ReuseFacts(("crop",))


def test_rows_of_the_removed_step_are_replaced_also_after_an_interruption(spec, tmp_path, monkeypatch) -> None:
    never = expand_variant(spec, "crop, then markov", tmp_path / "never", without=["crop"])
    for moment in ("reuse_step_files", "write_record", "rmtree"):
        out = tmp_path / moment
        expand_variant(spec, "crop, then markov", out)

        def killed(*more: object, **named: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            places = {"rmtree": incremental_expansion.shutil, "write_record": RunFolder}
            patch.setattr(places.get(moment, incremental_expansion), moment, killed)
            with pytest.raises(KeyboardInterrupt):
                expand_variant(spec, "crop, then markov", out, without=["crop"])
        less = expand_variant(spec, "crop, then markov", out, without=["crop"])
        assert digest(out) == digest(never.path)
        assert less.read_facts().variants[0].steps[0].name == "markov"
        assert sorted(path.name for path in (out / "variants" / "crop-then-markov").iterdir()) == ["expanded"]


def test_steps_of_a_run_with_trained_variants_cannot_be_removed(spec, done) -> None:
    with pytest.raises(DataError, match="trained variants"):
        expand_variant(spec, "crop, then markov", done.path, without=["crop"])


def test_neither_workers_nor_the_order_of_lines_change_a_byte(spec, done, folder, tmp_path) -> None:
    lines = (folder / "shop" / "interactions.csv").read_text().splitlines()
    header, rest = lines[0], lines[1:]
    seen: set[tuple[str, ...]] = set()
    single = [
        line for line in rest if (key := tuple(line.split(",")[i] for i in (0, 2))) not in seen and not seen.add(key)
    ]
    digests = set()
    for name, order, workers in (("plain", None, 1), ("shuffled", 3, 1), ("parallel", None, 2)):
        where = tmp_path / name
        (where / "shop").mkdir(parents=True)
        shuffled = single if order is None else np.random.default_rng(order).permutation(single).tolist()
        (where / "shop" / "interactions.csv").write_text("\n".join([header, *shuffled]) + "\n")
        (where / "shop" / "items.csv").write_bytes((folder / "shop" / "items.csv").read_bytes())
        (where / "spec.toml").write_text(SPEC)
        engine = Local(workers=workers)
        made = expand_variant(load_spec(where / "spec.toml"), "crop, then markov", where / "run", engine=engine)
        digests.add(digest(made.path))
    assert len(digests) == 1


def test_a_preview_and_an_outline_leave_nothing_behind(spec, tmp_path) -> None:
    shown = preview_variants(spec, None, 4, tmp_path)
    assert list(shown) == ["crop, then markov", "masks"]
    assert all(one.after for one in shown["crop, then markov"])
    assert describe_run(spec).trainings == 8


def test_a_folder_that_is_not_ours_is_left_alone(spec, done, tmp_path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(DataError, match="--out"):
        run(spec, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    with pytest.raises(DataError, match="--resume"):
        run(spec, done.path)


def test_lists_longer_than_the_catalogue_are_refused_before_any_training(folder, tmp_path) -> None:
    with pytest.raises(DataError, match="as many as there are"):
        run(load_spec(folder / "spec.toml", ["evaluate.metrics=['ndcg@5000']"]), tmp_path / "run")
    assert not list((tmp_path / "run").glob("variants/*"))


def test_an_unknown_variant_names_the_nearest(spec, tmp_path) -> None:
    with pytest.raises(SpecError, match="did you mean 'masks'"):
        expand_variant(spec, "mask", tmp_path / "x")


def test_a_transformer_takes_equal_steps_in_every_variant(folder, tmp_path) -> None:
    small = ["recommender.kind=transformer", "recommender.width=16", "recommender.layers=1", "evaluate.steps=12"]
    facts = run(load_spec(folder / "spec.toml", [*small, "evaluate.seeds=1"]), tmp_path / "run").read_facts()
    assert [training.steps for training in facts.trainings] == [12, 12, 12, 12]
