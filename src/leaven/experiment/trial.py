"""One training of one variant, and its evaluation on the test users."""

from __future__ import annotations

import resource
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven.augmentation import EpochRows, Plan, epoch_rows
from leaven.augmentation.expansion import BLOCK_ROWS, BLOCKS, FEWEST_ROWS, LazyRows
from leaven.config import Arm, Spec, resolved
from leaven.experiment import adaptive_training, evaluation_result, item_views, tasks
from leaven.protocols import Tell, Training
from leaven.run_folder import VIEWS, Run, fingerprint, plain, write_json

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Trial:
    """One training of one variant.

    values     metric -> float64 (users,), one value per test user
    catalog    metric -> one number
    fact       facts for the report
    steps      what the plan's steps make in one epoch
    decisions  log of the controller
    pilot      cost of the controller's pilot
    groups     see `Judged`
    """

    arm: str
    seed: int
    values: Mapping[str, Values]
    catalog: Mapping[str, float]
    fact: dict[str, Any]
    steps: list[dict[str, Any]]
    decisions: Sequence[dict[str, Any]] = ()
    pilot: Mapping[str, Any] = field(default_factory=dict)
    groups: Mapping[tuple[str, str], Values] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Expanded:
    """A variant whose rows are written. mark: fingerprint of the rows; fact: their facts for the report."""

    arm: Arm
    rows: LazyRows
    mark: str
    fact: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Bench:
    """What all trials of a run share. steps: optimizer steps of each; depends: fingerprint of data and evaluation."""

    spec: Spec
    run: Run
    split: Any
    steps: int | None
    depends: str

    def stage_of(self, expanded: Expanded, seed: int) -> tuple[str, str]:
        """(name, fingerprint) of the stage of one training."""
        depends = fingerprint(self.depends, expanded.mark, self.steps, seed)
        return f"fit {plain(expanded.arm.name)} {seed}", depends


def trial(bench: Bench, expanded: Expanded, seed: int, tell: Tell) -> Trial:
    """Train one variant with one seed and evaluate it on the test users; read from the folder where it is done."""
    arm = expanded.arm
    folder = bench.run.fit(arm.name, seed)
    with bench.run.stage(*bench.stage_of(expanded, seed), [folder]) as stage:
        if not stage.done:
            rows = expanded.rows.load()
            steering, pilot = adaptive_training.steering(arm.plan, _build_setup(bench, seed), tell)
            epochs = epoch_rows(bench.split.train, rows, arm.plan, bench.spec.seed, seed, steering)
            steps = epochs.facts()
            start = time.perf_counter()
            fitted = _fit(bench, rows, epochs, arm, seed, tell)
            decided = adaptive_training.decisions(steering, arm.plan, bench.spec.recommender)
            if decided:
                write_json(folder / "decisions.json", decided)  # where `replay` finds it
            seconds, start = time.perf_counter() - start, time.perf_counter()
            result = tasks.of(bench.spec).evaluate_model(fitted, bench.split, bench.spec.evaluate, bench.spec.seed)
            result.save(folder / "values.npz")
            fact = _describe_training(fitted, arm.name, seed, seconds)
            fact |= {"judge_seconds": round(time.perf_counter() - start, 3), **result.fact}
            stage.facts = {"fact": fact, "catalog": dict(result.pooled), "steps": steps}
            stage.facts |= {"decisions": decided, "pilot": pilot}
    values, groups = evaluation_result.load(folder / "values.npz")
    kept = stage.facts
    return Trial(
        arm.name, seed, values, kept["catalog"], kept["fact"], kept["steps"], kept["decisions"], kept["pilot"], groups
    )


def _build_setup(bench: Bench, seed: int) -> adaptive_training.Course:
    return adaptive_training.Course(
        bench.run, bench.spec.recommender, bench.split, bench.steps, bench.spec.seed, seed, bench.depends
    )


def _fit(bench: Bench, rows: Any, epochs: EpochRows, arm: Arm, seed: int, tell: Tell) -> Any:
    """Train with the same key for every variant: variants differ only by their rows and views."""
    spec, folder, catalog = bench.spec, bench.run.fit(arm.name, seed), getattr(rows, "catalog", None)
    folder.mkdir(parents=True, exist_ok=True)
    training = Training(
        key=_build_setup(bench, seed).key,
        steps=bench.steps,
        valid=bench.split.valid,
        refresh=None if epochs.is_still else epochs,
        folder=folder / "checkpoint",
        tell=tell,
        views=item_views.views(spec.recommender, spec.seed, arm.plan, catalog, seed, bench.run.arm(arm.name) / VIEWS),
        watch=epochs.steering,
    )
    fitted = spec.recommender.fit(rows, training)
    fitted.save(folder / "model")
    return fitted


def _describe_training(fitted: Any, arm: str, seed: int, seconds: float) -> dict[str, Any]:
    """Facts for the report; a recommender may add its own `facts`."""
    curve = [dict(point) for point in getattr(fitted, "curve", ())]
    fact = {"arm": arm, "seed": seed, "seconds": round(seconds, 2), "curve": curve}
    if curve:
        fact["steps"] = int(curve[-1].get("step", 0))
    fact |= dict(getattr(fitted, "facts", {}))
    fact.setdefault("peak_mb", round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1))
    return fact


def _describe_plan(plan: Plan) -> dict[str, Any]:
    """The part of a plan that shapes its rows, for the fingerprint."""
    from leaven.config.build import table_of

    table = {"combine": plan.combine, "rounds": plan.rounds, "steps": [table_of(step) for step in plan.all]}
    recorded = [repr(one) for one in getattr(plan.controller, "recorded", ())]
    return table | {"controller": table_of(plan.controller), "recorded": recorded}


def rows_follow(data: str, seed: int, plan: Plan) -> str:
    """Fingerprint of the rows of a plan and of their block layout. data: fingerprint of the real rows."""
    return fingerprint(data, seed, _describe_plan(plan), [BLOCK_ROWS, FEWEST_ROWS, BLOCKS])


def judged_by(spec: Spec) -> dict[str, Any]:
    """The tables of the spec that a trial depends on."""
    table = resolved(spec)
    evaluate = {
        key: value for key, value in table["evaluate"].items() if key not in ("seeds", "smallest_lift", "min_effect")
    }
    return {"seed": table["seed"], "recommender": table["recommender"], "evaluate": evaluate}
