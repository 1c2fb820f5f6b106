"""When the strength changes, what ends augmentation, and which step is sampled."""

from collections import Counter
from dataclasses import replace

import pytest

from leaven.controllers.gap_controller import GapController
from leaven.controllers.replay import Replay
from leaven.errors import SpecError
from leaven.protocols import Decision, Feedback, Signals

PLAIN = GapController(smoothing=0.0, warm_up_share=0.1, clean_share=0.1)


def look(progress: float, *gaps: float, slope: float = 0.0, **told) -> Feedback:
    strata = tuple(Signals(f"{n}", 40, 4.0 + gap, 4.0, gap, 0.1, 0.5, slope, 0.01) for n, gap in enumerate(gaps))
    return Feedback(round(1000 * progress), progress, progress + 0.05, strata, **told)


def course(controller: GapController, feedback: list[Feedback]) -> list[Decision]:
    state, made = {}, []
    for one in feedback:
        decision, state = controller(one, state)
        made.append(decision)
    return made


def strengths(controller: GapController, feedback: list[Feedback]) -> list[float]:
    return [one.strength[0] for one in course(controller, feedback)]


def test_strength_rises_when_overfitting_falls_when_underfitting_and_holds_otherwise() -> None:
    gaps = [0.7, 0.7, 0.7, 0.55, 0.45, 0.3, 0.3]
    assert strengths(PLAIN, [look(0.2, gap) for gap in gaps]) == [0.25, 0.5, 0.75, 0.75, 0.75, 0.5, 0.25]
    assert strengths(PLAIN, [look(0.2, 0.9), look(0.25, 0.9, slope=-0.2), look(0.3, 0.1, slope=-0.2)]) == [0.25] * 3


def test_strength_changes_by_at_most_the_rate_and_stays_below_the_maximum() -> None:
    assert strengths(replace(PLAIN, rate=0.2, max_strength=0.5), [look(0.2, 9.0)] * 4) == [0.2, 0.4, 0.5, 0.5]
    assert strengths(PLAIN, [look(0.2, -9.0)] * 3) == [0.0] * 3


def test_strength_is_0_during_warm_up_and_in_the_clean_share() -> None:
    made = course(PLAIN, [look(0.05, 9.0), look(0.1, 9.0), look(0.85, 9.0), look(0.86, 9.0), look(0.95, 9.0)])
    assert [one.strength[0] for one in made] == [0.0, 0.25, 0.5, 0.0, 0.0]
    assert [one.why for one in made][::3] == ["warm-up", "clean finish"]
    assert made[4].why == "clean finish"


def test_each_stratum_has_its_own_state() -> None:
    made = course(replace(PLAIN, strata=(5,)), [look(0.2, 0.9, 0.1), look(0.3, 0.9, 0.9), look(0.4, 0.1, 0.9)])
    assert [one.strength for one in made] == [(0.25, 0.0), (0.5, 0.25), (0.25, 0.5)]
    assert made[2].why.startswith("0: down: underfits")


def test_a_single_outlier_does_not_move_a_smoothed_gap() -> None:
    odd = [look(0.2, 0.5), look(0.3, 0.75)]
    assert strengths(PLAIN, odd)[1] == 0.25
    assert strengths(replace(PLAIN, smoothing=0.7), odd)[1] == 0.0


def test_strength_holds_at_the_best_validation_of_the_pilot() -> None:
    """There gap = target with no error at all, and the smoothed gap is not quite there yet."""
    controller = replace(PLAIN, smoothing=0.7)
    before, best = look(0.2, 0.55), look(0.25, 0.5)
    exact = replace(best, strata=(replace(best.strata[0], gap_error=0.0),))
    assert strengths(controller, [before, exact]) == [0.0, 0.0]


def test_stop_loss_ends_augmentation_permanently_and_keeps_its_flag() -> None:
    worse = look(0.3, 0.9, excess=0.21, excess_error=0.1)
    better = look(0.4, 0.9, excess=-1.0, excess_error=0.1)
    made = course(PLAIN, [look(0.2, 0.9, excess=0.19, excess_error=0.1), worse, better])
    assert [one.strength[0] for one in made] == [0.25, 0.0, 0.0]
    assert not made[0].flag
    assert made[1].flag == made[2].flag
    assert "stop-loss at step 300" in made[1].flag
    assert strengths(replace(PLAIN, stop_loss=0.0), [worse, worse]) == [0.25, 0.5]


