"""Runs a sweep and adds its curve to the facts of the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from leaven import rng
from leaven.augmentation import epoch_rows, load
from leaven.config import Spec
from leaven.config import load as load_spec
from leaven.config.experiment_spec import BASELINE
from leaven.datasets.histories import REAL
from leaven.experiment import evaluation_result, tasks
from leaven.experiment import run as run_arms
from leaven.progress import Tell, quiet
from leaven.protocols import Engine
from leaven.report.html import write as write_page
from leaven.run_folder import FACTS, REPORT, Run, write_json
from leaven.stats import Question
from leaven.stats.effect import percent, shown
from leaven.sweeps import grid
from leaven.sweeps.grid import COPIES, Family
from leaven.sweeps.knee import begins_to_hurt, knee
from leaven.sweeps.row_fidelity import Likeness, ruler

_MIDDLE = 0.5
"""Training progress of the epoch whose rows are measured, for steps that create rows in each epoch."""


def sweep(
    spec: Spec | str | Path,
    vary: str,
    out: str | Path,
    resume: bool = False,
    engine: Engine | None = None,
    tell: Tell = quiet,
    n_jobs: int = 1,
) -> Run:
    """Effect and fidelity of a variant along the values of one field: "variant.NAME.step.0.FIELD=0,0.1,0.3".

    "variant.NAME.copies=0,0.5,1,2" multiplies the copies of all its steps, for a dose-response curve. Fidelity is how
    well a classifier separates synthetic from real rows of control users. Every value is a variant of one run, so that
    `resume` continues an interrupted sweep, and `n_jobs` trains several values in parallel. The facts get a part
    "study": points with intervals, the best value, the first one beyond it that is worse, knees; the report shows it.

    Raises SpecError for an unknown field or a value that is no number; whatever `run` raises.
    """
    config = spec if isinstance(spec, Spec) else load_spec(spec)
    variants = grid.varied(config, vary)
    run = run_arms(variants.spec, Path(out), resume, engine, tell, n_jobs)
    facts = run.facts()
    tell(0, 0, "the curve")
    facts["study"] = curve(run, variants, facts)
    write_json(run.folder / FACTS, facts)
    write_page(run.folder / FACTS, run.folder / REPORT)
    tell(1, 1, "the curve")
    return run


def curve(run: Run, variants: Family, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The part "study" of the facts: a point per value, the best one, the first that harms, knees, and sentences."""
    fidelity = _measure_fidelity(run, variants)
    points = [_build_point(variants, index, facts, fidelity.by_variant) for index in range(len(variants.values))]
    best, hurts = _find_turning_points(run, variants, facts)
    study: dict[str, Any] = {
        "arm": variants.arm,
        "what": variants.what,
        "metric": facts["comparison"]["metric"],
        "x": "rows added, as a multiple of the real ones" if variants.what == COPIES else variants.what,
        "points": points,
        "best": best,
        "hurts": hurts,
        "knees": {name: _find_knee(points, name) for name in ("lift", "auc")},
        "real_auc": fidelity.training_rows,
    }
    return study | {"words": _describe_curve(study, fidelity.missing)}


def _build_point(
    variants: Family, index: int, facts: Mapping[str, Any], fidelity: Mapping[str, Likeness]
) -> dict[str, Any]:
    name, value = variants.names[index], variants.values[index]
    by_name: dict[str, Any] = {variant["name"]: variant for variant in facts["arms"]}
    counts = by_name.get(name, {})  # the baseline has no entry, since it creates no rows
    new, real = int(counts.get("rows_new", 0)), max(int(counts.get("rows_real", 0)), 1)
    point = {"arm": name, "value": grid.shown(value), "rows_new": new, "added": round(new / real, 4)}
    middle = sum(value) / 2 if isinstance(value, tuple) else value
    point["x"] = point["added"] if variants.what == COPIES else float(middle)
    point |= _find_effect(name, facts["comparison"])
    if name in fidelity:
        measured = fidelity[name]
        point |= {"auc": measured.auc, "auc_low": measured.low, "auc_high": measured.high}
    return point


