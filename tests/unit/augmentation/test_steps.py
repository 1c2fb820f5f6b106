"""Checks and names of steps and plans."""

import pytest

from leaven.augmentation import Plan, Step
from leaven.errors import SpecError
from leaven.generators.sequence.markov import Markov
from leaven.schedules.progress_schedules import Constant, Linear
from leaven.transforms.sequence.crop import Crop
from leaven.transforms.sequence.resampling import Repeat


def test_a_bare_operator_means_a_step_with_its_defaults() -> None:
    (step,) = Plan([Crop()]).named_steps
    assert step == Step(Crop(), name="crop")
    assert (step.mode, step.when, step.p, step.row_weight) == ("append", "once", 1.0, 1.0)


def test_steps_of_one_kind_are_counted() -> None:
    assert [step.display_name for step in Plan([Crop(), Repeat(), Crop(), Step(Crop(), name="own")]).named_steps] == [
        "crop",
        "repeat",
        "crop 2",
        "own",
    ]


def test_generated_rows_have_weight_one_half_by_default() -> None:
    assert Step(Markov()).row_weight == 0.5
    assert Step(Markov(), weight=0.25).row_weight == 0.25


def test_layered_plans_read_earlier_rows_and_joint_plans_the_real_rows() -> None:
    layered, joint = Plan([Crop(), Markov()], "layered"), Plan([Crop(), Markov()])
    assert layered.get_input(layered.named_steps[1]) == "previous"
    assert joint.get_input(joint.named_steps[1]) == "real"
    assert layered.get_input(Step(Markov(), input="crop")) == "crop"


def test_the_description_of_a_step_lists_what_differs_from_the_defaults() -> None:
    assert Step(Crop(keep_range=(0.5, 0.7))).description == "crop (keep range 0.5 to 0.7)"
    assert Step(Crop()).description == "crop"


@pytest.mark.parametrize(
    ("make", "key"),
    [
        (lambda: Step(Crop(), p=1.5), "p"),
        (lambda: Step(Crop(), mode="ad"), "mode"),  # type: ignore[arg-type]
        (lambda: Step(Crop(), when="each epoch"), "when"),  # type: ignore[arg-type]
        (lambda: Step(Crop(), weight=-1.0), "weight"),
        (lambda: Step(Markov(), mode="in_place"), "mode"),
        (lambda: Step(Crop(), strength=Linear()), "strength"),
        (lambda: Plan([Crop()], "joined"), "combine"),  # type: ignore[arg-type]
        (lambda: Plan([Step(Crop(), input="markov"), Markov()]), "input"),
        (lambda: Plan([Step(Crop(), name="a"), Step(Repeat(), name="a")]), "steps"),
    ],
)
def test_a_value_out_of_bounds_is_one_error_that_names_its_key(make, key) -> None:
    with pytest.raises(SpecError) as caught:
        make()
    assert caught.value.where.endswith(key)


def test_a_constant_strength_is_fine_for_a_step_that_runs_once() -> None:
    assert Step(Crop(), strength=Constant(0.5)).strength(1.0) == 0.5
