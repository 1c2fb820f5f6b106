"""Every registered controller satisfies its contract."""

import inspect
import json
from dataclasses import asdict, replace
from itertools import pairwise

import pytest

from contracts.registered import wish_of
from leaven.protocols import Controller, Decision, Feedback, Signals
from leaven.registry import list_kinds

KINDS = list(list_kinds("controllers"))
LOOKS = 20


def seen(nth: int, strata: int = 1, **signals: float) -> Feedback:
    """A look at a training that improves, then overfits more and more."""
    worse = max(nth - 8, 0) * 0.05
    known = {"control": 4.0 - min(nth, 8) * 0.1 + worse, "probe": 4.0 - nth * 0.1, "gap_error": 0.05, "target": 0.1}
    slope = {} if nth == 1 else {"slope": -0.1 if nth <= 8 else 0.05, "slope_error": 0.01}
    known |= slope | signals
    known["gap"] = known["control"] - known["probe"]
    parts = tuple(Signals(f"stratum {part}", 50 + part, **known) for part in range(strata))
    step, progress = 10 * nth, nth / LOOKS
    return Feedback(step, progress, min(progress + 1 / LOOKS, 1.0), parts, steps=("crop", "drop"), key=7)


def of(kind: str, folder, strata: int = 1) -> Controller:
    """A controller of the kind; a replay of what the first one does."""
    edges = tuple(5 * part for part in range(1, strata))
    if kind != "replay":
        return wish_of("controllers", kind)(strata=edges)
    log = folder / "decisions.json"
    log.write_text(json.dumps(rows(wish_of("controllers", "gap")(strata=edges, choose_step=True), strata)))
    return wish_of("controllers", kind)(log, strata=edges)


def rows(controller: Controller, strata: int = 1) -> list[dict]:
    """The log of a training."""
    state, made = {}, []
    for nth in range(1, LOOKS + 1):
        feedback = seen(nth, strata)
        decision, state = controller(feedback, json.loads(json.dumps(state)))
        made.append({"progress": feedback.progress, "signals": asdict(feedback), "decision": asdict(decision)})
    return made


@pytest.mark.parametrize("strata", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_a_controller_repeats_from_its_json_log(kind, strata, tmp_path) -> None:
    controller, state = of(kind, tmp_path, strata), {}
    for row in json.loads(json.dumps(rows(controller, strata))):
        decision, state = controller(Feedback.from_dict(row["signals"]), state)
        assert json.loads(json.dumps(asdict(decision))) == row["decision"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_controller_resumes_from_a_saved_state(kind, tmp_path) -> None:
    controller, whole = of(kind, tmp_path), rows(of(kind, tmp_path))
    state: dict = {}
    for nth in range(1, LOOKS + 1):
        again = of(kind, tmp_path) if nth == 12 else controller
        decision, state = again(seen(nth), json.loads(json.dumps(state)))
        assert asdict(decision) == whole[nth - 1]["decision"]


@pytest.mark.parametrize("strata", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_every_stratum_gets_a_strength_and_a_share_in_0_to_1_and_every_decision_says_why(
    kind, strata, tmp_path
) -> None:
    for row in rows(of(kind, tmp_path, strata), strata):
        decision = Decision(**row["decision"])
        assert len(decision.strength) == len(decision.share) == strata
        assert all(0 <= level <= 1 for level in (*decision.strength, *decision.share))
        assert decision.why
        assert decision.step in ("", "crop", "drop")


@pytest.mark.parametrize("kind", KINDS)
def test_a_controller_depends_on_feedback_and_state_only(kind, tmp_path) -> None:
    """By construction: no field of the feedback can hold a user, an item, valid or test."""
    assert list(inspect.signature(of(kind, tmp_path)).parameters) == ["feedback", "state"]
    told = {name for part in (Feedback, Signals) for name in part.__dataclass_fields__}
    assert not {name for name in told if "valid" in name or "test" in name}
    plain = json.loads(json.dumps(asdict(seen(3))))
    assert Feedback.from_dict(plain) == seen(3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_controller_does_not_change_its_inputs(kind, tmp_path) -> None:
    controller, state = of(kind, tmp_path), {}
    for nth in range(1, LOOKS + 1):
        before = json.dumps(state)
        _, after = controller(seen(nth), state)
        assert json.dumps(state) == before
        state = dict(after)


def test_a_replay_ignores_its_feedback(tmp_path) -> None:
    recorded = rows(wish_of("controllers", "gap")(choose_step=True))
    replay = of("replay", tmp_path)
    for nth, row in enumerate(recorded, 1):
        decision, _ = replay(replace(seen(nth, control=9.0), excess=5.0, excess_error=0.1), {})
        assert (list(decision.strength), list(decision.share)) == (
            list(row["decision"]["strength"]),
            list(row["decision"]["share"]),
        )
        assert decision.step == row["decision"]["step"]
        assert not decision.flag


def test_a_replay_at_other_validations_uses_the_latest_decision(tmp_path) -> None:
    recorded = rows(wish_of("controllers", "gap")())
    replay = of("replay", tmp_path)
    for before, after in pairwise(recorded):
        between = replace(seen(1), progress=(before["progress"] + after["progress"]) / 2)
        assert replay(between, {})[0].strength == tuple(before["decision"]["strength"])
    assert replay(replace(seen(1), progress=0.01), {})[0].strength == (0.0,)
