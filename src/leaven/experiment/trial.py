"""One training of one variant, and its evaluation on the test users."""

from __future__ import annotations

import resource
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from leaven.augmentation import EpochRows, Plan, build_epoch_rows
from leaven.augmentation.expansion import BLOCK_ROWS, MIN_BLOCK_ROWS, MIN_BLOCKS, LazyRows
from leaven.config import Variant
from leaven.config.build import to_table
from leaven.experiment import adaptive_training, evaluation_result, item_views, tasks
from leaven.experiment.adaptive_training import TrainingSetup
from leaven.experiment.prepared_data import PreparedData
from leaven.experiment.tasks import AnyTask
from leaven.facts import (
    DecisionFacts,
    Figures,
    JsonObject,
    PilotFacts,
    StepFacts,
    TrainingFacts,
    ValidationFacts,
    VariantFacts,
    from_json,
    to_json,
)
from leaven.protocols import FittedModel, Model, ProgressCallback, Rows, TrainingContext
from leaven.run_folder import VIEWS_FOLDER, RunFolder, compute_fingerprint, slugify, write_json

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TrialRecord:
    """What the run folder keeps of a trial, next to its values.

    pooled     metric -> one number for all users; None where it is undefined
    steps      what the plan's steps create in one epoch
    decisions  log of the controller
    pilot      cost of the controller's pilot
    """

    training: TrainingFacts
    pooled: Mapping[str, float | None]
    steps: tuple[StepFacts, ...] = ()
    decisions: tuple[DecisionFacts, ...] = ()
    pilot: PilotFacts | None = None


@dataclass(frozen=True, eq=False)
class Trial:
    """One training of one variant. values, groups: see `EvaluationResult`."""

    record: TrialRecord
    values: Mapping[str, Values]
    groups: Mapping[tuple[str, str], Values]

    @property
    def variant(self) -> str:
        """Name of the variant."""
        return self.record.training.variant

    @property
    def seed(self) -> int:
        """Seed of the training."""
        return self.record.training.seed


@dataclass(frozen=True, eq=False)
class ExpandedVariant:
    """A variant whose rows are written. fingerprint: fingerprint of the rows; facts: their facts for the report."""

    variant: Variant
    rows: LazyRows
    fingerprint: str
    facts: VariantFacts


@dataclass(frozen=True, eq=False)
class TrialContext:
    """What all trials of a run share. steps: optimizer steps of each; fingerprint: of data and evaluation."""

    run: RunFolder
    data: PreparedData
    task_name: str
    recommender: Model
    evaluate: Any
    seed: int
    steps: int | None
    fingerprint: str

    @property
    def task(self) -> AnyTask:
        """The steps of the task: a module, which no worker process can be sent."""
        return tasks.of(self.task_name)

    def describe_stage(self, expanded: ExpandedVariant, seed: int) -> tuple[str, str]:
        """(name, fingerprint) of the stage of one training."""
        depends = compute_fingerprint(self.fingerprint, expanded.fingerprint, self.steps, seed)
        return f"fit {slugify(expanded.variant.name)} {seed}", depends

    def build_setup(self, training_seed: int) -> TrainingSetup:
        """What a training of this seed shares with its pilot."""
        return TrainingSetup(
            self.run, self.recommender, self.data.split, self.steps, self.seed, training_seed, self.fingerprint
        )


def run_trial(bench: TrialContext, expanded: ExpandedVariant, seed: int, on_progress: ProgressCallback) -> Trial:
    """Train one variant with one seed and evaluate it on the test users; read from the folder where it is done."""
    folder = bench.run.training_folder(expanded.variant.name, seed)
    with bench.run.run_stage(*bench.describe_stage(expanded, seed), [folder]) as stage:
        if not stage.is_done:
            stage.facts = to_json(_train_and_evaluate(bench, expanded, seed, on_progress))
    values, groups = evaluation_result.load_values(folder / "values.npz")
    return Trial(from_json(TrialRecord, stage.facts, f"the stage of {folder.name}"), values, groups)


