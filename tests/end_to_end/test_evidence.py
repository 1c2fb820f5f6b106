"""The evidence for operators is a command over a spec that anybody can run."""

from pathlib import Path

from leaven.config import load_spec
from leaven.config.experiment_spec import Spec

EXAMPLES = Path(__file__).parents[2] / "examples"


def asked() -> Spec:
    return load_spec(EXAMPLES / "beauty-operators.toml")


def test_each_arm_is_one_operator_in_place_and_afresh() -> None:
    steps = [arm.plan.named_steps for arm in asked().variants]
    assert all(len(plan) == 1 for plan in steps)
    assert {(step.mode, step.when) for (step,) in steps} == {("in_place", "each_epoch")}
    assert len({type(step.use) for (step,) in steps}) == len(steps) >= 9
