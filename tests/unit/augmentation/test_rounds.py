"""Steps that are active in a part of training, and rounds that are fitted on all rows so far."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from leaven.augmentation import Plan, Step, build_epoch_rows
from leaven.datasets.histories import Histories
from leaven.errors import SpecError
from leaven.filters.validity import Validity
from leaven.protocols import OperatorTraits
from leaven.strategies.copy_counts import Uniform
from leaven.transforms.sequence.crop import Crop
from leaven.transforms.sequence.masking import Mask
from leaven.transforms.sequence.resampling import Repeat

TRAIN = Histories.from_lists([[1, 2, 3, 4], [2, 3, 4], [5, 6]], n_items=9)


@dataclass(frozen=True)
class Longer:
    """A generator whose rows are longer than the longest that it learned from, so that its rows tell of their fit."""

    traits: ClassVar = OperatorTraits("longer", role="generator", accepts_like=True)

    def fit(self, train: Histories, key: int) -> "FittedLonger":
        return FittedLonger(int(train.lengths.max()) + 1, len(train))


@dataclass(frozen=True)
class FittedLonger:
    length: int
    learned_from: int

    def sample(self, keys, like=None) -> Histories:
        count = len(keys)
        times = [[0] * self.length] * count
        return Histories.from_lists([[1] * self.length] * count, n_items=9, times=times, row_ids=keys.tolist())

    def save(self, folder) -> None: ...


ROUND = Step(Longer(), when="each_round")


def lengths(rows: Histories) -> list[int]:
    return rows.lengths[len(TRAIN) :].tolist()


def test_each_round_learns_from_the_rows_of_those_before_and_all_rows_stay() -> None:
    epochs = build_epoch_rows(TRAIN, TRAIN, Plan([ROUND], rounds=3), seed=7)
    assert not epochs.is_constant
    assert lengths(epochs(0, 0.0)) == [5, 5, 5]
    assert lengths(epochs(9, 0.32)) == [5, 5, 5]
    assert lengths(epochs(10, 1 / 3)) == [5, 5, 5, 6, 6, 6]
    assert lengths(epochs(30, 1.0)) == [5, 5, 5, 6, 6, 6, 7, 7, 7]
    assert len(set(epochs(30, 1.0).row_ids.tolist())) == 12


def test_rows_of_a_round_do_not_depend_on_the_order_of_access() -> None:
    plan = Plan([ROUND, Step(Crop(), when="each_round", input="longer")], rounds=3)
    late, early = build_epoch_rows(TRAIN, TRAIN, plan, seed=7), build_epoch_rows(TRAIN, TRAIN, plan, seed=7)
    early(0, 0.0)
    one, other = late(5, 0.9), early(5, 0.9)
    for name in ("items", "starts", "row_ids", "origin", "weight"):
        assert np.array_equal(getattr(one, name), getattr(other, name))


def test_a_step_of_a_round_reads_the_input_of_the_plan() -> None:
    named = Plan([ROUND, Step(Repeat(), when="each_round", input="longer")], rounds=2)
    made = build_epoch_rows(TRAIN, TRAIN, named, seed=7)(0, 0.0)
    assert np.bincount(made.origin).tolist() == [3, 3, 3]
    layered = Plan([ROUND, Step(Repeat(), when="each_round")], "layered", rounds=2)
    assert np.bincount(build_epoch_rows(TRAIN, TRAIN, layered, seed=7)(0, 0.0).origin).tolist() == [3, 3, 6]


def test_facts_tell_of_all_rounds_and_what_filters_refused_in_them() -> None:
    plan = Plan([Step(Longer(), when="each_round", filters=(Validity(max_events=6),))], rounds=3)
    (fact,) = build_epoch_rows(TRAIN, TRAIN, plan, seed=7).describe_steps()
    assert fact.rounds == (3, 3, 0)
    assert fact.synthetic == 6
    assert fact.tried == 9
    assert sum(fact.rejected.values()) == 3
    assert fact.when == "each_round"


def test_a_step_acts_in_its_share_of_training_and_nowhere_else() -> None:
    first = Step(Repeat(), when="each_epoch", during=(0.0, 0.5))
    then = Step(Crop(), when="each_epoch", during=(0.5, 1.0), copies=Uniform(2))
    epochs = build_epoch_rows(TRAIN, TRAIN, Plan([first, then]), seed=7)
    origins = {progress: set(epochs(0, progress).origin.tolist()) for progress in (0.0, 0.49, 0.5, 1.0)}
    assert origins == {0.0: {0, 1}, 0.49: {0, 1}, 0.5: {0, 2}, 1.0: {0, 2}}
    assert [(fact.name, fact.synthetic) for fact in epochs.describe_steps()] == [("repeat", 3), ("crop", 6)]


def test_a_round_outside_a_steps_share_makes_nothing() -> None:
    plan = Plan([Step(Longer(), when="each_round", during=(0.5, 1.0))], rounds=4)
    epochs = build_epoch_rows(TRAIN, TRAIN, plan, seed=7)
    assert lengths(epochs(0, 0.4)) == []
    assert lengths(epochs(0, 1.0)) == [5, 5, 5, 6, 6, 6]
    assert epochs.describe_steps()[0].rounds == (3, 3)


@pytest.mark.parametrize(
    ("make", "key"),
    [
        (lambda: Step(Crop(), during=(0.0, 0.5)), "during"),
        (lambda: Step(Crop(), when="each_epoch", during=(0.5, 0.5)), "during"),
        (lambda: Step(Crop(), when="each_epoch", during=(-0.1, 0.5)), "during"),
        (lambda: Step(Mask(), when="each_round", mode="in_place"), "mode"),
        (lambda: Plan([ROUND]), "rounds"),
        (lambda: Plan([Crop()], rounds=3), "rounds"),
        (lambda: Plan([Crop()], rounds=0), "rounds"),
        (lambda: Plan([Crop()], "conditional"), "combine"),
    ],
)
def test_a_setting_without_effect_is_an_error_that_names_its_key(make, key) -> None:
    with pytest.raises(SpecError) as caught:
        make()
    assert caught.value.where.endswith(key)
