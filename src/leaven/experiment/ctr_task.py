"""Data preparation and evaluation of the click prediction task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.cleaning import clean_events
from leaven.config import Spec
from leaven.config.evaluation import CtrEvaluationConfig
from leaven.ctr_features import LabeledTable, SampleSplit, find_issues, read_labeled_table
from leaven.datasets.events import Events
from leaven.datasets.samples import Samples
from leaven.errors import DataError
from leaven.experiment import adaptive_training
from leaven.experiment.evaluation_result import EvaluationResult
from leaven.filters.rules import Rules
from leaven.ingest import build_histories, read_events
from leaven.metrics.ctr.ctr_metrics import compute_calibration_curve, find_best_threshold
from leaven.metrics.metric_names import parse_ctr_metrics
from leaven.metrics.segments import label_row_segments
from leaven.profiling.log_statistics import compute_log_statistics
from leaven.protocols import FittedCtrModel, TrainingContext
from leaven.registry import create_config
from leaven.run_folder import read_json, write_json

Timed = Callable[[str, Callable[[], Any]], Any]
_FACTS = "parts.json"
CURVE_GROUPS = 10
"""Groups of about equal size in the calibration plot."""
_POPULAR = "item_events_30d"


def list_files(spec: Spec) -> list[str]:
    """The log and the table of items, or the labelled table."""
    if isinstance(spec.data, LabeledTable):
        return [str(spec.data.labeled)]
    return [str(spec.data.interactions), *([str(spec.items.items)] if spec.items else [])]


def prepare_parts(spec: Spec, timed: Timed) -> tuple[SampleSplit, dict[str, Any]]:
    """Labelled rows in three parts; suspected leaks of the training rows are reported and kept in the facts."""
    parts, facts = _prepare_table(spec, timed) if isinstance(spec.data, LabeledTable) else _prepare_log(spec, timed)
    leaks = timed("looking for leaks", lambda: find_issues(parts.train))
    for leak in leaks:
        timed(f"careful: {leak.message}", lambda: None)
    issues = [{"kind": one.kind, "column": one.column, "value": one.value, "words": one.message} for one in leaks]
    return parts, facts | {"split": dict(parts.facts), "oddities": issues}


def _prepare_table(spec: Spec, timed: Timed) -> tuple[SampleSplit, dict[str, Any]]:
    rows: Samples = timed("reading the table", lambda: read_labeled_table(spec.data))
    parts = timed("split", lambda: spec.split.split_table(rows, rng.derive_key(spec.seed, "split")))
    return parts, {"reading": dict(rows.facts) | {"numbers": len(rows.numeric), "categories": len(rows.categorical)}}


def _prepare_log(spec: Spec, timed: Timed) -> tuple[SampleSplit, dict[str, Any]]:
    events: Events = timed("reading the log", lambda: read_events(spec.data, items=spec.items))
    cleaned = timed("cleaning", lambda: clean_events(events, spec.clean))
    found = timed("health of the log", lambda: compute_log_statistics(build_histories(cleaned.events).histories))
    key = rng.derive_key(spec.seed, "samples")
    parts = timed("sampling rows", lambda: spec.split.split_log(cleaned.events, spec.samples, key))
    return parts, {"reading": dict(events.facts), "cleaning": list(cleaned.rules), "health": found}


def save_parts(prepared: SampleSplit, folder: Path) -> None:
    """Write one file per part, and their facts."""
    prepared.save(folder)
    write_json(folder / _FACTS, dict(prepared.facts))


def drop_users(prepared: SampleSplit, keys: npt.NDArray[np.uint64]) -> SampleSplit:
    """The parts without the rows of these users."""
    kept: dict[str, Any] = {name: rows.take(~np.isin(rows.user_ids, keys)) for name, rows in prepared.parts.items()}
    return replace(prepared, **kept)


def load_parts(folder: Path) -> SampleSplit:
    """The parts that `save_parts` wrote."""
    return SampleSplit.load(folder, read_json(folder / _FACTS, "run again with --resume"))


def check_parts(spec: Spec, parts: SampleSplit) -> None:
    """Raises SpecError for rules of unknown columns, DataError for rules that real rows break, LeavenError for plans
    that the CTR model cannot follow.
    """
    for variant in spec.variants:
        adaptive_training.check_plan(variant.plan, spec.recommender, parts)
    kept = Rules(spec.rules).fit(parts.train)(parts.train)
    if kept.rejected:
        broken = ", ".join(f"{count:,} break {rule!r}" for rule, count in kept.rejected.items())
        raise DataError(
            "rules", "rules that every real training row keeps", broken, "correct the rule, or clean the log"
        )


def evaluate_model(
    fitted: FittedCtrModel, parts: SampleSplit, evaluate: CtrEvaluationConfig, seed: int
) -> EvaluationResult:
    """Metrics of the test rows; the threshold is that of the best F1 on the validation rows."""
    test, valid = parts.test, parts.valid
    probability = fitted.predict(test)
    threshold = find_best_threshold(valid.label.astype(np.float64), fitted.predict(valid))
    label, named = test.label.astype(np.float64), parse_ctr_metrics(evaluate.metrics)
    metrics = {name: one.build_metric(threshold) for name, one in named.items()}
    values = {
        name: metrics[name].of_users(label, probability, test.user_ids)
        for name, one in named.items()
        if one.has_user_values
    }
    pooled = {
        name: metrics[name](label, probability, users=test.user_ids)
        for name, one in named.items()
        if not one.has_user_values
    }
    groups = {}
    for by, groups_of in label_row_segments(test, parts.train).items():
        for group in np.unique(groups_of):
            mine = groups_of == group
            found = metrics[evaluate.metrics[0]].of_users(label[mine], probability[mine], test.user_ids[mine])
            if np.isfinite(found).all():
                groups[by, str(group)] = found
    return EvaluationResult(
        values, pooled, groups, {"threshold": threshold, "calibration": _build_calibration_curve(label, probability)}
    )


def _build_calibration_curve(label: npt.NDArray[np.float64], probability: npt.NDArray[np.float64]) -> list[list[float]]:
    """(mean probability, share of positives, rows) of each group."""
    _, predicted, observed, size = compute_calibration_curve(label, probability, n_bins=CURVE_GROUPS)
    return [
        [round(x, 5) for x in one] for one in zip(predicted.tolist(), observed.tolist(), size.tolist(), strict=True)
    ]


def list_users(parts: SampleSplit) -> npt.NDArray[np.uint64]:
    """The users of the test rows, sorted."""
    return np.unique(parts.test.user_ids)


def group_users(parts: SampleSplit) -> Mapping[str, npt.NDArray[np.str_]]:
    """Empty: rows are grouped, not users (`row_groups`)."""
    return {}


def build_extra_facts(spec: Spec, parts: SampleSplit, facts: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Thresholds and calibration of every variant, and the metrics of popularity alone."""
    variants: dict[str, dict[str, Any]] = {}
    for one in facts:
        mine = variants.setdefault(str(one["arm"]), {"thresholds": [], "calibration": one["calibration"]})
        mine["thresholds"].append(one["threshold"])
    found: dict[str, Any] = {"arms": variants, "positive_share": float(parts.test.label.mean())}
    if _POPULAR in parts.train.numeric:
        popular = create_config("ctr_models", "popularity", {"column": _POPULAR}).fit(parts.train, TrainingContext())
        result = evaluate_model(popular, parts, spec.evaluate, spec.seed)
        values = {name: float(one.mean()) for name, one in result.values.items() if np.isfinite(one).all()}
        found["popularity"] = {"column": _POPULAR, **values}
    return {"clicks": found}
