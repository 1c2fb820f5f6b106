"""Schedules at their ends and in between."""

import math

import pytest

from leaven.errors import SpecError
from leaven.schedules.progress_schedules import Constant, CoolDown, Cosine, JoinedSchedule, Linear, Staircase, WarmUp


def test_ends_are_exact() -> None:
    assert (Linear(0.1, 0.7)(0), Linear(0.1, 0.7)(1)) == (0.1, 0.7)
    assert (Cosine(0.9, 0.3)(0), Cosine(0.9, 0.3)(1)) == (0.9, 0.3)
    assert (WarmUp(0.2, 0.8)(0), WarmUp(0.2, 0.8)(0.2), WarmUp(0.2, 0.8)(1)) == (0, 0.8, 0.8)
    assert (CoolDown(0.8, 0.2, 0.3)(0.4), CoolDown(0.8, 0.2, 0.3)(0.7), CoolDown(0.8, 0.2, 0.3)(1)) == (0.8, 0, 0)


def test_between_the_ends() -> None:
    assert Linear(1, 0)(0.25) == 0.75
    assert math.isclose(Cosine(1, 0)(1 / 3), 0.5 + 0.5 * math.cos(math.pi / 3))
    assert WarmUp(0.5, 0.6)(0.25) == 0.3
    assert math.isclose(CoolDown(1, 0.2, 0.2)(0.7), 0.5)


def test_a_share_of_0_is_an_immediate_change() -> None:
    assert WarmUp(share=0)(0) == 1
    assert CoolDown(fall_share=0, clean_share=0.1)(0.89) == 1
    assert CoolDown(fall_share=0, clean_share=0.1)(0.9) == 0


def test_stages_begin_at_the_given_progress() -> None:
    stairs = Staircase((0.1, 0.5, 0.9), boundaries=(0.2, 0.8))
    assert [stairs(p) for p in (0, 0.19, 0.2, 0.79, 0.8, 1)] == [0.1, 0.1, 0.5, 0.5, 0.9, 0.9]
    assert [Staircase((0.0, 1.0))(p) for p in (0.49, 0.5)] == [0, 1]


def test_each_part_runs_from_0_to_1_in_its_stage() -> None:
    joined = JoinedSchedule((Linear(0, 1), Constant(0.4), Linear(0.4, 0)), boundaries=(0.5, 0.75))
    assert [joined(p) for p in (0, 0.25, 0.5, 0.75, 0.875, 1)] == [0, 0.5, 0.4, 0.4, 0.2, 0]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Constant(1.1),
        lambda: Linear(first=-0.1),
        lambda: Cosine(last=float("nan")),
        lambda: Staircase(()),
        lambda: Staircase((0.1, 0.2), boundaries=(0.3, 0.4)),
        lambda: JoinedSchedule((Constant(), Constant(), Constant()), boundaries=(0.6, 0.5)),
        lambda: JoinedSchedule((Constant(), Constant()), boundaries=(1.0,)),
        lambda: CoolDown(fall_share=0.6, clean_share=0.5),
    ],
)
def test_an_invalid_config_raises_an_error(wrong) -> None:
    with pytest.raises(SpecError):
        wrong()
