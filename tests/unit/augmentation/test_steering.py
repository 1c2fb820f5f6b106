"""Controllers: monitored users, effects of decisions on rows, the pilot, and the log."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from leaven.augmentation import Plan, Step, build_epoch_rows
from leaven.augmentation.adaptive import ControllerCallback, PilotCallback, select_monitored_users
from leaven.controllers.gap_controller import GapController
from leaven.datasets.histories import HeldOut, Histories
from leaven.datasets.samples import Samples
from leaven.errors import DataError
from leaven.protocols import Decision, Feedback, TrainingContext
from leaven.recommenders.transformer import Transformer
from leaven.strategies.copy_counts import Uniform
from leaven.transforms.sequence.masking import Drop, Mask
from leaven.transforms.sequence.resampling import Repeat

N_ITEMS = 20
SMALL = Transformer(width=16, layers=1, heads=1, batch_events=128, dropout=0.0, n_validations=10, device="cpu")


def rows(count: int, key: int, longest: int = 12) -> Histories:
    chance = np.random.default_rng(key)
    made = [(np.arange(chance.integers(2, longest)) * 3 % N_ITEMS + 1).tolist() for _ in range(count)]
    return Histories.from_lists(made, N_ITEMS, row_ids=range(1000 * key, 1000 * key + count))


TRAIN = rows(90, 1)
CONTROL = HeldOut(rows(40, 2), np.full(40, 3, np.int32), np.full(40, 99, np.int64), np.arange(41))
CROP = Step(Drop(p=0.9), mode="in_place", when="each_epoch", p=0.8)
MORE = Step(Repeat(), when="each_epoch", copies=Uniform(2))


class Scripted:
    """Gives these strengths, one a look, whatever it sees."""

    pilot_share = 0.0

    def __init__(self, *levels: tuple[float, ...], strata: tuple[int, ...] = (), step: str = "") -> None:
        self.levels, self.strata, self.step = levels, strata, step

    def __call__(self, feedback, state):
        nth = state.get("nth", 0)
        level = self.levels[min(nth, len(self.levels) - 1)]
        return Decision(level, level, "as written", self.step), {"nth": nth + 1}


def steering(controller, plan: Plan, pilot: PilotCallback | None = None) -> ControllerCallback:
    return ControllerCallback(
        controller, select_monitored_users(CONTROL, TRAIN, controller.strata, key=1), plan.controlled_steps, 7, pilot
    )


def plan(*steps: Step) -> Plan:
    return Plan(steps, "conditional")


def test_control_users_come_first_then_as_many_rows_of_training_without_their_last_event() -> None:
    found = select_monitored_users(CONTROL, TRAIN, (), key=1)
    assert found.n_control == 40
    assert len(found.rows) == 80
    assert set(found.rows.histories.row_ids[:40]) == set(CONTROL.histories.row_ids)
    real = {int(key): TRAIN.row_items(row).tolist() for row, key in enumerate(TRAIN.row_ids)}
    for user in range(40, 80):
        row = real[int(found.rows.histories.row_ids[user])]
        assert found.rows.histories.row_items(user).tolist() == row[:-1]
        assert found.rows.target_items[found.rows.target_starts[user]] == row[-1]


def test_who_is_watched_does_not_depend_on_the_order_of_rows() -> None:
    back = TRAIN.take(np.arange(len(TRAIN))[::-1])
    one, other = (select_monitored_users(CONTROL, train, (), key=1).rows.histories.row_ids for train in (TRAIN, back))
    assert set(one) == set(other)


def test_without_control_users_or_with_too_few_in_a_stratum_the_error_names_the_key_to_raise() -> None:
    with pytest.raises(DataError, match=r"split\.control_share = 0\.05"):
        select_monitored_users(None, TRAIN, (), key=1)
    with pytest.raises(DataError, match=r"control users, 40\+ events: expected at least 10, got 0\n.*fewer strata"):
        select_monitored_users(CONTROL, TRAIN, (40,), key=1)


def test_before_the_first_decision_nothing_is_augmented() -> None:
    both = plan(CROP, MORE)
    epochs = build_epoch_rows(TRAIN, TRAIN, both, 7, 1, steering(Scripted((1.0,)), both))
    assert np.array_equal(epochs(0, 0.0).items, TRAIN.items)


def test_a_decision_holds_from_its_validation_on_and_changes_counts_of_copies_and_of_in_place_changes() -> None:
    both = plan(CROP, MORE)
    who = steering(Scripted((0.5,), (1.0,)), both)
    epochs = build_epoch_rows(TRAIN, TRAIN, both, 7, 1, who)
    losses = np.ones(80)
    assert who.on_validation(10, 0.1, losses) == "fresh rows"
    assert who.on_validation(20, 0.2, losses) == "fresh rows"
    assert who.on_validation(30, 0.3, losses) == "go on"
    made = {progress: epochs(1, progress) for progress in (0.05, 0.1, 0.2, 0.9)}
    new = {progress: int((one.origin == 2).sum()) for progress, one in made.items()}
    assert new == {0.05: 0, 0.1: 90, 0.2: 180, 0.9: 180}
    changed = {progress: int((one.origin == 1).sum()) for progress, one in made.items()}
    assert changed[0.05] == 0
    assert 0 < changed[0.1] < changed[0.2] == changed[0.9]


def test_a_stratum_is_moved_by_its_own_strength_alone() -> None:
    only = plan(replace(CROP, p=1.0))
    who = steering(Scripted((0.0, 1.0), strata=(6,)), only)
    who.on_validation(10, 0.1, np.ones(80))
    made = build_epoch_rows(TRAIN, TRAIN, only, 7, 1, who)(0, 0.1)
    short = TRAIN.lengths - 1 < 6
    assert not made.origin[short].any()
    assert made.origin[~short].mean() > 0.5


def test_where_one_step_is_chosen_the_others_rest() -> None:
    both = plan(CROP, MORE)
    who = steering(Scripted((1.0,), step="repeat"), both)
    who.on_validation(10, 0.1, np.ones(80))
    assert set(build_epoch_rows(TRAIN, TRAIN, both, 7, 1, who)(0, 0.1).origin) == {0, 2}


def test_a_step_that_is_not_of_each_epoch_is_not_moved() -> None:
    mixed = plan(Step(Mask()), CROP)
    assert mixed.controlled_steps == ("drop",)


def test_signals_are_means_of_users_and_their_change_user_by_user() -> None:
    who = steering(Scripted((0.0,)), plan(CROP))
    chance = np.random.default_rng(4)
    first = chance.random(80)
    second = first + np.where(np.arange(80) < 40, 0.5, 0.0)
    who.on_validation(10, 0.1, first)
    who.on_validation(20, 0.2, second)
    one, two = (row["signals"]["strata"][0] for row in who.log)
    assert one["control"] == pytest.approx(first[:40].mean())
    assert one["gap"] == pytest.approx(first[:40].mean() - first[40:].mean())
    assert one["slope"] is None
    assert two["slope"] == pytest.approx(0.5)
    assert two["slope_error"] == pytest.approx(0.0, abs=1e-12)
    assert who.log[1]["signals"]["until"] == pytest.approx(0.3)


def test_the_target_is_the_gap_where_the_pilot_did_best_and_excess_is_counted_at_equal_steps() -> None:
    pilot = PilotCallback(select_monitored_users(CONTROL, TRAIN, (), key=1), 0.3)
    said = [
        pilot.on_validation(10 * nth, nth / 10, np.repeat([loss, 1.0], 40))
        for nth, loss in ((1, 5.0), (2, 3.0), (3, 4.0))
    ]
    assert said == ["go on", "go on", "stop"]
    who = steering(Scripted((0.0,)), plan(CROP), pilot)
    who.on_validation(10, 0.1, np.repeat([5.5, 1.0], 40))
    who.on_validation(40, 0.4, np.repeat([5.5, 1.0], 40))
    near, far = (row["signals"] for row in who.log)
    assert near["strata"][0]["target"] == 2.0
    assert near["strata"][0]["gap_error"] == 0.0
    assert near["excess"] == pytest.approx(0.5)
    assert far["excess"] is None


def test_until_it_augments_a_training_is_the_pilot_and_after_a_kill_it_ends_with_the_same_bytes_and_decisions(
    tmp_path,
) -> None:
    both = Plan([CROP, MORE], "conditional", GapController(dead_band=0.0, smoothing=0.0, choose_step=True))
    found = select_monitored_users(CONTROL, TRAIN, (), key=1)
    pilot = PilotCallback(found, 0.3)
    SMALL.fit(TRAIN, TrainingContext(5, steps=100, callback=pilot))
    assert pilot.steps == [10, 20, 30]

    class Killed(Exception):
        pass

    def kill(done: int, total: int, words: str) -> None:
        if done >= 60:
            raise Killed

    def fit(folder, tell=lambda done, total, words: None):
        who = ControllerCallback(both.controller, found, both.controlled_steps, 7, pilot)
        refresh = build_epoch_rows(TRAIN, TRAIN, both, 7, 1, who)
        fitted = SMALL.fit(
            TRAIN,
            TrainingContext(
                5, steps=100, rows_for_epoch=refresh, callback=who, checkpoint_folder=folder, on_progress=tell
            ),
        )
        return fitted, who.log

    with pytest.raises(Killed):
        fit(tmp_path / "killed", kill)
    again, log = fit(tmp_path / "killed")
    whole, straight = fit(None)
    assert log[0]["signals"]["excess"] == 0.0
    assert any(row["decision"]["strength"][0] > 0 for row in straight)
    assert straight[-1]["decision"]["strength"][0] == 0.0
    assert json.dumps(log) == json.dumps(straight)
    again.save(tmp_path / "again")
    whole.save(tmp_path / "whole")
    name = "transformer.safetensors"
    assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_log_repeats_its_decisions() -> None:
    controller = GapController(dead_band=0.0)
    who = steering(controller, plan(CROP))
    chance = np.random.default_rng(8)
    for nth in range(1, 11):
        who.on_validation(10 * nth, nth / 10, chance.random(80) + nth / 10)
    state = {}
    for row in json.loads(json.dumps(who.log)):
        decision, state = controller(Feedback.from_dict(row["signals"]), state)
        assert json.loads(json.dumps(asdict(decision))) == row["decision"]


def labelled(users: int, first: int, key: int) -> Samples:
    """Between one and six rows a user."""
    draw = np.random.default_rng(key)
    who = np.repeat(np.arange(first, first + users), draw.integers(1, 7, users))
    x = draw.normal(size=len(who))
    return Samples.from_columns({"x": x}, (x > 0).astype(float), np.arange(len(who)) + 10_000 * key + 1, who)


def test_of_labelled_rows_all_those_of_a_user_count_as_one() -> None:
    control, train = labelled(20, 1, 1), labelled(50, 100, 2)
    found = select_monitored_users(control, train, (), key=1)
    assert found.n_control == 20
    assert len(found.user_sizes) == 40
    assert set(found.rows.user_ids[found.row_user < 20]) == set(control.user_ids)
    losses = np.random.default_rng(3).random(len(found.rows))
    whom = found.rows.user_ids[found.row_user == 25][0]
    assert whom >= 100
    assert found.average_per_user(losses)[25] == pytest.approx(losses[found.rows.user_ids == whom].mean())
    back = select_monitored_users(control, train.take(np.arange(len(train))[::-1]), (), key=1)
    assert set(back.rows.row_ids) == set(found.rows.row_ids)


def test_strata_of_labelled_rows_are_by_how_many_their_user_has() -> None:
    control, train = labelled(60, 1, 1), labelled(90, 100, 2)
    who = ControllerCallback(
        Scripted((0.0, 1.0), strata=(4,)), select_monitored_users(control, train, (4,), key=1), ("repeat",), 7
    )
    assert [one["stratum"] for one in (asdict(part) for part in who._build_feedback(1, 0.1, np.ones(120)).strata)] == [
        "1 to 3",
        "4+",
    ]
    who.on_validation(10, 0.1, np.ones(len(who.validation_rows)))
    strength, _ = who.compute_dose(MORE, train, 0.1)
    rows = dict(zip(*np.unique(train.user_ids, return_counts=True), strict=True))
    assert strength.tolist() == [float(rows[user] >= 4) for user in train.user_ids]
    with pytest.raises(DataError, match="40\\+ labelled rows"):
        select_monitored_users(control, train, (40,), key=1)
