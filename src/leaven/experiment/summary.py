"""Facts of a finished run: every number that the report shows, and what trackers get."""

from __future__ import annotations

import os
import platform
import resource
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import numpy.typing as npt

from leaven import rng, stats
from leaven.config import Spec, resolve_spec
from leaven.config.experiment_spec import BASELINE, CONTROL
from leaven.experiment.prepared_data import PreparationConfig, PreparedData
from leaven.experiment.trial import ExpandedVariant, Trial, TrialContext
from leaven.facts import (
    FACTS_FILE,
    FORMAT,
    CostFacts,
    Figures,
    JsonObject,
    PilotFacts,
    ReproductionFacts,
    RunFacts,
    TrainingFacts,
    ValidationFacts,
    VariantFacts,
    VerdictFacts,
)
from leaven.run_folder import REPORT_FILE, SPEC_FILE, RunFolder
from leaven.stats import (
    Comparison,
    ComparisonConfig,
    add_segments,
    build_headline,
    build_summary,
    compare_variants,
)
from leaven.stats.effect import format_percent
from leaven.storage import replace_file
from leaven.tracking.contract import RunEnd, RunResult, ValidationResult

Values = npt.NDArray[np.float64]
LIBRARIES = ("leaven", "numpy", "numba", "duckdb", "pyarrow", "torch", "lightning-fabric", "scipy")


@dataclass(frozen=True)
class _Comparisons:
    """Comparison by the deciding metric, with segments, and by the others."""

    main: Comparison
    others: tuple[Comparison, ...]


def build_run_facts(
    name: str,
    config: PreparationConfig,
    bench: TrialContext,
    variants: Sequence[ExpandedVariant],
    trials: Sequence[Trial],
) -> RunFacts:
    """Facts of a finished run, without the quality of the rows."""
    compared = _compare_metrics(bench, trials)
    trainings = [one.record.training for one in trials]
    own = bench.task.build_task_facts(config, bench.data.split, bench.evaluate, trainings)
    comparison = stats.build_facts(
        compared.main, compared.others, _average_pooled(trials), own.best_possible, own.skipped_groupings
    )
    rows = [variant.facts for variant in variants]
    return RunFacts(
        name=name,
        leaven=_get_version("leaven"),
        seed=bench.seed,
        verdict=VerdictFacts(build_headline(compared.main), tuple(_list_sentences(compared.main, bench, trials))),
        comparison=comparison,
        data=bench.data.facts,
        variants=tuple(_add_epoch_steps(facts, trials) for facts in rows if facts.name != BASELINE),
        trainings=tuple(trainings),
        decisions=tuple(row for one in trials for row in one.record.decisions),
        cost=measure_cost(bench.data, rows, trials),
        reproduction=describe_reproduction(bench.run, bench.data.fingerprint),
        ctr=own.ctr,
    )


def _compare_metrics(bench: TrialContext, trials: Sequence[Trial]) -> _Comparisons:
    labels = bench.task.group_users(bench.data.split)
    comparisons = []
    for name in _list_defined_metrics(trials):
        question = ComparisonConfig(
            name, bench.evaluate.min_effect, rng.derive_key(bench.seed, "compare"), baseline=BASELINE, control=CONTROL
        )
        values = _stack_values(trials, [one.values[name] for one in trials])
        comparisons.append(compare_variants(values, question, labels))
        labels = {}  # groups are compared by the deciding metric
    shared = [name for name in trials[0].groups if all(name in one.groups for one in trials)]
    groups = {name: _stack_values(trials, [one.groups[name] for one in trials]) for name in shared}
    return _Comparisons(add_segments(comparisons[0], groups), tuple(comparisons[1:]))


def _list_defined_metrics(trials: Sequence[Trial]) -> list[str]:
    """The deciding metric, and those that are a number in every trial; the others are not compared."""
    first = next(iter(trials[0].values))
    return [
        name for name in trials[0].values if name == first or all(np.isfinite(one.values[name]).all() for one in trials)
    ]


def _stack_values(trials: Sequence[Trial], values: Sequence[Values]) -> dict[str, Values]:
    """Variant -> float64 (seeds, users). values: those of each trial."""
    by_variant: dict[str, list[Values]] = defaultdict(list)
    for one, of_users in sorted(zip(trials, values, strict=True), key=lambda pair: pair[0].seed):
        by_variant[one.variant].append(np.asarray(of_users))
    order = list(dict.fromkeys(one.variant for one in trials))
    return {variant: np.stack(by_variant[variant]) for variant in order}


def _average_pooled(trials: Sequence[Trial]) -> dict[str, dict[str, float | None]]:
    """Means of metrics with one number per trial, and of those not defined in every trial; None where undefined."""
    left = [name for name in trials[0].values if name not in _list_defined_metrics(trials)]
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for one in trials:
        for metric, value in one.record.pooled.items():
            found[metric][one.variant].append(np.nan if value is None else value)
        for metric in left:
            found[metric][one.variant].append(float(one.values[metric].mean()))
    means = {metric: {variant: float(np.mean(v)) for variant, v in of.items()} for metric, of in found.items()}
    return {metric: {name: m if np.isfinite(m) else None for name, m in of.items()} for metric, of in means.items()}


def _add_epoch_steps(variant: VariantFacts, trials: Sequence[Trial]) -> VariantFacts:
    """The variant's facts, with what its steps of each epoch create in one epoch."""
    steps = next((one.record.steps for one in trials if one.variant == variant.name), ())
    in_epoch = {step.index: step for step in steps}
    return replace(variant, steps=tuple(in_epoch.get(s.index, s) for s in variant.steps))