def test_a_loss_within_the_stop_loss_margin_changes_nothing() -> None:
    assert not course(PLAIN, [look(0.3, 0.5, excess=0.0, excess_error=0.0)])[0].flag


@pytest.mark.parametrize(
    ("steers", "strength", "share"), [("both", 0.25, 0.25), ("strength", 0.25, 1.0), ("counts", 1.0, 0.25)]
)
def test_the_controller_sets_strength_counts_or_both_and_strength_0_adds_no_rows(steers, strength, share) -> None:
    up, off = course(replace(PLAIN, controls=steers), [look(0.2, 0.9), look(0.95, 0.9)])
    assert (up.strength, up.share) == ((strength,), (share,))
    assert (off.strength, off.share) == ((0.0,), (0.0,))


def test_the_step_that_lowers_the_control_loss_is_sampled_most_but_not_always() -> None:
    controller = replace(PLAIN, choose_step=True, exploration_share=0.05)
    state, picked, now = {}, Counter(), ""
    for nth in range(400):
        slope = {"good": -0.1, "bad": 0.1}.get(now, 0.0)
        feedback = replace(look(0.5, 9.0, slope=slope, steps=("bad", "good"), key=3), step=nth)
        feedback = replace(feedback, strata=tuple(replace(one, slope_error=1.0) for one in feedback.strata))
        decision, state = controller(feedback, state)
        now = decision.step
        picked[now] += 1
    assert picked["good"] > 300
    assert picked["bad"] > 5


def test_old_rewards_are_discounted() -> None:
    controller, state, picked = replace(PLAIN, choose_step=True, discount=0.8, exploration_share=0.05), {}, []
    now = ""
    for nth in range(400):
        best = "early" if nth < 200 else "late"
        slope = 0.0 if not now else (-0.1 if now == best else 0.1)
        feedback = replace(look(0.5, 9.0, slope=slope, steps=("early", "late"), key=5), step=nth)
        feedback = replace(feedback, strata=tuple(replace(one, slope_error=1.0) for one in feedback.strata))
        decision, state = controller(feedback, state)
        now = decision.step
        picked.append(now)
    assert picked[100:200].count("early") > 60
    assert picked[300:].count("late") > 60


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({"rate": 0.0}, "rate"),
        ({"smoothing": 1.0}, "smoothing"),
        ({"dead_band": -1.0}, "dead_band"),
        ({"warm_up_share": 0.6, "clean_share": 0.5}, "clean_share"),
        ({"strata": (5, 5)}, "strata"),
        ({"strata": (0,)}, "strata"),
        ({"controls": "all"}, "controls"),
        ({"pilot_share": 0.0}, "pilot_share"),
    ],
)
def test_a_value_out_of_bounds_raises_an_error_that_names_its_key(fields, key) -> None:
    with pytest.raises(SpecError) as caught:
        GapController(**fields)
    assert caught.value.where == f"gap.{key}"


@pytest.mark.parametrize("text", [None, "no JSON", "[]", '[{"progress": 0.1}]', "{}"])
def test_an_invalid_log_raises_an_error_with_the_path_of_logs(tmp_path, text) -> None:
    log = tmp_path / "decisions.json"
    if text is not None:
        log.write_text(text)
    with pytest.raises(SpecError, match=r"replay\.log"):
        Replay(log)


def test_a_replay_with_other_strata_raises_an_error(tmp_path) -> None:
    log = tmp_path / "decisions.json"
    log.write_text('[{"progress": 0.1, "decision": {"strength": [0.5, 1], "share": [0.5, 1], "why": "so"}}]')
    with pytest.raises(SpecError, match="the number of strata of the log"):
        Replay(log)
    assert Replay(log, strata=(5,)).recorded[0][0] == 0.1
