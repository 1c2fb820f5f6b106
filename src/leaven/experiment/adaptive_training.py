"""What does a plan that steers itself need before its training begins? Control users, and a pilot to measure by."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leaven import rng
from leaven.augmentation import Plan
from leaven.augmentation.adaptive import Pilot, Steering, Watched, watched
from leaven.augmentation.plan import Step
from leaven.ctr_features import SampleParts
from leaven.errors import FitError, SpecError
from leaven.protocols import Recommender, Tell, Training
from leaven.run_folder import Run, fingerprint, read_json, write_json
from leaven.splits.log_splits import Split

KNOWS_NO_EPOCHS = "constant strength: this recommender learns in one pass and shows nothing while it does"


@dataclass(frozen=True, eq=False)
class Course:
    """What a training has in common with its pilot. key: of all its draws; depends: fingerprint of data and judging."""

    run: Run
    recommender: Any
    split: Split | SampleParts
    steps: int | None
    seed: int
    number: int
    depends: str

    @property
    def key(self) -> int:
        """The same for every arm: arms differ by their rows, not by their luck."""
        return rng.key(self.seed, "training", self.number)


def check(plan: Plan, recommender: Any, split: Split | SampleParts) -> None:
    """Raises LeavenError, before any training, where a plan asks for what this recommender or split cannot give."""
    if recommender.steps(split.train) is None:
        for step in plan.all:
            _check_half(step)
    elif plan.controller is not None:
        watched(split.control, split.train, plan.controller.strata, key=0)


def _check_half(step: Step) -> None:
    """A recommender of one pass learns from the rows of half-way."""
    if step.when != "once" and not step.acts(0.5):
        fix = "choose a recommender that takes optimiser steps, or a share with 0.5 in it"
        raise SpecError(f"step {step.called!r}, during", "a share that this recommender knows", str(step.during), fix)


def steering(plan: Plan, course: Course, tell: Tell) -> tuple[Steering | None, dict[str, Any]]:
    """(who steers, what the pilot cost); (None, {}) where nobody does."""
    if plan.controller is None or course.recommender.steps(course.split.train) is None:
        return None, {}
    found = watched(course.split.control, course.split.train, plan.controller.strata, rng.key(course.seed, "watched"))
    pilot, cost = (
        _pilot(course, found, plan.controller.pilot_share, tell) if plan.controller.pilot_share else (None, {})
    )
    key = rng.key(course.key, "controller")
    return Steering(plan.controller, found, plan.steered, key, pilot), cost


def _pilot(course: Course, found: Watched, share: float, tell: Tell) -> tuple[Pilot, dict[str, Any]]:
    """A training on the real rows alone, cut off at its share; one for all arms that ask for the same."""
    name = f"pilot {share:g} seed {course.number}"
    folder, pilot = course.run.folder / "pilots" / name.replace(" ", "-"), Pilot(found, share)
    depends = fingerprint(course.depends, course.steps, course.number, share)
    with course.run.stage(name, depends, [folder]) as stage:
        if not stage.done:
            _fly(course, pilot, folder, lambda done, total, words: tell(done, total, f"pilot: {words}"))
            stage.facts = {"pilot": name, "steps": pilot.steps[-1], "share": share}
    pilot.recall(read_json(folder / "looks.json", "make it again: leaven run SPEC --resume"))
    return pilot, stage.facts | {"seconds": stage.seconds}


def _fly(course: Course, pilot: Pilot, folder: Path, tell: Tell) -> None:
    """Train, and keep what was seen; the net goes."""
    training = Training(course.key, course.steps, folder=folder / "checkpoint", tell=tell, watch=pilot)
    begun = time.perf_counter()
    course.recommender.fit(course.split.train, training)
    if not pilot.steps:
        raise _blind(course.recommender)
    write_json(folder / "looks.json", pilot.memory() | {"seconds": round(time.perf_counter() - begun, 2)})


def decisions(found: Steering | None, plan: Plan, recommender: Recommender) -> list[dict[str, Any]]:
    """The log of a training, JSON-able; of a recommender that knows no epochs, the one row that says so.

    Raises FitError where a recommender took steps and showed nothing.
    """
    if plan.controller is None:
        return []
    if found is None:
        whole = {"strength": [1.0], "share": [1.0], "why": KNOWS_NO_EPOCHS, "step": "", "flag": ""}
        return [{"step": 0, "progress": 0.0, "signals": {}, "decision": whole, "why": KNOWS_NO_EPOCHS}]
    if not found.log:
        raise _blind(recommender)
    return found.log


def _blind(recommender: Recommender) -> FitError:
    fix = "choose another recommender, or another combine than conditional"
    return FitError(type(recommender).__name__, "losses of control users at each look", "none", fix)