def _list_sentences(main: Comparison, bench: TrialContext, trials: Sequence[Trial]) -> list[str]:
    """Sentences under the headline."""
    curves = [one.record.training.curve for one in trials if one.variant == BASELINE]
    leaks = [warning.message for warning in bench.data.facts.warnings if warning.kind == "leak"]
    return [
        *build_summary(main),
        *warn_if_undertrained(curves, bench.evaluate.min_effect),
        *list_controller_flags(trials),
        *(f"Careful: {message}" for message in leaks),
    ]


def warn_if_undertrained(curves: Sequence[Sequence[ValidationFacts]], min_gain: float) -> list[str]:
    """A warning where all trainings of the baseline gained more than `min_gain`, relative, in their last fifth of
    steps.

    With too few steps, variants differ by their speed of learning.

    >>> curve = [ValidationFacts(80, ndcg=0.10), ValidationFacts(100, ndcg=0.12)]
    >>> warn_if_undertrained([curve], min_gain=0.01)[0][:42]
    'The baseline was still getting better when'
    """
    gains = []
    for curve in curves:
        scores = [(point.step, point.ndcg) for point in curve if point.ndcg]
        early = [value for step, value in scores if step <= 0.8 * scores[-1][0]]
        gains.append(scores[-1][1] / max(early) - 1 if early else 0.0)
    if not gains or min(gains) <= min_gain:
        return []
    gain = format_percent(min(gains))
    return [
        f"The baseline was still getting better when its steps ended ({gain} on validation in the last fifth): with "
        "more steps the order of the variants may change."
    ]


def list_controller_flags(trials: Sequence[Trial]) -> list[str]:
    """Warnings of controllers, once per training."""
    decisions = [row for one in trials for row in one.record.decisions if row.flag]
    return list(dict.fromkeys(f"{row.variant}, seed {row.seed}: {row.flag}" for row in decisions))


def measure_cost(data: PreparedData, variants: Sequence[VariantFacts], trials: Sequence[Trial]) -> CostFacts:
    """Seconds of each stage, number of rows, peak memory."""
    trainings = [one.record.training for one in trials]
    seconds = dict(data.seconds) | {
        "expand": round(sum(variant.seconds for variant in variants), 2),
        "train": round(sum(one.seconds for one in trainings), 2),
        "evaluate": round(sum(one.evaluation_seconds for one in trainings), 2),
    }
    pilots: dict[str, PilotFacts] = {one.record.pilot.name: one.record.pilot for one in trials if one.record.pilot}
    if pilots:
        seconds["pilots"] = round(sum(pilot.seconds for pilot in pilots.values()), 2)
    return CostFacts(
        seconds=seconds,
        rows=len(data.train) + sum(variant.synthetic_rows for variant in variants),
        trainings=len(trials),
        peak_mb=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        pilot_steps=sum(pilot.steps for pilot in pilots.values()),
        test_views=max(one.test_views for one in trainings),
    )


def describe_reproduction(run: RunFolder, fingerprint: str) -> ReproductionFacts:
    """Command, fingerprint and versions that repeat the run."""
    command = f"leaven run {run.path / SPEC_FILE} --out {run.path}-again"
    return ReproductionFacts(command, fingerprint, list_versions(), describe_machine())


def build_lock(spec: Spec, fingerprint: str) -> JsonObject:
    """Versions and machine of a run, and its resolved spec."""
    return {
        "format": FORMAT,
        "seed": spec.seed,
        "data": fingerprint,
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


def describe_machine() -> Figures:
    """Hardware and system of this machine, without its name."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
    return {"processor": platform.machine(), "cores": os.cpu_count(), "memory_mb": memory, "system": platform.system()}


def write_records(trials: Sequence[Trial], users: npt.NDArray[np.uint64], path: Path) -> None:
    """Write one row per value: variant, seed, user (row id of the history), metric, value."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {"variant": pa.string(), "seed": pa.int32(), "user": pa.uint64(), "metric": pa.string()}
    schema = pa.schema({**types, "value": pa.float64()})
    of_user = pa.array(users)
    with replace_file(path) as part, pq.ParquetWriter(part, schema) as writer:
        for one in trials:
            for metric, values in one.values.items():
                n = len(values)
                columns = [pa.array([one.variant] * n), pa.array([one.seed] * n, pa.int32()), of_user]
                columns += [pa.array([metric] * n), pa.array(values)]
                writer.write_table(pa.Table.from_arrays(columns, schema=schema))


_ARTIFACTS = (SPEC_FILE, FACTS_FILE, REPORT_FILE)


def summarize_run(facts: RunFacts, folder: RunFolder) -> RunResult:
    """Means and relative lifts of the variants, all validations, and the files of a finished run."""
    metrics: dict[str, float] = {}
    if facts.comparison is not None:
        metric = facts.comparison.metric
        metrics |= {f"{name}/{metric}": float(mean) for name, mean in facts.comparison.means.items()}
    seconds = {f"seconds/{name}": float(value) for name, value in facts.cost.seconds.items()}
    paths = tuple(path for name in _ARTIFACTS if (path := folder.path / name).exists())
    validations = tuple(_describe_validation(training, one) for training in facts.trainings for one in training.curve)
    return RunResult(RunEnd(facts.name, "finished", metrics | seconds, paths), validations)


def _describe_validation(training: TrainingFacts, validation: ValidationFacts) -> ValidationResult:
    values = {"loss": validation.loss, "ndcg": validation.ndcg, "log_loss": validation.log_loss}
    known = {name: float(value) for name, value in values.items() if value is not None}
    return ValidationResult(f"{training.variant} seed {training.seed}", validation.step, known)
