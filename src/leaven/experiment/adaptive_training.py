"""Preparation of trainings with a controller: checks, monitored users and the un-augmented pilot."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

from leaven import rng
from leaven.augmentation import Plan
from leaven.augmentation.adaptive import ControllerCallback, DecisionLog, PilotCallback, select_monitored_users
from leaven.ctr_features import SampleSplit
from leaven.errors import FitError, SpecError
from leaven.facts import DecisionFacts, PilotFacts, StratumFacts, from_json, to_json
from leaven.protocols import Model, ProgressCallback, TrainingContext
from leaven.run_folder import RunFolder, compute_fingerprint, read_json, write_json
from leaven.splits.log_splits import Split

_NO_EPOCHS = "constant strength: this recommender is fitted in one pass, without validation"
_LOSSES = "losses.json"


@dataclass(frozen=True, eq=False)
class TrainingSetup:
    """Settings that a training shares with its pilot. training_seed: training seed; depends: fingerprint of data and
    evaluation.
    """

    run: RunFolder
    recommender: Model
    split: Split | SampleSplit
    steps: int | None
    seed: int
    training_seed: int
    depends: str

    @property
    def key(self) -> int:
        """Key of all draws, the same for every variant: variants differ only by their rows."""
        return rng.derive_key(self.seed, "training", self.training_seed)


@dataclass(frozen=True, eq=False)
class AdaptiveControl:
    """Control of one training. callback: None for a plan without a controller, or a recommender without optimizer
    steps; pilot: its cost, None without a pilot."""

    callback: ControllerCallback | None = None
    pilot: PilotFacts | None = None


def check_plan(plan: Plan, recommender: Model, split: Split | SampleSplit) -> None:
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


def build_control(plan: Plan, setup: TrainingSetup, on_progress: ProgressCallback) -> AdaptiveControl:
    """Callback of the plan's controller, after its pilot has run."""
    if plan.controller is None or setup.recommender.steps(setup.split.train) is None:
        return AdaptiveControl()
    monitored = select_monitored_users(
        setup.split.control, setup.split.train, plan.controller.strata, rng.derive_key(setup.seed, "watched")
    )
    share = plan.controller.pilot_share
    pilot = PilotCallback(monitored, share) if share else None
    cost = None if pilot is None else _run_pilot(setup, pilot, share, on_progress)
    key = rng.derive_key(setup.key, "controller")
    callback = ControllerCallback(plan.controller, monitored, plan.controlled_steps, key, pilot)
    return AdaptiveControl(callback, cost)


def _run_pilot(setup: TrainingSetup, pilot: PilotCallback, share: float, on_progress: ProgressCallback) -> PilotFacts:
    """Train on the real rows alone up to a share of the steps; one pilot for all variants with the same share."""
    name = f"pilot {share:g} seed {setup.training_seed}"
    folder = setup.run.path / "pilots" / name.replace(" ", "-")
    depends = compute_fingerprint(setup.depends, setup.steps, setup.training_seed, share)
    with setup.run.run_stage(name, depends, [folder]) as stage:
        if not stage.is_done:
            _train_pilot(setup, pilot, folder, lambda done, total, text: on_progress(done, total, f"pilot: {text}"))
            stage.facts = to_json(PilotFacts(name, pilot.steps[-1], share))
    pilot.load_state_dict(read_json(folder / _LOSSES, "run it again: leaven run SPEC --resume"))
    return replace(from_json(PilotFacts, stage.facts, name), seconds=stage.seconds)


def _train_pilot(setup: TrainingSetup, pilot: PilotCallback, folder: Path, on_progress: ProgressCallback) -> None:
    """Train and store the losses; the model is discarded."""
    training = TrainingContext(
        setup.key, setup.steps, checkpoint_folder=folder / "checkpoint", on_progress=on_progress, callback=pilot
    )
    start = time.perf_counter()
    setup.recommender.fit(setup.split.train, training)
    if not pilot.steps:
        raise _no_losses(setup.recommender)
    write_json(folder / _LOSSES, pilot.state_dict() | {"seconds": round(time.perf_counter() - start, 2)})


def list_decisions(callback: ControllerCallback | None, plan: Plan, recommender: Model) -> DecisionLog:
    """The controller's log of a training, JSON-able; one constant decision for a recommender without epochs.

    Raises FitError where a recommender took steps without calling the callback.
    """
    if plan.controller is None:
        return []
    if callback is None:
        constant = {"strength": [1.0], "share": [1.0], "why": _NO_EPOCHS, "step": "", "flag": ""}
        return [{"step": 0, "progress": 0.0, "signals": {}, "decision": constant, "why": _NO_EPOCHS}]
    if not callback.log:
        raise _no_losses(recommender)
    return callback.log


def describe_decisions(log: DecisionLog, variant: str, seed: int) -> tuple[DecisionFacts, ...]:
    """The controller's log as facts."""
    return tuple(
        DecisionFacts(
            variant=variant,
            seed=seed,
            step=row["step"],
            progress=row["progress"],
            strength=tuple(row["decision"]["strength"]),
            share=tuple(row["decision"]["share"]),
            reason=row["why"],
            active_step=row["decision"]["step"],
            flag=row["decision"]["flag"],
            strata=tuple(
                StratumFacts(s["stratum"], s["users"], s["control"], s["probe"], s["gap"], s["target"])
                for s in (row["signals"]["strata"] if row["signals"] else ())
            ),
        )
        for row in log
    )


def _no_losses(recommender: Model) -> FitError:
    fix = "choose another recommender, or a combine other than conditional"
    return FitError(type(recommender).__name__, "losses of control users at each validation", "none", fix)
