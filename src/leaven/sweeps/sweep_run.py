"""Runs a sweep and adds its curve to the facts of the run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from leaven import rng
from leaven.augmentation import build_epoch_rows, load_expansion
from leaven.config import Spec
from leaven.config import load_spec as load_spec
from leaven.config.experiment_spec import BASELINE
from leaven.datasets.histories import REAL_ORIGIN
from leaven.experiment import evaluation_result, tasks
from leaven.experiment import run as run_variants
from leaven.experiment.run import write_facts
from leaven.facts import Interval, RunFacts, SweepFacts, SweepPoint
from leaven.progress import ProgressCallback, no_progress
from leaven.protocols import Engine
from leaven.run_folder import RunFolder
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
    `sweep`: points with intervals, the best value, the first one beyond it that is worse, knees; the report shows it.

    Raises SpecError for an unknown field or a value that is no number; whatever `run` raises.
    """
    config = spec if isinstance(spec, Spec) else load_spec(spec)
    variants = grid.vary_field(config, vary)
    run = run_variants(variants.spec, Path(out), resume, engine, on_progress, n_jobs)
    on_progress(0, 0, "the curve")
    facts = run.read_facts()
    write_facts(run, replace(facts, sweep=build_curve(run, variants, facts)))
    on_progress(1, 1, "the curve")
    return run


def build_curve(run: RunFolder, variants: SweepGrid, facts: RunFacts) -> SweepFacts:
    """A point per value, the best one, the first that harms, knees, and sentences."""
    assert facts.comparison is not None
    fidelity = _measure_fidelity(run, variants)
    points = tuple(_build_point(variants, index, facts, fidelity.by_variant) for index in range(len(variants.values)))
    metric, n_seeds = facts.comparison.metric, variants.spec.evaluate.seeds
    values = {}  # variant -> float64 (seeds, users)
    for name in variants.variant_names:
        files = [run.training_folder(name, seed) / "values.npz" for seed in range(1, n_seeds + 1)]
        values[name] = np.stack([evaluation_result.load_values(file)[0][metric] for file in files])
    question = ComparisonConfig(metric, facts.comparison.min_effect, rng.derive_key(variants.spec.seed, "study"))
    best, harm = find_turning_points(values, variants.variant_names, question)
    measured = [index for index, point in enumerate(points) if point.auc is not None]
    curve = SweepFacts(
        variant=variants.variant,
        field=variants.field,
        metric=facts.comparison.metric,
        axis="rows added, as a multiple of the real ones" if variants.field == COPIES else variants.field,
        points=points,
        best=best,
        harm=harm,
        effect_knee=_find_knee([point.x for point in points], [point.lift for point in points]),
        training_auc=fidelity.training_rows,
    )
    knee = _find_knee([points[index].x for index in measured], [one.auc for one in points if one.auc is not None])
    curve = replace(curve, fidelity_knee=None if knee is None else measured[knee])
    return replace(curve, sentences=tuple(_describe_curve(curve, fidelity.missing)))


def _build_point(variants: SweepGrid, index: int, facts: RunFacts, fidelity: Mapping[str, RowFidelity]) -> SweepPoint:
    assert facts.comparison is not None
    name, value = variants.variant_names[index], variants.values[index]
    rows = facts.get_variant(name)  # the baseline has no entry, since it creates no rows
    added = 0.0 if rows is None else round(rows.synthetic_rows / max(rows.real_rows, 1), 4)
    middle = sum(value) / 2 if isinstance(value, tuple) else value
    point = SweepPoint(
        variant=name,
        value=grid.format_value(value),
        x=added if variants.field == COPIES else float(middle),
        synthetic_rows=0 if rows is None else rows.synthetic_rows,
        added=added,
        mean=facts.comparison.means[name],
        lift=Interval(0.0, 0.0, 0.0),
    )
    if name in fidelity:
        measured = fidelity[name]
        point = replace(point, auc=Interval(measured.auc, measured.low, measured.high))
    if name == BASELINE:
        return point
    effect = next(effect for effect in facts.comparison.effects if effect.variant == name)
    ends = (math.nan if one is None else one for one in (effect.lift, effect.low, effect.high))
    return replace(point, lift=Interval(*ends), p_holm=effect.p_holm, verdict=effect.verdict)


def _find_knee(x: Sequence[float], figures: Sequence[Interval]) -> int | None:
    """Index of the knee of a curve."""
    return find_knee(list(x), [one.value for one in figures], [(one.high - one.low) / 2 for one in figures])


@dataclass(frozen=True)
class _Fidelity:
    """by_variant: of synthetic rows; training_rows: AUC of real training rows, None where `missing` gives a reason."""

    by_variant: dict[str, RowFidelity]
    training_rows: Interval | None = None
    missing: str = ""


def _measure_fidelity(run: RunFolder, variants: SweepGrid) -> _Fidelity:
    task = tasks.of(variants.spec.task)
    split = task.load_parts(run.data_folder)
    reference = build_reference(split, task.get_unseen(split), variants.spec.seed)
    if isinstance(reference, str):
        return _Fidelity({}, missing=reference)
    by_variant = {}
    for variant in variants.spec.variants:
        once = load_expansion(run.variant_folder(variant.name) / "expanded", variant.plan, split.train)
        rows = build_epoch_rows(split.train, once, variant.plan, variants.spec.seed)(0, _MIDDLE)
        measured = reference.measure(rows.take(np.flatnonzero(rows.origin != REAL_ORIGIN)))
        if measured is not None:
            by_variant[variant.name] = measured
    real = reference.training_rows
    return _Fidelity(by_variant, Interval(real.auc, real.low, real.high))


def _describe_curve(curve: SweepFacts, missing: str) -> list[str]:
    """Sentences: the best value, where more harms, the knees, and what is missing."""
    points = curve.points
    if len({(point.mean, point.synthetic_rows) for point in points}) == 1:
        return [f"Every value gave the same rows and figures: {curve.field} changes nothing in this variant."]
    best = points[curve.best]
    metric = format_metric_name(curve.metric)
    sentences = [f"The highest {metric} is at {curve.field} {best.value}: {_describe_lift(best)}."]
    if curve.harm is not None:
        worse = points[curve.harm]
        sentences.append(f"More harms from {worse.value} on: significantly worse than {best.value}.")
    elif curve.best < len(points) - 1:
        sentences.append(f"No value beyond {best.value} is significantly worse: more data or seeds may show one.")
    else:
        sentences.append("The highest value tried is the best: higher values may be better still.")
    for index, label in ((curve.effect_knee, "effect"), (curve.fidelity_knee, "fidelity")):
        if index is not None:
            sentences.append(f"The curve of the {label} has its knee at {points[index].value}.")
    if curve.training_auc is not None:
        auc = curve.training_auc.value
        sentences.append(f"A classifier separates training rows from other real ones with an AUC of {auc:.2f}.")
    return [*sentences, missing] if missing else sentences


def _describe_lift(point: SweepPoint) -> str:
    if point.verdict == "":
        return "no synthetic rows"
    interval = f"95 % interval {format_percent(point.lift.low)} to {format_percent(point.lift.high)}"
    return f"{format_percent(point.lift.value)}, {interval}, {point.verdict}"
