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

from leaven import seeds
from leaven.contracts import FittedRecommender, Ranked, Tell, Training
from leaven.data.histories import HeldOut, Histories
from leaven.data.split import Split
from leaven.experiment import steered
from leaven.experiment.views import Views, recommend
from leaven.metrics.named import parse_all
from leaven.plan import EpochRows, Plan, catalog_views, epoch_rows, word_steps
from leaven.plan.steering import Steering
from leaven.runs import Run, fingerprint, plain, write_json
from leaven.spec import Arm, Spec, resolved

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Trial:
    """One training of one arm. values: metric -> one value a test user; catalog: metric -> one number;
    fact: what the report says of it; steps: what the plan's steps do in an epoch; decisions: those of its controller;
    pilot: what that one's pilot cost."""

    arm: str
    seed: int
    values: Mapping[str, Values]
    catalog: Mapping[str, float]
    fact: dict[str, Any]
    steps: list[dict[str, Any]]
    decisions: Sequence[dict[str, Any]] = ()
    pilot: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Bench:
    """What all trials of a run share. steps: optimiser steps of each; depends: fingerprint of data and judging."""

    spec: Spec
    run: Run
    split: Split
    steps: int | None
    depends: str


def trial(bench: Bench, arm: Arm, once: Callable[[], Histories], rows_mark: str, seed: int, tell: Tell) -> Trial:
    """Train one arm with one seed and judge it on the test users; taken from the folder where it is done."""
    folder = bench.run.fit(arm.name, seed)
    depends = fingerprint(bench.depends, rows_mark, bench.steps, seed)
    with bench.run.stage(f"fit {plain(arm.name)} {seed}", depends, [folder]) as stage:
        if not stage.done:
            rows = once()
            steering, pilot = steered.steering(arm.plan, _course(bench, seed), tell)
            epochs = epoch_rows(bench.split.train, rows, arm.plan, bench.spec.seed, seed, steering)
            steps = epochs.facts()
            begun = time.perf_counter()
            fitted = _fit(bench, rows, epochs, arm.plan, seed, folder, tell)
            decided = _decided(arm, steering, bench, folder)
            seconds = time.perf_counter() - begun
            begun = time.perf_counter()
            values, catalog = judge(fitted, bench.split.test, bench.split.train, bench.spec)
            _save_values(values, folder / "values.npz")
            fact = _fact(fitted, arm.name, seed, seconds)
            fact |= {"judge_seconds": round(time.perf_counter() - begun, 3), "views": bench.spec.evaluate.views}
            stage.facts = {"fact": fact, "catalog": catalog, "steps": steps, "decisions": decided, "pilot": pilot}
    with np.load(folder / "values.npz") as kept:
        values = {name: kept[name] for name in kept.files}
    of = stage.facts
    return Trial(arm.name, seed, values, of["catalog"], of["fact"], of["steps"], of["decisions"], of["pilot"])


def _course(bench: Bench, seed: int) -> steered.Course:
    assert bench.spec.recommender is not None
    return steered.Course(
        bench.run, bench.spec.recommender, bench.split, bench.steps, bench.spec.seed, seed, bench.depends
    )


def _decided(arm: Arm, steering: Steering | None, bench: Bench, folder: Path) -> list[dict[str, Any]]:
    """The log of decisions, kept in the folder too, where `replay` finds it."""
    assert bench.spec.recommender is not None
    rows = steered.decisions(steering, arm.plan, bench.spec.recommender)
    if rows:
        write_json(folder / "decisions.json", rows)
    return rows


def _fit(
    bench: Bench, rows: Histories, epochs: EpochRows, plan: Plan, seed: int, folder: Path, tell: Tell
) -> FittedRecommender:
    """The same key for every arm: arms differ by their rows and views, not by their luck."""
    folder.mkdir(parents=True, exist_ok=True)
    training = Training(
        key=_course(bench, seed).key,
        steps=bench.steps,
        valid=bench.split.valid,
        refresh=None if epochs.is_still else epochs,
        folder=folder / "checkpoint",
        tell=tell,
        views=catalog_views(rows.catalog, plan, bench.spec.seed, seed) if word_steps(plan) else None,
        watch=epochs.steering,
    )
    assert bench.spec.recommender is not None
    fitted = bench.spec.recommender.fit(rows, training)
    fitted.save(folder / "model")
    return fitted


def judge(
    fitted: FittedRecommender, test: HeldOut, train: Histories, spec: Spec
) -> tuple[dict[str, Values], dict[str, float]]:
    """(metric -> one value a user, metric of the whole catalogue -> one number) on full rankings."""
    metrics = parse_all(spec.evaluate.metrics)
    ranked = _ranked(fitted, test.histories, metrics.longest, train, spec)
    values = {name: metric(ranked, test, train) for name, metric in metrics.per_user.items()}
    return values, {name: metric(ranked, train) for name, metric in metrics.catalog.items()}


def _ranked(fitted: FittedRecommender, known: Histories, k: int, train: Histories, spec: Spec) -> Ranked:
    """Lists for histories as they are, or over several views of each; the same views for every arm and seed."""
    asked = spec.evaluate
    if asked.view is None:
        return fitted.recommend(known, k, asked.allow_repeats)
    views = Views(asked.view.fit(train), asked.views, seeds.key(spec.seed, "view"))
    return recommend(fitted, known, k, views, asked.allow_repeats)


def _save_values(values: Mapping[str, Values], path: Path) -> None:
    part = path.with_name("values.part.npz")
    np.savez_compressed(part, allow_pickle=False, **dict(values))
    part.replace(path)


def _fact(fitted: FittedRecommender, arm: str, seed: int, seconds: float) -> dict[str, Any]:
    """What the report reads; a recommender's own `facts` say more than its curve."""
    curve = [dict(point) for point in fitted.curve]
    fact = {"arm": arm, "seed": seed, "seconds": round(seconds, 2), "curve": curve}
    if curve:
        fact["steps"] = int(curve[-1].get("step", 0))
    fact |= dict(getattr(fitted, "facts", {}))
    fact.setdefault("peak_mb", round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1))
    return fact


def trained_on(plan: Plan) -> dict[str, Any]:
    """The part of a plan that shapes training, for its fingerprint."""
    from leaven.spec.building import table_of

    whole = {"combine": plan.combine, "rounds": plan.rounds, "steps": [table_of(step) for step in plan.all]}
    recorded = [repr(one) for one in getattr(plan.controller, "recorded", ())]
    return whole | {"controller": table_of(plan.controller), "recorded": recorded}


def judged_by(spec: Spec) -> dict[str, Any]:
    """The tables of the spec that a trial depends on."""
    wish = resolved(spec)
    evaluate = {key: value for key, value in wish["evaluate"].items() if key not in ("seeds", "smallest_lift")}
    return {"seed": wish["seed"], "recommender": wish["recommender"], "evaluate": evaluate}
