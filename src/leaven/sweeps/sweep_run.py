"""Runs a sweep and adds its curve to the facts of the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from leaven import rng
from leaven.augmentation import build_epoch_rows, load_expansion
from leaven.config import Spec
from leaven.config import load_spec as load_spec
from leaven.config.experiment_spec import BASELINE
from leaven.datasets.histories import REAL_ORIGIN
from leaven.experiment import evaluation_result, tasks
from leaven.experiment import run as run_arms
from leaven.progress import ProgressCallback, no_progress
from leaven.protocols import Engine
from leaven.report.html import write_report as write_page
from leaven.run_folder import FACTS_FILE, REPORT_FILE, RunFolder, write_json
from leaven.stats import ComparisonConfig
from leaven.stats.effect import format_metric_name, format_percent
from leaven.sweeps import grid
from leaven.sweeps.grid import COPIES, SweepGrid
from leaven.sweeps.knee import find_knee, find_turning_points
from leaven.sweeps.row_fidelity import RowFidelity, build_reference

_MIDDLE = 0.5
"""Training progress of the epoch whose rows are measured, for steps that create rows in each epoch."""


def run_sweep(
    spec: Spec | str | Path,
    vary: str,
    out: str | Path,
    resume: bool = False,
    engine: Engine | None = None,
    on_progress: ProgressCallback = no_progress,
    n_jobs: int = 1,
) -> RunFolder:
    """Effect and fidelity of a variant along the values of one field: "variant.NAME.step.0.FIELD=0,0.1,0.3".

    "variant.NAME.copies=0,0.5,1,2" multiplies the copies of all its steps, for a dose-response curve. Fidelity is how
    well a classifier separates synthetic from real rows of control users. Every value is a variant of one run, so that
    `resume` continues an interrupted sweep, and `n_jobs` trains several values in parallel. The facts get a part
    "study": points with intervals, the best value, the first one beyond it that is worse, knees; the report shows it.

    Raises SpecError for an unknown field or a value that is no number; whatever `run` raises.
    """
    config = spec if isinstance(spec, Spec) else load_spec(spec)
    variants = grid.vary_field(config, vary)
    run = run_arms(variants.spec, Path(out), resume, engine, on_progress, n_jobs)
    facts = run.read_facts()
    on_progress(0, 0, "the curve")
    facts["study"] = build_curve(run, variants, facts)
    write_json(run.path / FACTS_FILE, facts)
    write_page(run.path / FACTS_FILE, run.path / REPORT_FILE)
    on_progress(1, 1, "the curve")
    return run


def build_curve(run: RunFolder, variants: SweepGrid, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The part "study" of the facts: a point per value, the best one, the first that harms, knees, and sentences."""
    fidelity = _measure_fidelity(run, variants)
    points = [_build_point(variants, index, facts, fidelity.by_variant) for index in range(len(variants.values))]
    best, hurts = _find_turning_points(run, variants, facts)
    study: dict[str, Any] = {
        "arm": variants.arm,
        "what": variants.field,
        "metric": facts["comparison"]["metric"],
        "x": "rows added, as a multiple of the real ones" if variants.field == COPIES else variants.field,
        "points": points,
        "best": best,
        "hurts": hurts,
        "knees": {name: _find_knee(points, name) for name in ("lift", "auc")},
        "real_auc": fidelity.training_rows,
    }
    return study | {"words": _describe_curve(study, fidelity.missing)}


def _build_point(
    variants: SweepGrid, index: int, facts: Mapping[str, Any], fidelity: Mapping[str, RowFidelity]
) -> dict[str, Any]:
    name, value = variants.variant_names[index], variants.values[index]
    by_name: dict[str, Any] = {variant["name"]: variant for variant in facts["arms"]}
    counts = by_name.get(name, {})  # the baseline has no entry, since it creates no rows
    new, real = int(counts.get("rows_new", 0)), max(int(counts.get("rows_real", 0)), 1)
    point = {"arm": name, "value": grid.format_value(value), "rows_new": new, "added": round(new / real, 4)}
    middle = sum(value) / 2 if isinstance(value, tuple) else value
    point["x"] = point["added"] if variants.field == COPIES else float(middle)
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


def _find_turning_points(run: RunFolder, variants: SweepGrid, facts: Mapping[str, Any]) -> tuple[int, int | None]:
    """(index of the best value, index of the first beyond it that harms, or None)."""
    comparison = facts["comparison"]
    metric, n_seeds = comparison["metric"], variants.spec.evaluate.seeds
    values = {name: _load_values(run, name, metric, n_seeds) for name in variants.variant_names}
    question = ComparisonConfig(metric, comparison["min_effect"], rng.derive_key(variants.spec.seed, "study"))
    return find_turning_points(values, variants.variant_names, question)


def _load_values(run: RunFolder, variant: str, metric: str, n_seeds: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """float64 (seeds, users)."""
    files = [run.training_folder(variant, seed) / "values.npz" for seed in range(1, n_seeds + 1)]
    return np.stack([evaluation_result.load_values(file)[0][metric] for file in files])


def _find_knee(points: Sequence[Mapping[str, Any]], name: str) -> int | None:
    indices = [index for index, point in enumerate(points) if point.get(name) is not None]
    low, high = ("low", "high") if name == "lift" else ("auc_low", "auc_high")
    x, y = ([float(points[index][key]) for index in indices] for key in ("x", name))
    found = find_knee(x, y, [(points[index][high] - points[index][low]) / 2 for index in indices])
    return None if found is None else indices[found]


@dataclass(frozen=True)
class _Fidelity:
    """by_variant: of synthetic rows; training_rows: AUC of real training rows and its interval, None where `missing`
    gives a reason."""

    by_variant: dict[str, RowFidelity]
    training_rows: dict[str, float] | None = None
    missing: str = ""


def _measure_fidelity(run: RunFolder, variants: SweepGrid) -> _Fidelity:
    split: Any = tasks.of(variants.spec).load_parts(run.data_folder)
    reference = build_reference(split, variants.spec.seed)
    if isinstance(reference, str):
        return _Fidelity({}, missing=reference)
    by_variant = {}
    for variant in variants.spec.variants:
        once = load_expansion(run.variant_folder(variant.name) / "expanded", variant.plan, split.train)
        rows: Any = build_epoch_rows(split.train, once, variant.plan, variants.spec.seed)(0, _MIDDLE)
        measured = reference.measure(rows.take(np.flatnonzero(rows.origin != REAL_ORIGIN)))
        if measured is not None:
            by_variant[variant.name] = measured
    real = reference.training_rows
    return _Fidelity(by_variant, {"auc": real.auc, "low": real.low, "high": real.high})


def _describe_curve(study: Mapping[str, Any], missing: str) -> list[str]:
    """Sentences: the best value, where more harms, the knees, and what is missing."""
    points, field = study["points"], study["what"]
    if len({(point["mean"], point["rows_new"]) for point in points}) == 1:
        return [f"Every value gave the same rows and figures: {field} changes nothing in this variant."]
    best = points[study["best"]]
    sentences = [
        f"The highest {format_metric_name(study['metric'])} is at {field} {best['value']}: {_describe_lift(best)}."
    ]
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
    interval = f"95 % interval {format_percent(point['low'])} to {format_percent(point['high'])}"
    return f"{format_percent(point['lift'])}, {interval}, {point['verdict']}"
