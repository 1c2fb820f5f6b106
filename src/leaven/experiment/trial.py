"""How well does the recommender do that learned from an arm's rows?"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven.augmentation import EpochRows, Plan, epoch_rows
from leaven.augmentation.adaptive import Steering
from leaven.augmentation.expansion import BLOCK_ROWS, BLOCKS, FEWEST_ROWS
from leaven.config import Arm, Spec, resolved
from leaven.experiment import adaptive_training, evaluation_result, item_views, tasks
from leaven.protocols import Tell, Training
from leaven.run_folder import VIEWS, Run, fingerprint, plain, write_json

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Trial:
    """One training of one arm. values: metric -> one value a test user; catalog: metric -> one number;
    fact: what the report says of it; steps: what the plan's steps do in an epoch; decisions: those of its controller;
    pilot: what that one's pilot cost; groups: see `Judged`."""

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
    """An arm. once: loads its rows; mark: fingerprint of the rows; fact: what the report says of them."""

    arm: Arm
    once: Callable[[], Any]
    mark: str
    fact: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Bench:
    """What all trials of a run share. steps: optimiser steps of each; depends: fingerprint of data and judging."""

    spec: Spec
    run: Run
    split: Any
    steps: int | None
    depends: str

    def stage_of(self, expanded: Expanded, seed: int) -> tuple[str, str]:
        """(name of the stage of one training, what it depends on)."""
        depends = fingerprint(self.depends, expanded.mark, self.steps, seed)
        return f"fit {plain(expanded.arm.name)} {seed}", depends


def trial(bench: Bench, expanded: Expanded, seed: int, tell: Tell) -> Trial:
    """Train one arm with one seed and judge it on the test users; taken from the folder where it is done."""
    arm = expanded.arm
    folder = bench.run.fit(arm.name, seed)
    with bench.run.stage(*bench.stage_of(expanded, seed), [folder]) as stage:
        if not stage.done:
            rows = expanded.once()
            steering, pilot = adaptive_training.steering(arm.plan, _course(bench, seed), tell)
            epochs = epoch_rows(bench.split.train, rows, arm.plan, bench.spec.seed, seed, steering)
            steps = epochs.facts()
            begun = time.perf_counter()
            fitted = _fit(bench, rows, epochs, arm, seed, tell)
            decided = _decided(arm, steering, bench, folder)
            seconds = time.perf_counter() - begun
            begun = time.perf_counter()
            found = tasks.of(bench.spec).judge(fitted, bench.split, bench.spec)
            found.save(folder / "values.npz")
            fact = _fact(fitted, arm.name, seed, seconds)
            fact |= {"judge_seconds": round(time.perf_counter() - begun, 3), **found.fact}
            stage.facts = {"fact": fact, "catalog": dict(found.pooled), "steps": steps}
            stage.facts |= {"decisions": decided, "pilot": pilot}
    values, groups = evaluation_result.load(folder / "values.npz")
    of = stage.facts
    return Trial(arm.name, seed, values, of["catalog"], of["fact"], of["steps"], of["decisions"], of["pilot"], groups)


def _course(bench: Bench, seed: int) -> adaptive_training.Course:
    return adaptive_training.Course(
        bench.run, bench.spec.recommender, bench.split, bench.steps, bench.spec.seed, seed, bench.depends
    )


def _decided(arm: Arm, steering: Steering | None, bench: Bench, folder: Path) -> list[dict[str, Any]]:
    """The log of decisions, kept in the folder too, where `replay` finds it."""
    rows = adaptive_training.decisions(steering, arm.plan, bench.spec.recommender)
    if rows:
        write_json(folder / "decisions.json", rows)
    return rows


def _fit(bench: Bench, rows: Any, epochs: EpochRows, arm: Arm, seed: int, tell: Tell) -> Any:
    """The same key for every arm: arms differ by their rows and views, not by their luck."""
    folder, catalog = bench.run.fit(arm.name, seed), getattr(rows, "catalog", None)
    folder.mkdir(parents=True, exist_ok=True)
    training = Training(
        key=_course(bench, seed).key,
        steps=bench.steps,
        valid=bench.split.valid,
        refresh=None if epochs.is_still else epochs,
        folder=folder / "checkpoint",
        tell=tell,
        views=item_views.views(bench.spec, arm.plan, catalog, seed, bench.run.arm(arm.name) / VIEWS),
        watch=epochs.steering,
    )
    fitted = bench.spec.recommender.fit(rows, training)
    fitted.save(folder / "model")
    return fitted


def _fact(fitted: Any, arm: str, seed: int, seconds: float) -> dict[str, Any]:
    """What the report reads; a recommender's own `facts` say more than its curve."""
    curve = [dict(point) for point in getattr(fitted, "curve", ())]
    fact = {"arm": arm, "seed": seed, "seconds": round(seconds, 2), "curve": curve}
    if curve:
        fact["steps"] = int(curve[-1].get("step", 0))
    fact |= dict(getattr(fitted, "facts", {}))
    fact.setdefault("peak_mb", round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1))
    return fact


def trained_on(plan: Plan) -> dict[str, Any]:
    """The part of a plan that shapes training, for its fingerprint."""
    from leaven.config.build import table_of

    whole = {"combine": plan.combine, "rounds": plan.rounds, "steps": [table_of(step) for step in plan.all]}
    recorded = [repr(one) for one in getattr(plan.controller, "recorded", ())]
    return whole | {"controller": table_of(plan.controller), "recorded": recorded}


def rows_follow(data: str, seed: int, plan: Plan) -> str:
    """What the rows of a plan follow from, and the blocks that they lie in; data: the fingerprint of the real ones."""
    return fingerprint(data, seed, trained_on(plan), [BLOCK_ROWS, FEWEST_ROWS, BLOCKS])


def judged_by(spec: Spec) -> dict[str, Any]:
    """The tables of the spec that a trial depends on."""
    wish = resolved(spec)
    evaluate = {key: value for key, value in wish["evaluate"].items() if key not in ("seeds", "smallest_lift")}
    return {"seed": wish["seed"], "recommender": wish["recommender"], "evaluate": evaluate}