def _find_effect(name: str, comparison: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of a variant against the baseline; zero for the baseline itself."""
    if name == BASELINE:
        return {"mean": comparison["means"][BASELINE], "lift": 0.0, "low": 0.0, "high": 0.0, "verdict": ""}
    effect = next(effect for effect in comparison["effects"] if effect["arm"] == name)
    return {key: effect[key] for key in ("mean", "lift", "low", "high", "p_holm", "verdict")}


def _find_turning_points(run: Run, variants: Family, facts: Mapping[str, Any]) -> tuple[int, int | None]:
    """(index of the best value, index of the first beyond it that harms, or None)."""
    comparison = facts["comparison"]
    metric, n_seeds = comparison["metric"], variants.spec.evaluate.seeds
    values = {name: _load_values(run, name, metric, n_seeds) for name in variants.names}
    question = Question(metric, comparison["smallest_lift"], rng.key(variants.spec.seed, "study"))
    return begins_to_hurt(values, variants.names, question)


def _load_values(run: Run, variant: str, metric: str, n_seeds: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """float64 (seeds, users)."""
    files = [run.fit(variant, seed) / "values.npz" for seed in range(1, n_seeds + 1)]
    return np.stack([evaluation_result.load(file)[0][metric] for file in files])


def _find_knee(points: Sequence[Mapping[str, Any]], name: str) -> int | None:
    indices = [index for index, point in enumerate(points) if point.get(name) is not None]
    low, high = ("low", "high") if name == "lift" else ("auc_low", "auc_high")
    x, y = ([float(points[index][key]) for index in indices] for key in ("x", name))
    found = knee(x, y, [(points[index][high] - points[index][low]) / 2 for index in indices])
    return None if found is None else indices[found]


@dataclass(frozen=True)
class _Fidelity:
    """by_variant: of synthetic rows; training_rows: AUC of real training rows and its interval, None where `missing`
    gives a reason."""

    by_variant: dict[str, Likeness]
    training_rows: dict[str, float] | None = None
    missing: str = ""


def _measure_fidelity(run: Run, variants: Family) -> _Fidelity:
    split: Any = tasks.of(variants.spec).load_parts(run.data)
    reference = ruler(split, variants.spec.seed)
    if isinstance(reference, str):
        return _Fidelity({}, missing=reference)
    by_variant = {}
    for arm in variants.spec.arms:
        once = load(run.arm(arm.name) / "expanded", arm.plan, split.train)
        rows: Any = epoch_rows(split.train, once, arm.plan, variants.spec.seed)(0, _MIDDLE)
        measured = reference.measure(rows.take(np.flatnonzero(rows.origin != REAL)))
        if measured is not None:
            by_variant[arm.name] = measured
    real = reference.ordinary
    return _Fidelity(by_variant, {"auc": real.auc, "low": real.low, "high": real.high})


def _describe_curve(study: Mapping[str, Any], missing: str) -> list[str]:
    """Sentences: the best value, where more harms, the knees, and what is missing."""
    points, field = study["points"], study["what"]
    if len({(point["mean"], point["rows_new"]) for point in points}) == 1:
        return [f"Every value gave the same rows and figures: {field} changes nothing in this variant."]
    best = points[study["best"]]
    sentences = [f"The highest {shown(study['metric'])} is at {field} {best['value']}: {_describe_lift(best)}."]
    if study["hurts"] is not None:
        worse = points[study["hurts"]]
        sentences.append(f"More harms from {worse['value']} on: significantly worse than {best['value']}.")
    elif study["best"] < len(points) - 1:
        sentences.append(f"No value beyond {best['value']} is significantly worse: more data or seeds may show one.")
    else:
        sentences.append("The highest value tried is the best: higher values may be better still.")
    for name, label in (("lift", "effect"), ("auc", "fidelity")):
        if (index := study["knees"][name]) is not None:
            sentences.append(f"The curve of the {label} has its knee at {points[index]['value']}.")
    if study["real_auc"]:
        auc = study["real_auc"]["auc"]
        sentences.append(f"A classifier separates training rows from other real ones with an AUC of {auc:.2f}.")
    return [*sentences, missing] if missing else sentences


def _describe_lift(point: Mapping[str, Any]) -> str:
    if point["verdict"] == "":
        return "no synthetic rows"
    interval = f"95 % interval {percent(point['low'])} to {percent(point['high'])}"
    return f"{percent(point['lift'])}, {interval}, {point['verdict']}"