def _train_and_evaluate(
    bench: TrialContext, expanded: ExpandedVariant, seed: int, on_progress: ProgressCallback
) -> TrialRecord:
    plan, name, folder = (
        expanded.variant.plan,
        expanded.variant.name,
        bench.run.training_folder(expanded.variant.name, seed),
    )
    rows = expanded.rows.load()
    control = adaptive_training.build_control(plan, bench.build_setup(seed), on_progress)
    epochs = build_epoch_rows(bench.data.train, rows, plan, bench.seed, seed, control.callback)
    steps = epochs.describe_steps()
    start = time.perf_counter()
    fitted = _fit(bench, rows, epochs, expanded.variant, seed, on_progress)
    seconds, start = time.perf_counter() - start, time.perf_counter()
    log = adaptive_training.list_decisions(control.callback, plan, bench.recommender)
    if log:
        write_json(folder / "decisions.json", log)  # where `replay` finds it
    result = bench.task.evaluate_model(fitted, bench.data.split, bench.evaluate, bench.seed)
    result.save(folder / "values.npz")
    training = replace(
        describe_training(fitted, name, seed, seconds),
        evaluation_seconds=round(time.perf_counter() - start, 3),
        test_views=result.test_views,
        threshold=result.threshold,
        calibration=result.calibration,
    )
    decisions = adaptive_training.describe_decisions(log, name, seed)
    return TrialRecord(training, result.pooled, tuple(steps), decisions, control.pilot)


def _fit(
    bench: TrialContext, rows: Rows, epochs: EpochRows, variant: Variant, seed: int, on_progress: ProgressCallback
) -> FittedModel:
    """Train with the same key for every variant: variants differ only by their rows and views."""
    folder = bench.run.training_folder(variant.name, seed)
    views_folder = bench.run.variant_folder(variant.name) / VIEWS_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    training = TrainingContext(
        key=bench.build_setup(seed).key,
        steps=bench.steps,
        validation=bench.data.split.valid,
        rows_for_epoch=None if epochs.is_constant else epochs,
        checkpoint_folder=folder / "checkpoint",
        on_progress=on_progress,
        catalog_for_epoch=item_views.build_item_views(
            bench.recommender, bench.seed, variant.plan, bench.data.catalog, seed, views_folder
        ),
        callback=epochs.controller,
    )
    fitted = bench.recommender.fit(rows, training)
    fitted.save(folder / "model")
    return fitted


@runtime_checkable
class _ReportsTraining(Protocol):
    """A fitted model that was trained in steps."""

    @property
    def curve(self) -> Sequence[Mapping[str, float]]: ...

    @property
    def facts(self) -> Figures: ...


_KNOWN = ("variant", "seed", "seconds", "steps", "targets", "peak_mb", "stopped")


def describe_training(fitted: FittedModel, variant: str, seed: int, seconds: float) -> TrainingFacts:
    """Facts of a training; `further` holds what the fitted model states beyond the common ones."""
    peak = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
    common: JsonObject = {"variant": variant, "seed": seed, "seconds": round(seconds, 2), "peak_mb": peak}
    if not isinstance(fitted, _ReportsTraining):
        return TrainingFacts(**common)
    curve = tuple(_describe_validation(point) for point in fitted.curve)
    common |= {"steps": curve[-1].step} if curve else {}
    common |= {name: value for name, value in fitted.facts.items() if name in _KNOWN}
    further = {name: value for name, value in fitted.facts.items() if name not in _KNOWN}
    return TrainingFacts(**common, curve=curve, further=further)


def _describe_validation(point: Mapping[str, float]) -> ValidationFacts:
    """One record of a training curve."""
    known = dict(point)
    return ValidationFacts(
        step=int(known.get("step", 0)),
        loss=known.get("loss"),
        ndcg=known.get("valid_ndcg"),
        log_loss=known.get("valid_log_loss"),
    )


def _describe_plan(plan: Plan) -> JsonObject:
    """The part of a plan that shapes its rows, for the fingerprint."""
    table = {"combine": plan.combine, "rounds": plan.rounds, "steps": [to_table(step) for step in plan.named_steps]}
    recorded = [repr(one) for one in getattr(plan.controller, "recorded", ())]
    return table | {"controller": to_table(plan.controller), "recorded": recorded}


def fingerprint_rows(data: str, seed: int, plan: Plan) -> str:
    """Fingerprint of the rows of a plan and of their block layout. data: fingerprint of the real rows."""
    return compute_fingerprint(data, seed, _describe_plan(plan), [BLOCK_ROWS, MIN_BLOCK_ROWS, MIN_BLOCKS])


def fingerprint_evaluation(data: str, seed: int, recommender: Model, evaluate: Any) -> str:
    """Fingerprint of the data and of the settings that a trial depends on. data: fingerprint of the real rows."""
    table = {key: value for key, value in to_table(evaluate).items() if key not in ("seeds", "min_effect")}
    return compute_fingerprint(data, {"seed": seed, "recommender": to_table(recommender), "evaluate": table})
