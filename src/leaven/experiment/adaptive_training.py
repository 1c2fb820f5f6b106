"""Preparation of trainings with a controller: checks, monitored users and the un-augmented pilot."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leaven import rng
from leaven.augmentation import Plan
from leaven.augmentation.adaptive import Pilot, Steering, Watched, watched
from leaven.ctr_features import SampleParts
from leaven.errors import FitError, SpecError
from leaven.protocols import Recommender, Tell, Training
from leaven.run_folder import Run, fingerprint, read_json, write_json
from leaven.splits.log_splits import Split

_NO_EPOCHS = "constant strength: this recommender is fitted in one pass, without validation"


@dataclass(frozen=True, eq=False)
class Course:
    """Settings that a training shares with its pilot. number: training seed; depends: fingerprint of data and
    evaluation.
    """

    run: Run
    recommender: Any
    split: Split | SampleParts
    steps: int | None
    seed: int
    number: int
    depends: str

    @property
    def key(self) -> int:
        """Key of all draws, the same for every variant: variants differ only by their rows."""
        return rng.key(self.seed, "training", self.number)


def check(plan: Plan, recommender: Any, split: Split | SampleParts) -> None:
    """Raises LeavenError, before any training, where a plan needs what this recommender or split does not have."""
    if recommender.steps(split.train) is None:
        for step in plan.all:
            if step.when != "once" and not step.acts(0.5):  # such a recommender is fitted on the rows of progress 0.5
                fix = "choose a recommender that takes optimizer steps, or a range that contains 0.5"
                where = f"step {step.called!r}, during"
                raise SpecError(where, "a range that contains 0.5 for this recommender", str(step.during), fix)
    elif plan.controller is not None:
        watched(split.control, split.train, plan.controller.strata, key=0)


def steering(plan: Plan, course: Course, tell: Tell) -> tuple[Steering | None, dict[str, Any]]:
    """(controller callback, cost of the pilot); (None, {}) where the plan has no controller."""
    if plan.controller is None or course.recommender.steps(course.split.train) is None:
        return None, {}
    monitored = watched(
        course.split.control, course.split.train, plan.controller.strata, rng.key(course.seed, "watched")
    )
    pilot, cost = (
        _run_pilot(course, monitored, plan.controller.pilot_share, tell) if plan.controller.pilot_share else (None, {})
    )
    key = rng.key(course.key, "controller")
    return Steering(plan.controller, monitored, plan.steered, key, pilot), cost


def _run_pilot(course: Course, monitored: Watched, share: float, tell: Tell) -> tuple[Pilot, dict[str, Any]]:
    """Train on the real rows alone up to a share of the steps; one pilot for all variants with the same share."""
    name = f"pilot {share:g} seed {course.number}"
    folder, pilot = course.run.folder / "pilots" / name.replace(" ", "-"), Pilot(monitored, share)
    depends = fingerprint(course.depends, course.steps, course.number, share)
    with course.run.stage(name, depends, [folder]) as stage:
        if not stage.done:
            _train_pilot(course, pilot, folder, lambda done, total, words: tell(done, total, f"pilot: {words}"))
            stage.facts = {"pilot": name, "steps": pilot.steps[-1], "share": share}
    pilot.recall(read_json(folder / "looks.json", "run it again: leaven run SPEC --resume"))
    return pilot, stage.facts | {"seconds": stage.seconds}


def _train_pilot(course: Course, pilot: Pilot, folder: Path, tell: Tell) -> None:
    """Train and store the losses; the model is discarded."""
    training = Training(course.key, course.steps, folder=folder / "checkpoint", tell=tell, watch=pilot)
    start = time.perf_counter()
    course.recommender.fit(course.split.train, training)
    if not pilot.steps:
        raise _no_losses(course.recommender)
    write_json(folder / "looks.json", pilot.memory() | {"seconds": round(time.perf_counter() - start, 2)})


def decisions(steering: Steering | None, plan: Plan, recommender: Recommender) -> list[dict[str, Any]]:
    """The controller's log of a training, JSON-able; one constant decision for a recommender without epochs.

    Raises FitError where a recommender took steps without calling the callback.
    """
    if plan.controller is None:
        return []
    if steering is None:
        constant = {"strength": [1.0], "share": [1.0], "why": _NO_EPOCHS, "step": "", "flag": ""}
        return [{"step": 0, "progress": 0.0, "signals": {}, "decision": constant, "why": _NO_EPOCHS}]
    if not steering.log:
        raise _no_losses(recommender)
    return steering.log


def _no_losses(recommender: Recommender) -> FitError:
    fix = "choose another recommender, or a combine other than conditional"
    return FitError(type(recommender).__name__, "losses of control users at each validation", "none", fix)
