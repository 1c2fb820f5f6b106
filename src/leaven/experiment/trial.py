"""One training of one variant, and its evaluation on the test users."""

from __future__ import annotations

import resource
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven.augmentation import EpochRows, Plan, build_epoch_rows
from leaven.augmentation.expansion import BLOCK_ROWS, MIN_BLOCK_ROWS, MIN_BLOCKS, LazyRows
from leaven.config import Spec, Variant, resolve_spec
from leaven.experiment import adaptive_training, evaluation_result, item_views, tasks
from leaven.protocols import ProgressCallback, TrainingContext
from leaven.run_folder import VIEWS_FOLDER, RunFolder, compute_fingerprint, slugify, write_json

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Trial:
    """One training of one variant.

    values     metric -> float64 (users,), one value per test user
    catalog    metric -> one number
    facts      facts for the report
    steps      what the plan's steps make in one epoch
    decisions  log of the controller
    pilot      cost of the controller's pilot
    groups     see `Judged`
    """

    variant: str
    seed: int
    values: Mapping[str, Values]
    catalog: Mapping[str, float]
    facts: dict[str, Any]
    steps: list[dict[str, Any]]
    decisions: Sequence[dict[str, Any]] = ()
    pilot: Mapping[str, Any] = field(default_factory=dict)
    groups: Mapping[tuple[str, str], Values] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class ExpandedVariant:
    """A variant whose rows are written. fingerprint: fingerprint of the rows; facts: their facts for the report."""

    variant: Variant
    rows: LazyRows
    fingerprint: str
    facts: dict[str, Any]


@dataclass(frozen=True, eq=False)
class TrialContext:
    """What all trials of a run share. steps: optimizer steps of each; fingerprint: of data and evaluation."""

    spec: Spec
    run: RunFolder
    split: Any
    steps: int | None
    fingerprint: str

    def describe_stage(self, expanded: ExpandedVariant, seed: int) -> tuple[str, str]:
        """(name, fingerprint) of the stage of one training."""
        depends = compute_fingerprint(self.fingerprint, expanded.fingerprint, self.steps, seed)
        return f"fit {slugify(expanded.variant.name)} {seed}", depends


def run_trial(bench: TrialContext, expanded: ExpandedVariant, seed: int, on_progress: ProgressCallback) -> Trial:
    """Train one variant with one seed and evaluate it on the test users; read from the folder where it is done."""
    variant = expanded.variant
    folder = bench.run.training_folder(variant.name, seed)
    with bench.run.run_stage(*bench.describe_stage(expanded, seed), [folder]) as stage:
        if not stage.is_done:
            rows = expanded.rows.load()
            steering, pilot = adaptive_training.build_controller_callback(
                variant.plan, _build_setup(bench, seed), on_progress
            )
            epochs = build_epoch_rows(bench.split.train, rows, variant.plan, bench.spec.seed, seed, steering)
            steps = epochs.describe_steps()
            start = time.perf_counter()
            fitted = _fit(bench, rows, epochs, variant, seed, on_progress)
            decided = adaptive_training.list_decisions(steering, variant.plan, bench.spec.recommender)
            if decided:
                write_json(folder / "decisions.json", decided)  # where `replay` finds it
            seconds, start = time.perf_counter() - start, time.perf_counter()
            result = tasks.of(bench.spec).evaluate_model(fitted, bench.split, bench.spec.evaluate, bench.spec.seed)
            result.save(folder / "values.npz")
            fact = _describe_training(fitted, variant.name, seed, seconds)
            fact |= {"judge_seconds": round(time.perf_counter() - start, 3), **result.facts}
            stage.facts = {"fact": fact, "catalog": dict(result.pooled), "steps": steps}
            stage.facts |= {"decisions": decided, "pilot": pilot}
    values, groups = evaluation_result.load_values(folder / "values.npz")
    kept = stage.facts
    return Trial(
        variant.name,
        seed,
        values,
        kept["catalog"],
        kept["fact"],
        kept["steps"],
        kept["decisions"],
        kept["pilot"],
        groups,
    )


def _build_setup(bench: TrialContext, seed: int) -> adaptive_training.TrainingSetup:
    return adaptive_training.TrainingSetup(
        bench.run, bench.spec.recommender, bench.split, bench.steps, bench.spec.seed, seed, bench.fingerprint
    )


def _fit(
    bench: TrialContext, rows: Any, epochs: EpochRows, variant: Variant, seed: int, on_progress: ProgressCallback
) -> Any:
    """Train with the same key for every variant: variants differ only by their rows and views."""
    spec, folder, catalog = bench.spec, bench.run.training_folder(variant.name, seed), getattr(rows, "catalog", None)
    folder.mkdir(parents=True, exist_ok=True)
    training = TrainingContext(
        key=_build_setup(bench, seed).key,
        steps=bench.steps,
        validation=bench.split.valid,
        rows_for_epoch=None if epochs.is_constant else epochs,
        checkpoint_folder=folder / "checkpoint",
        on_progress=on_progress,
        catalog_for_epoch=item_views.build_item_views(
            spec.recommender,
            spec.seed,
            variant.plan,
            catalog,
            seed,
            bench.run.variant_folder(variant.name) / VIEWS_FOLDER,
        ),
        callback=epochs.controller,
    )
    fitted = spec.recommender.fit(rows, training)
    fitted.save(folder / "model")
    return fitted


def _describe_training(fitted: Any, variant: str, seed: int, seconds: float) -> dict[str, Any]:
    """Facts for the report; a recommender may add its own `facts`."""
    curve = [dict(point) for point in getattr(fitted, "curve", ())]
    fact = {"arm": variant, "seed": seed, "seconds": round(seconds, 2), "curve": curve}
    if curve:
        fact["steps"] = int(curve[-1].get("step", 0))
    fact |= dict(getattr(fitted, "facts", {}))
    fact.setdefault("peak_mb", round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1))
    return fact


def _describe_plan(plan: Plan) -> dict[str, Any]:
    """The part of a plan that shapes its rows, for the fingerprint."""
    from leaven.config.build import to_table

    table = {"combine": plan.combine, "rounds": plan.rounds, "steps": [to_table(step) for step in plan.named_steps]}
    recorded = [repr(one) for one in getattr(plan.controller, "recorded", ())]
    return table | {"controller": to_table(plan.controller), "recorded": recorded}


def fingerprint_rows(data: str, seed: int, plan: Plan) -> str:
    """Fingerprint of the rows of a plan and of their block layout. data: fingerprint of the real rows."""
    return compute_fingerprint(data, seed, _describe_plan(plan), [BLOCK_ROWS, MIN_BLOCK_ROWS, MIN_BLOCKS])


def list_evaluation_tables(spec: Spec) -> dict[str, Any]:
    """The tables of the spec that a trial depends on."""
    table = resolve_spec(spec)
    evaluate = {key: value for key, value in table["evaluate"].items() if key not in ("seeds", "min_effect")}
    return {"seed": table["seed"], "recommender": table["recommender"], "evaluate": evaluate}
