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

from leaven import rng
from leaven.config import Spec, resolved
from leaven.config.experiment_spec import BASELINE, CONTROL
from leaven.experiment import tasks
from leaven.experiment.preparation import Prepared
from leaven.experiment.synthetic_quality import with_effects
from leaven.experiment.trial import Trial
from leaven.run_folder import Run
from leaven.stats import Comparison, Question, as_facts, compare, headline, with_groups, words
from leaven.stats.effect import percent

Values = npt.NDArray[np.float64]
LIBRARIES = ("leaven", "numpy", "numba", "duckdb", "pyarrow", "torch", "lightning-fabric", "scipy")


def facts(
    spec: Spec, prepared: Prepared, run: Run, arms: Sequence[dict[str, Any]], trials: Sequence[Trial]
) -> dict[str, Any]:
    """Facts of a finished run, JSON-able."""
    main, others = _compare_metrics(spec, prepared, trials)
    extra = tasks.of(spec).build_extra_facts(spec, prepared.split, [one.fact for one in trials])
    compared = as_facts(main, others, _average_pooled(trials)) | extra.pop("comparison", {})
    return extra | {
        "leaven": _get_version("leaven"),
        "name": spec.name,
        "seed": spec.seed,
        "verdict": {"headline": headline(main), "words": _list_sentences(main, spec, prepared, trials)},
        "comparison": compared,
        "data": prepared.facts,
        "arms": [_add_epoch_steps(arm, trials) for arm in arms if arm["name"] != BASELINE],
        "fits": [one.fact for one in trials],
        "decisions": [{"arm": one.arm, "seed": one.seed, **row} for one in trials for row in one.decisions],
        "cost": cost(prepared, arms, trials),
        "repeat": repeat(run, prepared.fingerprint),
    }


def careful(prepared: Prepared) -> list[str]:
    """Warnings about the data, as sentences."""
    return [f"Careful: {odd['words']}" for odd in prepared.facts.get("oddities", ()) if odd["kind"] == "leak"]


def judged(facts: dict[str, Any], judging: dict[str, Any]) -> dict[str, Any]:
    """The facts with the quality of the variants' rows, if it was evaluated."""
    if not judging:
        return facts
    seconds = facts["cost"]["seconds"] | {"judge_rows": judging.get("seconds", 0.0)}
    quality = with_effects(judging, facts["comparison"]["effects"])
    return facts | {"judging": quality, "cost": facts["cost"] | {"seconds": seconds}}


def _compare_metrics(spec: Spec, prepared: Prepared, trials: Sequence[Trial]) -> tuple[Comparison, list[Comparison]]:
    """(comparison by the deciding metric, with segments; comparisons by the others)."""
    labels = tasks.of(spec).group_users(prepared.split)
    names, comparisons = _list_defined_metrics(trials), []
    for name in names:
        question = Question(
            name, spec.evaluate.smallest_lift, rng.key(spec.seed, "compare"), baseline=BASELINE, control=CONTROL
        )
        comparisons.append(compare(_stack_values(trials, [one.values[name] for one in trials]), question, labels))
        labels = {}  # groups are compared by the deciding metric
    shared = [name for name in trials[0].groups if all(name in one.groups for one in trials)]
    groups = {name: _stack_values(trials, [one.groups[name] for one in trials]) for name in shared}
    return with_groups(comparisons[0], groups), comparisons[1:]


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
        by_arm[one.arm].append(np.asarray(of_users))
    order = list(dict.fromkeys(one.arm for one in trials))
    return {arm: np.stack(by_arm[arm]) for arm in order}


def _average_pooled(trials: Sequence[Trial]) -> dict[str, dict[str, float | None]]:
    """Means of metrics with one number per trial, and of those not defined in every trial; null where undefined."""
    left = [name for name in trials[0].values if name not in _list_defined_metrics(trials)]
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for one in trials:
        for metric, value in one.catalog.items():
            found[metric][one.arm].append(value)
        for metric in left:
            found[metric][one.arm].append(float(one.values[metric].mean()))
    return {metric: {arm: _finite_or_none(np.mean(v)) for arm, v in by_arm.items()} for metric, by_arm in found.items()}


