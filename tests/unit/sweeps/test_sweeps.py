"""Sweeps: variants of one value each, and curves with known turning points."""

import json
from pathlib import Path

import numpy as np
import pytest

from leaven.config import Spec, load_spec, parse_spec
from leaven.datasets.histories import Histories
from leaven.errors import SpecError
from leaven.simulator import Corruption, Simulator
from leaven.splits.log_splits import Split
from leaven.stats import ComparisonConfig
from leaven.strategies.copy_counts import Balanced, Scaled, Uniform
from leaven.sweeps import run_sweep
from leaven.sweeps.grid import scale_copies, vary_field
from leaven.sweeps.knee import find_knee, find_turning_points
from leaven.sweeps.row_fidelity import FidelityReference, build_reference

COPIES = "variant.v1.2 mix.copies=0,0.5,2"
SPEC = """
name = "study"
[data]
interactions = "shop/interactions.csv"
columns = { user = "user_id", item = "item_id", time = "timestamp" }
[split]
control_share = 0.3
[recommender]
kind = "item_knn"
[evaluate]
metrics = ["ndcg@5"]
seeds = 1
[[variant]]
name = "v1.2 mix"
[[variant.step]]
use = "mask"
share_range = [0.1, 0.2]
copies = { kind = "uniform", factor = 2.0 }
[[variant.step]]
use = "markov"
[[variant]]
name = "in place"
[[variant.step]]
use = "mask"
mode = "in_place"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    where = tmp_path_factory.mktemp("study")
    Simulator(users=240, items=60, days=150, seed=2).build_world().write_files(
        where / "shop", Corruption(), images=False
    )
    (where / "spec.toml").write_text(SPEC)
    return where


@pytest.fixture(scope="module")
def spec(folder) -> Spec:
    return load_spec(folder / "spec.toml")


def test_copies_of_every_step_that_appends_rows_are_multiplied(spec) -> None:
    family = scale_copies(spec, "v1.2 mix", [2, 0, 0.5, 1])
    assert family.values == (0, 0.5, 1, 2)
    assert family.variant_names == ("baseline", "v1.2 mix, copies 0.5", "v1.2 mix, copies 1", "v1.2 mix, copies 2")
    assert [arm.name for arm in family.spec.variants] == list(family.variant_names[1:])
    half, one, two = ([step.copies for step in arm.plan.named_steps] for arm in family.spec.variants)
    assert half == [Scaled(Uniform(2.0), 0.5), Scaled(Uniform(), 0.5)]
    assert one == [Uniform(2.0), Uniform()]
    assert two[0] == Scaled(Uniform(2.0), 2)


@pytest.mark.parametrize("by", [0.0, 0.3, 1.0, 2.0, 3.7])
def test_scaled_copies_reach_the_exact_total_in_proportion(by) -> None:
    rows = Histories.from_lists([[1]] * 10 + [[1, 2, 3, 2, 1]] * 10, n_items=3)
    whole = Balanced("short", factor=3.0)(rows, 5)
    scaled = Scaled(Balanced("short", factor=3.0), by)(rows, 5)
    assert scaled.sum() == round(by * whole.sum())
    assert (np.abs(scaled - by * whole) < 1).all()


def test_any_number_or_pair_of_a_step_can_be_varied_nested_ones_too(spec) -> None:
    pairs = vary_field(spec, "variant.v1.2 mix.step.0.share_range=[0.6,0.8],[0.1,0.2]")
    assert [arm.plan.named_steps[0].use.share_range for arm in pairs.spec.variants] == [(0.1, 0.2), (0.6, 0.8)]
    assert pairs.variant_names == ("v1.2 mix, share_range 0.1 to 0.2", "v1.2 mix, share_range 0.6 to 0.8")
    deep = vary_field(spec, "variant.v1.2 mix.step.mask.copies.factor=1,3")
    assert [arm.plan.named_steps[0].copies for arm in deep.spec.variants] == [Uniform(1), Uniform(3)]
    unset = vary_field(spec, "variant.v1.2 mix.step.1.weight=0,0.5")
    assert [arm.plan.named_steps[1].weight for arm in unset.spec.variants] == [0, 0.5]


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ("variant.v1.2 mx.step.0.p=1,2", "did you mean 'v1.2 mix'"),
        ("variant.v1.2 mix.step.0.share_rnge=1,2", "did you mean 'share_range'"),
        ("variant.v1.2 mix.step.5.p=1,2", "from 0 to 1"),
        ("variant.v1.2 mix.step.0.positions=1,2", "a number or a pair"),
        ("variant.v1.2 mix.step.1.order=1", "two values or more"),
        ("variant.v1.2 mix.step.1.order=a,b", "numbers, or pairs"),
        ("variant.v1.2 mix.step.1.order=1,[1,2]", "alone"),
        ("variant.v1.2 mix.step.1.order=1,9", "order"),
        ("split.test_share=0.1,0.2", "variant.NAME.step.0.FIELD"),
    ],
)
def test_an_invalid_assignment_is_an_error_before_anything_runs(spec, wish, said) -> None:
    with pytest.raises(SpecError, match=said):
        vary_field(spec, wish)


def test_copies_need_a_step_that_appends_rows_and_two_factors_from_0(spec) -> None:
    with pytest.raises(SpecError, match="appends rows"):
        scale_copies(spec, "in place", [0, 1])
    with pytest.raises(SpecError, match="two values"):
        scale_copies(spec, "v1.2 mix", [1])
    with pytest.raises(SpecError, match="from 0"):
        scale_copies(spec, "v1.2 mix", [-1, 1])


def test_a_knee_bends_the_curve_more_than_noise() -> None:
    x, y = [0, 1, 2, 3, 4], [0.0, 7.0, 9.0, 9.5, 10.0]
    assert find_knee(x, y, [1.0] * 5) == 1
    assert find_knee(x, [-one for one in y], [1.0] * 5) == 1
    assert find_knee(x, y, [5.0] * 5) is None
    assert find_knee(x, [1.0] * 5, [0.0] * 5) is None


def test_the_first_harmful_value_is_where_users_lose_and_not_before() -> None:
    chance = np.random.default_rng(3)
    users = chance.normal(0.3, 0.1, (2, 400))
    lifts = {"0": 0.0, "1": 0.05, "2": 0.10, "3": 0.099, "4": 0.02, "5": -0.1}
    values = {name: users + lift + chance.normal(0, 0.02, users.shape) for name, lift in lifts.items()}
    best, hurts = find_turning_points(values, list(values), ComparisonConfig("ndcg@5"))
    assert best in (2, 3)
    assert hurts == 4
    rising = {name: users + place * 0.01 for place, name in enumerate(values)}
    assert find_turning_points(rising, list(rising), ComparisonConfig("ndcg@5")) == (5, None)


def test_a_classifier_separates_shortened_rows_better_than_real_ones() -> None:
    world = Simulator(users=600, items=80, days=200, seed=9).build_world().histories
    train, unseen = world.slice(0, 450), world.slice(450, 600)
    held = build_reference(Split(train, None, None, None, control_histories=unseen), unseen, 7)  # type: ignore[arg-type]
    assert isinstance(held, FidelityReference)
    assert held.training_rows.low < 0.55
    few = train.take(np.arange(0, 450) % 2 == 0)
    short = few.replace_events(
        np.arange(len(few) + 1), few.items[few.starts[:-1]], few.times[few.starts[:-1]], few.starts[:-1]
    )
    cut, same = held.measure(short), held.measure(few)
    assert cut is not None
    assert same is not None
    assert cut.auc > 0.9 > 0.6 > same.auc
    assert held.measure(few.slice(0, 20)) is None
    assert "control_share" in str(build_reference(Split(train, None, None, None), None, 7))  # type: ignore[arg-type]


def test_a_sweep_of_copies_is_one_run_with_the_curve_in_facts_and_page(spec, folder, capsys) -> None:
    done = run_sweep(spec, COPIES, folder / "copies")
    found = done.read_facts().sweep
    zero, half, two = found.points
    assert (zero.synthetic_rows, zero.lift.value, zero.variant) == (0, 0.0, "baseline")
    assert two.synthetic_rows == pytest.approx(4 * half.synthetic_rows, rel=0.02)
    assert half.x == half.added == pytest.approx(1.5, rel=0.02)
    effects = {one.variant: one.lift for one in done.read_facts().comparison.effects}
    assert two.lift.value == effects["v1.2 mix, copies 2"]
    assert found.sentences
    page = (done.path / "report.html").read_text()
    assert 'id="sweep"' in page
    assert "“v1.2 mix” along copies" in page
    before = {path: path.stat().st_mtime_ns for path in done.path.glob("variants/**/*.*")}
    assert run_sweep(spec, COPIES, done.path, resume=True).read_facts().sweep == found
    assert {path: path.stat().st_mtime_ns for path in done.path.glob("variants/**/*.*")} == before


def test_a_sweep_shows_effect_and_fidelity_on_the_terminal_and_as_json(folder, capsys) -> None:
    from leaven.cli.entry import run_command

    asked = ["sweep", str(folder / "spec.toml"), "--out", str(folder / "sweep")]
    asked += [
        "--vary",
        "variant.v1.2 mix.step.0.share_range=[0.0,0.1],[0.8,0.9]",
        "--set",
        "variant.0.step=[{use='mask'}]",
    ]
    assert run_command(asked) == 0
    told = capsys.readouterr().out
    assert "mask, share_range" in told
    assert "  AUC" in told
    assert run_command([*asked, "--resume", "--json"]) == 0
    little, much = json.loads(capsys.readouterr().out)["points"]
    assert little["auc"]["low"] <= little["auc"]["value"] <= little["auc"]["high"]
    assert little["auc"]["value"] < much["auc"]["value"]


def test_a_field_without_effect_is_reported(spec, folder) -> None:
    plain = parse_spec(SPEC.replace('use = "markov"', 'use = "crop"\np = 0.0'), folder)
    done = run_sweep(plain, "variant.v1.2 mix.step.1.keep_range=[0.1,0.2],[0.8,0.9]", folder / "nothing")
    assert done.read_facts().sweep.sentences == (
        "Every value gave the same rows and figures: crop, keep_range changes nothing in this variant.",
    )
