"""Preparation of trainings with a controller: checks, monitored users and the un-augmented pilot."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leaven import rng
from leaven.augmentation import Plan
from leaven.augmentation.adaptive import ControllerCallback, MonitoredUsers, PilotCallback, select_monitored_users
from leaven.ctr_features import SampleSplit
from leaven.errors import FitError, SpecError
from leaven.protocols import ProgressCallback, Recommender, TrainingContext
from leaven.run_folder import RunFolder, compute_fingerprint, read_json, write_json
from leaven.splits.log_splits import Split

_NO_EPOCHS = "constant strength: this recommender is fitted in one pass, without validation"


@dataclass(frozen=True, eq=False)
class TrainingSetup:
    """Settings that a training shares with its pilot. training_seed: training seed; depends: fingerprint of data and
    evaluation.
    """

    run: RunFolder
    recommender: Any
    split: Split | SampleSplit
    steps: int | None
    seed: int
    training_seed: int
    depends: str

    @property
    def key(self) -> int:
        """Key of all draws, the same for every variant: variants differ only by their rows."""
        return rng.derive_key(self.seed, "training", self.training_seed)


def check_plan(plan: Plan, recommender: Any, split: Split | SampleSplit) -> None:
    """Raises LeavenError, before any training, where a plan needs what this recommender or split does not have."""
    if recommender.steps(split.train) is None:
        for step in plan.named_steps:
            if step.when != "once" and not step.is_active(
                0.5
            ):  # such a recommender is fitted on the rows of progress 0.5
                fix = "choose a recommender that takes optimizer steps, or a range that contains 0.5"
                where = f"step {step.display_name!r}, during"
                raise SpecError(where, "a range that contains 0.5 for this recommender", str(step.during), fix)
    elif plan.controller is not None:
        select_monitored_users(split.control, split.train, plan.controller.strata, key=0)


def build_controller_callback(
    plan: Plan, course: TrainingSetup, on_progress: ProgressCallback
) -> tuple[ControllerCallback | None, dict[str, Any]]:
    """(controller callback, cost of the pilot); (None, {}) where the plan has no controller."""
    if plan.controller is None or course.recommender.steps(course.split.train) is None:
        return None, {}
    monitored = select_monitored_users(
        course.split.control, course.split.train, plan.controller.strata, rng.derive_key(course.seed, "watched")
    )
    pilot, cost = (
        _run_pilot(course, monitored, plan.controller.pilot_share, on_progress)
        if plan.controller.pilot_share
        else (None, {})
    )
    key = rng.derive_key(course.key, "controller")
    return ControllerCallback(plan.controller, monitored, plan.controlled_steps, key, pilot), cost


def _run_pilot(
    course: TrainingSetup, monitored: MonitoredUsers, share: float, on_progress: ProgressCallback
) -> tuple[PilotCallback, dict[str, Any]]:
    """Train on the real rows alone up to a share of the steps; one pilot for all variants with the same share."""
    name = f"pilot {share:g} seed {course.training_seed}"
    folder, pilot = course.run.path / "pilots" / name.replace(" ", "-"), PilotCallback(monitored, share)
    depends = compute_fingerprint(course.depends, course.steps, course.training_seed, share)
    with course.run.run_stage(name, depends, [folder]) as stage:
        if not stage.is_done:
            _train_pilot(course, pilot, folder, lambda done, total, words: on_progress(done, total, f"pilot: {words}"))
            stage.facts = {"pilot": name, "steps": pilot.steps[-1], "share": share}
    pilot.load_state_dict(read_json(folder / "looks.json", "run it again: leaven run SPEC --resume"))
    return pilot, stage.facts | {"seconds": stage.seconds}


def _train_pilot(course: TrainingSetup, pilot: PilotCallback, folder: Path, on_progress: ProgressCallback) -> None:
    """Train and store the losses; the model is discarded."""
    training = TrainingContext(
        course.key, course.steps, checkpoint_folder=folder / "checkpoint", on_progress=on_progress, callback=pilot
    )
    start = time.perf_counter()
    course.recommender.fit(course.split.train, training)
    if not pilot.steps:
        raise _no_losses(course.recommender)
    write_json(folder / "looks.json", pilot.state_dict() | {"seconds": round(time.perf_counter() - start, 2)})


def list_decisions(steering: ControllerCallback | None, plan: Plan, recommender: Recommender) -> list[dict[str, Any]]:
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
