"""Click prediction from one spec: a log or a ready table to a verdict, with everything that rankings have."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from leaven.config import Spec, load_spec
from leaven.datasets.samples import Samples
from leaven.engines.local import Local
from leaven.errors import DataError, SpecError
from leaven.experiment import describe_run, expand_variant, preview_variants, run
from leaven.report.html import render_report
from leaven.simulator import Simulator

SHOP = """
name = "clicks"
task = "ctr"
rules = "shop.rules"
[data]
interactions = "shop/interactions.csv"
columns = { user = "user_id", item = "item_id", time = "timestamp", price = "price", quantity = "quantity" }
items = "shop/items.csv"
item_columns = { item = "item_id", category = "category", price = "price" }
[samples]
ratio = 3
max_positives = 400
[recommender]
kind = "mlp"
hidden = [16]
batch_size = 128
epochs = 2
[evaluate]
seeds = 2
[[variant]]
name = "noise, then repeats of rare categories"
combine = "layered"
[[variant.step]]
use = "noise"
alpha = 2.0
clip_to_range = false
[[variant.step]]
use = "repeat"
copies = { kind = "balanced", towards = "category", max_copies = 2 }
[[variant]]
name = "fresh masks"
[[variant.step]]
use = "feature_mask"
mode = "in_place"
when = "each_epoch"
p = 0.5
strength = { kind = "linear", first = 0.0, last = 1.0 }
[[variant]]
name = "even classes"
[[variant.step]]
use = "marginals"
copies = { kind = "balanced", towards = "class" }
"""
RULES = "# what no row of this shop may say\nitem_price > 0\nitem_events >= item_events_30d   # all, and the latest\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    where = tmp_path_factory.mktemp("clicks")
    Simulator(users=120, items=60, days=200, seed=5).build_world().write_files(where / "shop", images=False)
    (where / "spec.toml").write_text(SHOP)
    (where / "shop.rules").write_text(RULES)
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
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def test_a_run_leaves_a_verdict_per_user_records_and_a_page(done) -> None:
    facts = done.read_facts()
    arms = ["repeat", "noise, then repeats of rare categories", "fresh masks", "even classes"]
    assert [effect.variant for effect in facts.comparison.effects] == arms
    assert facts.comparison.metric == "auc"
    assert facts.verdict.headline
    assert {"user_auc", "f1", "recall@0.5", "accuracy@0.5"} <= set(facts.comparison.metrics)
    assert {"average_precision", "log_loss", "calibration_error"} <= set(facts.comparison.pooled)
    assert (done.path / "report.html").read_text() == render_report(facts)
    records = pq.read_table(done.path / "records.parquet")
    users = len(set(records["user"].to_pylist()))
    assert records.num_rows == users * 2 * 5 * 11  # of 14 metrics, three are one number for all rows
    auc = records.filter((records["variant"].to_numpy() == "baseline") & (records["metric"].to_numpy() == "auc"))
    assert np.mean(auc["value"].to_numpy()) == pytest.approx(facts.comparison.means["baseline"])


def test_thresholds_come_from_validation_and_calibration_is_drawn(done) -> None:
    facts = done.read_facts()
    assert set(facts.ctr.variants) == {effect.variant for effect in facts.comparison.effects} | {"baseline"}
    for variant in facts.ctr.variants.values():
        assert len(variant.thresholds) == 2
        assert sum(one.rows for one in variant.calibration) > 100
    assert 0.4 < facts.ctr.popularity["auc"] < 1
    page = (done.path / "report.html").read_text()
    assert "Predicted and observed share" in page


def test_groups_of_rows_are_compared_with_their_own_baseline(done) -> None:
    groups = {(one.by, one.segment) for one in done.read_facts().comparison.segments}
    assert {by for by, _ in groups} >= {"item"}
    assert ("item", "tail") in groups


def test_rows_have_their_lineage_and_what_breaks_a_rule_is_counted(done) -> None:
    arms = {variant.name: variant for variant in done.read_facts().variants}
    noisy = arms["noise, then repeats of rare categories"]
    refused = noisy.steps[0].rejected
    assert set(refused) <= {"item_price > 0", "item_events >= item_events_30d"}
    assert sum(refused.values()) > 0
    assert noisy.steps[0].tried == noisy.steps[0].synthetic + sum(refused.values())
    folder = done.path / "variants" / "noise-then-repeats-of-rare-categories" / "expanded"
    rows = Samples.from_parquet(*sorted(folder.glob("*.parquet")))
    assert set(np.unique(rows.origin)) == {0, 1, 2}
    assert set(rows.parents) == set(rows.row_ids[rows.is_real])
    assert (rows.numeric_column("item_price") > 0).all()
    made = arms["even classes"]
    even = Samples.from_parquet(*sorted((done.path / "variants" / "even-classes" / "expanded").glob("*.parquet")))
    assert even.label[even.origin == 1].all()
    assert abs(even.label.mean() - 0.5) < 0.06
    assert arms["repeat"].synthetic_rows == max(noisy.synthetic_rows, made.synthetic_rows)
    assert arms["fresh masks"].synthetic_rows == 0


def test_every_variant_takes_equal_steps(done) -> None:
    assert len({training.steps for training in done.read_facts().trainings}) == 1


def test_a_run_is_repeated_from_its_own_spec_and_a_finished_one_is_left_alone(done, spec, tmp_path) -> None:
    again = run(load_spec(done.path / "spec.toml"), tmp_path / "again")
    for pattern in ("**/expanded/*.parquet", "records.parquet", "data/*.parquet"):
        assert digest(again.path, pattern) == digest(done.path, pattern)
    before = {path: path.stat().st_mtime_ns for path in done.path.glob("variants/**/*.*")}
    run(spec, done.path, resume=True)
    assert {path: path.stat().st_mtime_ns for path in done.path.glob("variants/**/*.*")} == before


def test_rows_alone_with_two_workers_have_the_same_bytes(done, spec, tmp_path) -> None:
    made = expand_variant(spec, "even classes", tmp_path / "rows", engine=Local(workers=2))
    assert digest(made.path) == digest(done.path, "variants/even-classes/expanded/*.parquet")


def test_a_preview_shows_cells_and_an_outline_counts(spec, tmp_path) -> None:
    shown = preview_variants(spec, None, 4, tmp_path)
    assert all(one.after[-1].startswith("label ") for one in shown["even classes"])
    assert shown["fresh masks"][0].changed
    assert describe_run(spec).trainings == 10


def table(folder: Path, rows: int = 600, leak: bool = False, one_class: bool = False) -> Path:
    draw = np.random.default_rng(3)
    age, taste = draw.integers(18, 80, rows), draw.normal(size=40)
    who = draw.integers(0, 40, rows)
    label = np.zeros(rows, int) if one_class else (draw.random(rows) < 1 / (1 + np.exp(1 - taste[who]))).astype(int)
    lines = ["clicked,who,when,age,price,kind,paid,empty,same"]
    for row in range(rows):
        day = f"2024-{1 + row * 11 // rows:02d}-{1 + row % 28:02d}"
        kind = ["mug", "bag", "pen"][row % 3]
        paid = f"{label[row] + 0.1 * draw.random():.3f}" if leak else f"{draw.random():.3f}"
        lines.append(f'{label[row]},u{who[row]},{day},{age[row]},"${1000 + row:,}.50",{kind},{paid},,7')
    (folder / "ads.csv").write_text("\n".join(lines) + "\n")
    return folder / "ads.csv"


READY = """
task = "ctr"
[data]
labeled = "ads.csv"
label = "clicked"
user = "who"
time = "when"
[recommender]
kind = "logistic"
[evaluate]
metrics = ["user_auc", "f1"]
seeds = 1
[[variant]]
name = "mixup"
[[variant.step]]
use = "row_mixup"
"""


def test_a_ready_table_is_a_task_too_and_a_leaked_column_is_named(tmp_path) -> None:
    table(tmp_path, leak=True)
    (tmp_path / "spec.toml").write_text(READY)
    told: list[str] = []
    done = run(
        load_spec(tmp_path / "spec.toml"), tmp_path / "run", on_progress=lambda done, total, words: told.append(words)
    )
    facts = done.read_facts()
    assert facts.data.split["kind"] == "time"
    assert {(one.kind, one.column) for one in facts.data.warnings} == {
        ("leak", "paid"),
        ("constant", "same"),
        ("all missing", "empty"),
    }
    assert any(sentence.startswith("Careful: 'paid' alone") for sentence in facts.verdict.sentences)
    assert any("careful: 'paid' alone" in words for words in told)
    assert "&#39;paid&#39; alone" in (done.path / "report.html").read_text()


@pytest.mark.parametrize(("kind", "shared"), [("users", False), ("rows", True)])
def test_users_of_the_test_part_are_in_no_other_or_rows_are_dealt_one_by_one(tmp_path, kind, shared) -> None:
    table(tmp_path)
    (tmp_path / "spec.toml").write_text(READY + f'[split]\nkind = "{kind}"\n')
    made = expand_variant(load_spec(tmp_path / "spec.toml"), "mixup", tmp_path / "rows")
    train, test = (Samples.from_parquet(made.path / "data" / f"{name}.parquet") for name in ("train", "test"))
    assert bool(set(train.user_ids) & set(test.user_ids)) == shared


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ("data.label=clickd", DataError, "did you mean 'clicked'"),
        ("task=clicks", SpecError, "'clicks' is now 'ctr'"),
        ("samples.ratio=2", SpecError, "a labeled table"),
        ("clean.min_user_events=2", SpecError, "a labeled table"),
        ("evaluate.metrics=['log_loss']", SpecError, "a metric with one value per user first"),
        ("evaluate.metrics=['ndcg@10']", SpecError, "ctr_metrics"),
        ("variant.mixup.step.0.use=crop", SpecError, "tabular_transforms"),
        ("recommender.kind=item_knn", SpecError, "ctr_models"),
        ("rules=['price > 5000']", DataError, "break 'price > 5000'"),
        ("rules=['prise > 0']", SpecError, "did you mean 'price'"),
        ("rules=['price is nice']", SpecError, "COLUMN is known"),
        ("rules=nowhere.rules", SpecError, "nowhere.rules"),
        ("views=3", SpecError, "known table or key"),
    ],
)
def test_a_mistake_is_one_error_with_a_fix(tmp_path, change, error, said) -> None:
    table(tmp_path)
    (tmp_path / "spec.toml").write_text(READY)
    with pytest.raises(error, match=said):
        run(load_spec(tmp_path / "spec.toml", [change]), tmp_path / "run")


def test_a_label_with_one_class_and_words_of_the_other_task_are_refused(tmp_path) -> None:
    table(tmp_path, one_class=True)
    (tmp_path / "spec.toml").write_text(READY)
    with pytest.raises(DataError, match="two classes"):
        run(load_spec(tmp_path / "spec.toml"), tmp_path / "run")
    (tmp_path / "ranking.toml").write_text('[data]\ninteractions = "l"\n[samples]\nratio = 2\n')
    with pytest.raises(SpecError, match='task = "ctr"'):
        load_spec(tmp_path / "ranking.toml")


def test_the_facts_are_plain_json(done) -> None:
    json.loads(json.dumps(done.read_facts().to_json(), allow_nan=False))
