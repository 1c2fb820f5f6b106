"""Facts of a run: every number that the report shows."""

from __future__ import annotations

import platform
import resource
from collections import defaultdict
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import rng, stats
from leaven.config import Spec, resolve_spec
from leaven.config.experiment_spec import BASELINE, CONTROL
from leaven.experiment import tasks
from leaven.experiment.preparation import Prepared
from leaven.experiment.synthetic_quality import add_effects
from leaven.experiment.trial import Trial
from leaven.run_folder import RunFolder
from leaven.stats import (
    Comparison,
    ComparisonConfig,
    add_segments,
    build_headline,
    build_summary,
    compare_variants,
)
from leaven.stats.effect import format_percent

Values = npt.NDArray[np.float64]
LIBRARIES = ("leaven", "numpy", "numba", "duckdb", "pyarrow", "torch", "lightning-fabric", "scipy")


def build_facts(
    spec: Spec, prepared: Prepared, run: RunFolder, variants: Sequence[dict[str, Any]], trials: Sequence[Trial]
) -> dict[str, Any]:
    """Facts of a finished run, JSON-able."""
    main, others = _compare_metrics(spec, prepared, trials)
    extra = tasks.of(spec).build_extra_facts(spec, prepared.split, [one.facts for one in trials])
    compared = stats.build_facts(main, others, _average_pooled(trials)) | extra.pop("comparison", {})
    return extra | {
        "leaven": _get_version("leaven"),
        "name": spec.name,
        "seed": spec.seed,
        "verdict": {"headline": build_headline(main), "words": _list_sentences(main, spec, prepared, trials)},
        "comparison": compared,
        "data": prepared.facts,
        "arms": [_add_epoch_steps(variant, trials) for variant in variants if variant["name"] != BASELINE],
        "fits": [one.facts for one in trials],
        "decisions": [{"arm": one.variant, "seed": one.seed, **row} for one in trials for row in one.decisions],
        "cost": measure_cost(prepared, variants, trials),
        "repeat": describe_rerun(run, prepared.fingerprint),
    }


def list_data_warnings(prepared: Prepared) -> list[str]:
    """Warnings about the data, as sentences."""
    return [f"Careful: {odd['words']}" for odd in prepared.facts.get("oddities", ()) if odd["kind"] == "leak"]


def add_quality(facts: dict[str, Any], quality: dict[str, Any]) -> dict[str, Any]:
    """The facts with the quality of the variants' rows, if it was evaluated."""
    if not quality:
        return facts
    seconds = facts["cost"]["seconds"] | {"judge_rows": quality.get("seconds", 0.0)}
    quality = add_effects(quality, facts["comparison"]["effects"])
    return facts | {"judging": quality, "cost": facts["cost"] | {"seconds": seconds}}


def _compare_metrics(spec: Spec, prepared: Prepared, trials: Sequence[Trial]) -> tuple[Comparison, list[Comparison]]:
    """(comparison by the deciding metric, with segments; comparisons by the others)."""
    labels = tasks.of(spec).group_users(prepared.split)
    names, comparisons = _list_defined_metrics(trials), []
    for name in names:
        question = ComparisonConfig(
            name, spec.evaluate.min_effect, rng.derive_key(spec.seed, "compare"), baseline=BASELINE, control=CONTROL
        )
        comparisons.append(
            compare_variants(_stack_values(trials, [one.values[name] for one in trials]), question, labels)
        )
        labels = {}  # groups are compared by the deciding metric
    shared = [name for name in trials[0].groups if all(name in one.groups for one in trials)]
    groups = {name: _stack_values(trials, [one.groups[name] for one in trials]) for name in shared}
    return add_segments(comparisons[0], groups), comparisons[1:]


def _list_defined_metrics(trials: Sequence[Trial]) -> list[str]:
    """The deciding metric, and those that are a number in every trial; the others are not compared."""
    first = next(iter(trials[0].values))
    return [
        name for name in trials[0].values if name == first or all(np.isfinite(one.values[name]).all() for one in trials)
    ]


def _stack_values(trials: Sequence[Trial], values: Sequence[Values]) -> dict[str, Values]:
    """Variant -> float64 (seeds, users). values: those of each trial."""
    by_arm: dict[str, list[Values]] = defaultdict(list)
    for one, of_users in sorted(zip(trials, values, strict=True), key=lambda pair: pair[0].seed):
        by_arm[one.variant].append(np.asarray(of_users))
    order = list(dict.fromkeys(one.variant for one in trials))
    return {variant: np.stack(by_arm[variant]) for variant in order}


def _average_pooled(trials: Sequence[Trial]) -> dict[str, dict[str, float | None]]:
    """Means of metrics with one number per trial, and of those not defined in every trial; null where undefined."""
    left = [name for name in trials[0].values if name not in _list_defined_metrics(trials)]
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for one in trials:
        for metric, value in one.catalog.items():
            found[metric][one.variant].append(value)
        for metric in left:
            found[metric][one.variant].append(float(one.values[metric].mean()))
    return {
        metric: {variant: _finite_or_none(np.mean(v)) for variant, v in by_arm.items()}
        for metric, by_arm in found.items()
    }


