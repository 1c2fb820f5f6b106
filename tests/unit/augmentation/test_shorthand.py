"""Short forms of plans and steps, and errors that say what to write."""

import numpy as np
import pyarrow as pa
import pytest

import leaven
from leaven.datasets.histories import Histories

TRAIN = Histories.from_lists([[1, 2, 3, 4], [2, 3, 1]], n_items=4)
PLAN = leaven.Plan([leaven.Crop()])


@pytest.mark.parametrize("plan", ["crop", leaven.Crop(), leaven.Step("crop"), ["crop"], [leaven.Crop()]])
def test_a_short_plan_makes_the_rows_of_the_long_one(plan: object) -> None:
    short, long = leaven.expand(TRAIN, plan, seed=7), leaven.expand(TRAIN, PLAN, seed=7)
    assert short.items.tolist() == long.items.tolist()
    assert short.names.steps == ("crop",)


def test_a_number_of_copies_is_that_many_of_every_row() -> None:
    assert leaven.Step("crop", copies=2).copies == leaven.strategies.Uniform(2.0)
    assert len(leaven.expand(TRAIN, leaven.Step("crop", copies=2))) == 6


def test_names_of_kinds_stand_for_strategies_filters_and_numbers_for_schedules() -> None:
    step = leaven.Step("markov", copies="balanced", filters="copies", strength=0.5)
    assert step.copies == leaven.strategies.Balanced()
    assert step.filters == (leaven.filters.CopyFilter(),)
    assert step.strength == leaven.schedules.Constant(0.5)
    tabular = leaven.Step("copula", copies="balanced")
    assert type(tabular.copies).__name__ == "BalancedRows"


def test_a_kind_of_items_is_named_with_its_prefix() -> None:
    assert leaven.Step("swap").modality == "rows"
    assert leaven.Step("text.swap").modality == "text"
    assert leaven.Step("images.flip").modality == "images"


@pytest.mark.parametrize(
    ("make", "fix"),
    [
        (lambda: leaven.Step("corp"), "crop"),
        (lambda: leaven.Step(leaven.Crop), "Crop()"),
        (lambda: leaven.Step("crop", copies=True), "number"),
        (lambda: leaven.Step("crop", copies="balancd"), "balanced"),
        (lambda: leaven.Step("markov", filters="copy"), "copies"),
        (lambda: leaven.expand(TRAIN, 3), "kind"),
        (lambda: leaven.Step("crop", strength="high"), "number"),
    ],
)
def test_a_wrong_step_is_an_error_that_names_the_right_one(make, fix: str) -> None:
    with pytest.raises(leaven.SpecError) as caught:
        make()
    assert fix in str(caught.value)


@pytest.mark.parametrize("rows", [pa.table({"user": ["a"]}), np.zeros(3), None])
def test_expanding_something_else_than_rows_says_how_to_get_rows(rows: object) -> None:
    with pytest.raises(leaven.DataError) as caught:
        leaven.expand(rows, PLAN)
    assert "leaven.split(log).train" in caught.value.fix


def test_a_misspelled_public_name_names_the_nearest() -> None:
    with pytest.raises(AttributeError, match="Crop"):
        _ = leaven.Crpo
    with pytest.raises(AttributeError, match="Ndcg"):
        _ = leaven.metrics.Ndgc


def test_a_frame_is_read_and_split() -> None:
    times = [1318896000 + second for second in range(40)]
    users, items = [f"u{event % 4}" for event in range(40)], [f"i{event // 4}" for event in range(40)]
    table = pa.table({"user_id": users, "item_id": items, "timestamp": times})
    parts = leaven.split(table, "leave_one_out")
    assert parts.train.decode(parts.train.row_items(0)[:1]) == ["i0"]
    with pytest.raises(leaven.DataError):
        leaven.split(parts)