def _finite_or_none(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _add_epoch_steps(arm: dict[str, Any], trials: Sequence[Trial]) -> dict[str, Any]:
    """The variant's facts, with what its steps of each epoch make in one epoch."""
    of_arm = next((one.steps for one in trials if one.arm == arm["name"]), [])
    in_epoch = {step["index"]: step for step in of_arm}
    return arm | {"steps": [in_epoch.get(step["index"], step) for step in arm["steps"]]}


def _list_sentences(main: Comparison, spec: Spec, prepared: Prepared, trials: Sequence[Trial]) -> list[str]:
    """Sentences under the headline."""
    curves = [one.fact["curve"] for one in trials if one.arm == BASELINE]
    return [*words(main), *still_climbing(curves, spec.evaluate.smallest_lift), *flags(trials), *careful(prepared)]


def still_climbing(curves: Sequence[Sequence[Mapping[str, Any]]], least: float) -> list[str]:
    """A warning where all trainings of the baseline gained more than `least`, relative, in their last fifth of steps.

    curves: one record per validation, step and valid_ndcg. With too few steps, variants differ by their speed of
    learning.

    >>> still_climbing([[{"step": 80, "valid_ndcg": 0.10}, {"step": 100, "valid_ndcg": 0.12}]], least=0.01)[0][:42]
    'The baseline was still getting better when'
    """
    gains = []
    for curve in curves:
        validations = [(point["step"], point["valid_ndcg"]) for point in curve if point.get("valid_ndcg")]
        early = [value for step, value in validations if step <= 0.8 * validations[-1][0]]
        gains.append(validations[-1][1] / max(early) - 1 if early else 0.0)
    if not gains or min(gains) <= least:
        return []
    gain = percent(min(gains))
    return [
        f"The baseline was still getting better when its steps ended ({gain} on validation in the last fifth): with "
        "more steps the order of the variants may change."
    ]


def flags(trials: Sequence[Trial]) -> list[str]:
    """Warnings of controllers, once per training."""
    found = {(one.arm, one.seed, row["decision"]["flag"]): None for one in trials for row in one.decisions}
    return [f"{arm}, seed {seed}: {flag}" for arm, seed, flag in found if flag]


def cost(prepared: Prepared, arms: Sequence[dict[str, Any]], trials: Sequence[Trial]) -> dict[str, Any]:
    """Seconds of each stage, number of rows, peak memory."""
    seconds = dict(prepared.seconds)
    seconds["expand"] = round(sum(float(arm.get("seconds", 0.0)) for arm in arms), 2)
    seconds["train"] = round(sum(float(one.fact["seconds"]) for one in trials), 2)
    seconds["judge"] = round(sum(float(one.fact["judge_seconds"]) for one in trials), 2)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rows = len(prepared.split.train) + sum(int(arm.get("rows_new", 0)) for arm in arms)
    found = {"seconds": seconds, "rows": rows, "trainings": len(trials), "peak_mb": round(peak, 1)}
    pilots = {one.pilot["pilot"] + str(one.seed): one.pilot for one in trials if one.pilot}
    if pilots:
        seconds["pilots"] = round(sum(float(one["seconds"]) for one in pilots.values()), 2)
        found["pilot_steps"] = sum(int(one["steps"]) for one in pilots.values())
    views = max(one.fact.get("views", 1) for one in trials)
    return found | ({"views_of_each_test_history": views} if views > 1 else {})


def repeat(run: Run, mark: str) -> dict[str, Any]:
    """Command, fingerprint and versions that repeat the run."""
    command = f"leaven run {run.folder / 'spec.toml'} --out {run.folder}-again"
    return {"command": command, "fingerprint": mark, "versions": versions(), "machine": machine()}


def lock(spec: Spec, mark: str) -> dict[str, Any]:
    """Versions and machine of a run, and its resolved spec."""
    return {"seed": spec.seed, "data": mark, "versions": versions(), "machine": machine(), "spec": resolved(spec)}


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that results depend on."""
    found = {"python": platform.python_version()} | {name: _get_version(name) for name in LIBRARIES}
    return {name: one for name, one in found.items() if one}


def _get_version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def machine() -> dict[str, Any]:
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
                columns = [pa.array([one.arm] * n), pa.array([one.seed] * n, pa.int32()), of_user]
                columns += [pa.array([metric] * n), pa.array(values)]
                writer.write_table(pa.Table.from_arrays(columns, schema=schema))
    part.replace(path)