def _finite_or_none(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _add_epoch_steps(variant: dict[str, Any], trials: Sequence[Trial]) -> dict[str, Any]:
    """The variant's facts, with what its steps of each epoch make in one epoch."""
    of_arm = next((one.steps for one in trials if one.variant == variant["name"]), [])
    in_epoch = {step["index"]: step for step in of_arm}
    return variant | {"steps": [in_epoch.get(step["index"], step) for step in variant["steps"]]}


def _list_sentences(main: Comparison, spec: Spec, prepared: Prepared, trials: Sequence[Trial]) -> list[str]:
    """Sentences under the headline."""
    curves = [one.facts["curve"] for one in trials if one.variant == BASELINE]
    return [
        *build_summary(main),
        *warn_if_undertrained(curves, spec.evaluate.min_effect),
        *list_controller_flags(trials),
        *list_data_warnings(prepared),
    ]


def warn_if_undertrained(curves: Sequence[Sequence[Mapping[str, Any]]], min_gain: float) -> list[str]:
    """A warning where all trainings of the baseline gained more than `min_gain`, relative, in their last fifth of
    steps.

    curves: one record per validation, step and valid_ndcg. With too few steps, variants differ by their speed of
    learning.

    >>> curve = [{"step": 80, "valid_ndcg": 0.10}, {"step": 100, "valid_ndcg": 0.12}]
    >>> warn_if_undertrained([curve], min_gain=0.01)[0][:42]
    'The baseline was still getting better when'
    """
    gains = []
    for curve in curves:
        validations = [(point["step"], point["valid_ndcg"]) for point in curve if point.get("valid_ndcg")]
        early = [value for step, value in validations if step <= 0.8 * validations[-1][0]]
        gains.append(validations[-1][1] / max(early) - 1 if early else 0.0)
    if not gains or min(gains) <= min_gain:
        return []
    gain = format_percent(min(gains))
    return [
        f"The baseline was still getting better when its steps ended ({gain} on validation in the last fifth): with "
        "more steps the order of the variants may change."
    ]


def list_controller_flags(trials: Sequence[Trial]) -> list[str]:
    """Warnings of controllers, once per training."""
    found = {(one.variant, one.seed, row["decision"]["flag"]): None for one in trials for row in one.decisions}
    return [f"{variant}, seed {seed}: {flag}" for variant, seed, flag in found if flag]


def measure_cost(prepared: Prepared, variants: Sequence[dict[str, Any]], trials: Sequence[Trial]) -> dict[str, Any]:
    """Seconds of each stage, number of rows, peak memory."""
    seconds = dict(prepared.seconds)
    seconds["expand"] = round(sum(float(variant.get("seconds", 0.0)) for variant in variants), 2)
    seconds["train"] = round(sum(float(one.facts["seconds"]) for one in trials), 2)
    seconds["judge"] = round(sum(float(one.facts["judge_seconds"]) for one in trials), 2)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rows = len(prepared.split.train) + sum(int(variant.get("rows_new", 0)) for variant in variants)
    found = {"seconds": seconds, "rows": rows, "trainings": len(trials), "peak_mb": round(peak, 1)}
    pilots = {one.pilot["pilot"] + str(one.seed): one.pilot for one in trials if one.pilot}
    if pilots:
        seconds["pilots"] = round(sum(float(one["seconds"]) for one in pilots.values()), 2)
        found["pilot_steps"] = sum(int(one["steps"]) for one in pilots.values())
    views = max(one.facts.get("views", 1) for one in trials)
    return found | ({"views_of_each_test_history": views} if views > 1 else {})


def describe_rerun(run: RunFolder, mark: str) -> dict[str, Any]:
    """Command, fingerprint and versions that repeat the run."""
    command = f"leaven run {run.path / 'spec.toml'} --out {run.path}-again"
    return {"command": command, "fingerprint": mark, "versions": list_versions(), "machine": describe_machine()}


def build_lock(spec: Spec, mark: str) -> dict[str, Any]:
    """Versions and machine of a run, and its resolved spec."""
    return {
        "seed": spec.seed,
        "data": mark,
        "versions": list_versions(),
        "machine": describe_machine(),
        "spec": resolve_spec(spec),
    }


def list_versions() -> dict[str, str]:
    """Versions of Python and of the libraries that results depend on."""
    found = {"python": platform.python_version()} | {name: _get_version(name) for name in LIBRARIES}
    return {name: one for name, one in found.items() if one}


def _get_version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def describe_machine() -> dict[str, Any]:
    """Hardware and system of this machine, without its name."""
    import os

    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
    return {"processor": platform.machine(), "cores": os.cpu_count(), "memory_mb": pages, "system": platform.system()}


def write_records(trials: Sequence[Trial], users: npt.NDArray[np.uint64], path: Path) -> None:
    """Write one row per value: arm, seed, user (row id of the history), metric, value."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    part = path.with_name(path.name + ".part")
    schema = pa.schema(
        [
            ("arm", pa.string()),
            ("seed", pa.int32()),
            ("user", pa.uint64()),
            ("metric", pa.string()),
            ("value", pa.float64()),
        ]
    )
    of_user = pa.array(users)
    with pq.ParquetWriter(part, schema) as writer:
        for one in trials:
            for metric, values in one.values.items():
                n = len(values)
                columns = [pa.array([one.variant] * n), pa.array([one.seed] * n, pa.int32()), of_user]
                columns += [pa.array([metric] * n), pa.array(values)]
                writer.write_table(pa.Table.from_arrays(columns, schema=schema))
    part.replace(path)
