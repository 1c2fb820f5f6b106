"""Which figures does a run leave behind?"""

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
    """All that the report shows."""
    main, others = _comparisons(spec, prepared, trials)
    more = tasks.of(spec).more(spec, prepared.split, [one.fact for one in trials])
    compared = as_facts(main, others, _catalog_means(trials)) | more.pop("comparison", {})
    return more | {
        "leaven": _version("leaven"),
        "name": spec.name,
        "seed": spec.seed,
        "verdict": {"headline": headline(main), "words": _words(main, spec, prepared, trials)},
        "comparison": compared,
        "data": prepared.facts,
        "arms": [_with_epochs(arm, trials) for arm in arms if arm["name"] != BASELINE],
        "fits": [one.fact for one in trials],
        "decisions": [{"arm": one.arm, "seed": one.seed, **row} for one in trials for row in one.decisions],
        "cost": cost(prepared, arms, trials),
        "repeat": repeat(run, prepared.fingerprint),
    }


def careful(prepared: Prepared) -> list[str]:
    """What is odd about the data, as sentences."""
    return [f"Careful: {odd['words']}" for odd in prepared.facts.get("oddities", ()) if odd["kind"] == "leak"]


def judged(facts: dict[str, Any], judging: dict[str, Any]) -> dict[str, Any]:
    """The facts with what was found about the arms' rows, if they were judged."""
    if not judging:
        return facts
    seconds = facts["cost"]["seconds"] | {"judge_rows": judging.get("seconds", 0.0)}
    found = with_effects(judging, facts["comparison"]["effects"])
    return facts | {"judging": found, "cost": facts["cost"] | {"seconds": seconds}}


def _comparisons(spec: Spec, prepared: Prepared, trials: Sequence[Trial]) -> tuple[Comparison, list[Comparison]]:
    """The metric that decides, by segment too; then the others."""
    labels = tasks.of(spec).labels(prepared.split)
    names, made = _defined(trials), []
    for name in names:
        question = Question(
            name, spec.evaluate.smallest_lift, rng.key(spec.seed, "compare"), baseline=BASELINE, control=CONTROL
        )
        made.append(compare(_stacked(trials, [one.values[name] for one in trials]), question, labels))
        labels = {}  # groups are judged by the metric that decides
    shared = [name for name in trials[0].groups if all(name in one.groups for one in trials)]
    groups = {name: _stacked(trials, [one.groups[name] for one in trials]) for name in shared}
    return with_groups(made[0], groups), made[1:]


def _defined(trials: Sequence[Trial]) -> list[str]:
    """The metrics that are a number in every trial, and the one that decides; the others are not compared."""
    first = next(iter(trials[0].values))
    return [
        name for name in trials[0].values if name == first or all(np.isfinite(one.values[name]).all() for one in trials)
    ]


def _stacked(trials: Sequence[Trial], values: Sequence[Values]) -> dict[str, Values]:
    """arm -> float64 (seeds, users). values: of each trial."""
    by_arm: dict[str, list[Values]] = defaultdict(list)
    for one, of_users in sorted(zip(trials, values, strict=True), key=lambda pair: pair[0].seed):
        by_arm[one.arm].append(np.asarray(of_users))
    order = list(dict.fromkeys(one.arm for one in trials))
    return {arm: np.stack(by_arm[arm]) for arm in order}


def _catalog_means(trials: Sequence[Trial]) -> dict[str, dict[str, float | None]]:
    """Of metrics that are one number a trial, and of those not defined in all; null in an arm that has none."""
    left = [name for name in trials[0].values if name not in _defined(trials)]
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for one in trials:
        for metric, value in one.catalog.items():
            found[metric][one.arm].append(value)
        for metric in left:
            found[metric][one.arm].append(float(one.values[metric].mean()))
    return {metric: {arm: _number(np.mean(v)) for arm, v in by_arm.items()} for metric, by_arm in found.items()}


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _with_epochs(arm: dict[str, Any], trials: Sequence[Trial]) -> dict[str, Any]:
    """Steps of each epoch with what they do in one, in the place of what they did before training: nothing."""
    of_arm = next((one.steps for one in trials if one.arm == arm["name"]), [])
    in_epoch = {step["index"]: step for step in of_arm}
    return arm | {"steps": [in_epoch.get(step["index"], step) for step in arm["steps"]]}


def _words(main: Comparison, spec: Spec, prepared: Prepared, trials: Sequence[Trial]) -> list[str]:
    """The sentences under the headline."""
    curves = [one.fact["curve"] for one in trials if one.arm == BASELINE]
    return [*words(main), *still_climbing(curves, spec.evaluate.smallest_lift), *flags(trials), *careful(prepared)]


def still_climbing(curves: Sequence[Sequence[Mapping[str, Any]]], least: float) -> list[str]:
    """A warning where all trainings of the baseline gained more than `least`, relative, in their last fifth of steps.

    curves: one record a look, step and valid_ndcg. Where steps end that early, arms differ by how soon they learn.

    >>> still_climbing([[{"step": 80, "valid_ndcg": 0.10}, {"step": 100, "valid_ndcg": 0.12}]], least=0.01)[0][:42]
    'The baseline was still getting better when'
    """
    gains = []
    for curve in curves:
        looks = [(point["step"], point["valid_ndcg"]) for point in curve if point.get("valid_ndcg")]
        early = [value for step, value in looks if step <= 0.8 * looks[-1][0]]
        gains.append(looks[-1][1] / max(early) - 1 if early else 0.0)
    if not gains or min(gains) <= least:
        return []
    gain = percent(min(gains))
    return [
        f"The baseline was still getting better when its steps ended ({gain} on validation in the last fifth): with "
        "more steps the order of the arms may be another."
    ]


def flags(trials: Sequence[Trial]) -> list[str]:
    """What controllers flagged, once a training."""
    found = {(one.arm, one.seed, row["decision"]["flag"]): None for one in trials for row in one.decisions}
    return [f"{arm}, seed {seed}: {flag}" for arm, seed, flag in found if flag]


def cost(prepared: Prepared, arms: Sequence[dict[str, Any]], trials: Sequence[Trial]) -> dict[str, Any]:
    """Seconds of each stage, rows, memory."""
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
    """How to run it again."""
    command = f"leaven run {run.folder / 'spec.toml'} --out {run.folder}-again"
    return {"command": command, "fingerprint": mark, "versions": versions(), "machine": machine()}


def lock(spec: Spec, mark: str) -> dict[str, Any]:
    """What a run depends on, beside its spec."""
    return {"seed": spec.seed, "data": mark, "versions": versions(), "machine": machine(), "spec": resolved(spec)}


def versions() -> dict[str, str]:
    """Of Python and of the libraries that results depend on."""
    found = {"python": platform.python_version()} | {name: _version(name) for name in LIBRARIES}
    return {name: one for name, one in found.items() if one}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def machine() -> dict[str, Any]:
    """What this machine is, without its name."""
    import os

    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
    return {"processor": platform.machine(), "cores": os.cpu_count(), "memory_mb": pages, "system": platform.system()}


def write_records(trials: Sequence[Trial], users: npt.NDArray[np.uint64], path: Path) -> None:
    """One line a value: arm, seed, user (the key of the history), metric, value."""
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
