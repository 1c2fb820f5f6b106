"""Data preparation and evaluation of the click prediction task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.augmentation import Plan
from leaven.cleaning import clean_events
from leaven.config.evaluation import CtrEvaluationConfig
from leaven.ctr_features import LabeledTable, SampleSplit, find_issues, read_labeled_table
from leaven.datasets.catalog import Catalog
from leaven.datasets.events import Events
from leaven.datasets.samples import Samples
from leaven.errors import DataError
from leaven.experiment import adaptive_training
from leaven.experiment.evaluation_result import EvaluationResult
from leaven.experiment.prepared_data import PreparationConfig, TaskFacts, Timed
from leaven.facts import (
    CalibrationBin,
    CleaningRuleFacts,
    CtrFacts,
    CtrVariantFacts,
    DataFacts,
    DataWarning,
    TrainingFacts,
    from_json,
)
from leaven.filters.rules import Rules
from leaven.ingest import build_histories, read_events
from leaven.metrics.ctr.ctr_metrics import compute_calibration_curve, find_best_threshold
from leaven.metrics.metric_names import parse_ctr_metrics
from leaven.metrics.segments import label_row_segments, label_user_attributes
from leaven.profiling.log_statistics import compute_log_statistics
from leaven.protocols import CtrModel, FittedCtrModel, TrainingContext
from leaven.registry import create_config
from leaven.run_folder import read_json, write_json
from leaven.stats import find_small_groupings, pool_small_groups

_FACTS = "parts.json"
CURVE_GROUPS = 10
"""Groups of about equal size in the calibration plot."""
_POPULAR = "item_events_30d"


def prepare_parts(config: PreparationConfig, timed: Timed) -> tuple[SampleSplit, DataFacts]:
    """Labeled rows in three parts; suspected leaks of the training rows are reported and kept in the facts."""
    if isinstance(config.source, LabeledTable):
        parts, facts = _prepare_table(config.source, config, timed)
    else:
        parts, facts = _prepare_log(config, timed)
    leaks = timed("looking for leaks", lambda: find_issues(parts.train))
    for leak in leaks:
        timed(f"careful: {leak.message}", lambda: None)
    warnings = tuple(DataWarning(one.kind, one.column, one.value, one.message) for one in leaks)
    return parts, replace(facts, split=parts.facts, warnings=warnings)


def _prepare_table(source: LabeledTable, config: PreparationConfig, timed: Timed) -> tuple[SampleSplit, DataFacts]:
    rows: Samples = timed("reading the table", lambda: read_labeled_table(source))
    parts = timed("split", lambda: config.split.split_table(rows, rng.derive_key(config.seed, "split")))
    columns = {"numbers": len(rows.numeric), "categories": len(rows.categorical)}
    return parts, DataFacts(reading={**rows.facts, **columns})


def _prepare_log(config: PreparationConfig, timed: Timed) -> tuple[SampleSplit, DataFacts]:
    events: Events = timed(
        "reading the log", lambda: read_events(config.source, items=config.items, users=config.users)
    )
    cleaned = timed("cleaning", lambda: clean_events(events, config.clean))
    histories = timed("statistics of the log", lambda: build_histories(cleaned.events).histories)
    key = rng.derive_key(config.seed, "samples")
    parts = timed("sampling rows", lambda: config.split.split_log(cleaned.events, config.samples, key))
    rules = from_json(tuple[CleaningRuleFacts, ...], cleaned.rules, "the rules of cleaning")
    return parts, DataFacts(events.facts, rules, compute_log_statistics(histories))


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


def get_catalog(parts: SampleSplit) -> Catalog | None:
    """None: samples hold the attributes of their items."""
    return None


def get_unseen(parts: SampleSplit) -> Samples | None:
    """All samples of the control users; None where there are none."""
    return parts.control


def check_parts(
    parts: SampleSplit,
    recommender: CtrModel,
    plans: Sequence[Plan],
    evaluate: CtrEvaluationConfig,
    rules: Sequence[str],
) -> None:
    """Raises SpecError for rules of unknown columns, DataError for rules that real rows break, LeavenError for plans
    that the CTR model cannot follow.
    """
    for plan in plans:
        adaptive_training.check_plan(plan, recommender, parts)
    kept = Rules(tuple(rules)).fit(parts.train)(parts.train)
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
    segments = _label_segments(parts)
    small = find_small_groupings(segments, test.user_ids)
    for by, names in ((by, names) for by, names in segments.items() if by not in small):
        pooled_names = pool_small_groups(names, test.user_ids)
        for group in np.unique(pooled_names):
            mine = pooled_names == group
            found = metrics[evaluate.metrics[0]].of_users(label[mine], probability[mine], test.user_ids[mine])
            if np.isfinite(found).all():
                groups[by, str(group)] = found
    _, predicted, observed, size = compute_calibration_curve(label, probability, n_bins=CURVE_GROUPS)
    bins = zip(predicted.tolist(), observed.tolist(), size.tolist(), strict=True)
    calibration = tuple(CalibrationBin(round(p, 5), round(o, 5), int(rows)) for p, o, rows in bins)
    return EvaluationResult(values, pooled, groups, threshold=threshold, calibration=calibration)


def _label_segments(parts: SampleSplit) -> dict[str, npt.NDArray[np.str_]]:
    """Grouping -> group of each test row."""
    test = parts.test
    return {**label_row_segments(test, parts.train), **label_user_attributes(test.names, test.user_ids)}


def list_users(parts: SampleSplit) -> npt.NDArray[np.uint64]:
    """The users of the test rows, sorted."""
    return np.unique(parts.test.user_ids)


def group_users(parts: SampleSplit) -> Mapping[str, npt.NDArray[np.str_]]:
    """Empty: rows are grouped, not users (`row_groups`)."""
    return {}


def build_task_facts(
    config: PreparationConfig, parts: SampleSplit, evaluate: CtrEvaluationConfig, trainings: Sequence[TrainingFacts]
) -> TaskFacts:
    """Thresholds and calibration of every variant, and the metrics of popularity alone."""
    by_variant: dict[str, list[TrainingFacts]] = {}
    for one in trainings:
        by_variant.setdefault(one.variant, []).append(one)
    variants = {
        name: CtrVariantFacts(tuple(t.threshold for t in mine if t.threshold is not None), mine[0].calibration)
        for name, mine in by_variant.items()
    }
    facts = CtrFacts(variants, float(parts.test.label.mean()))
    small = find_small_groupings(_label_segments(parts), parts.test.user_ids)
    if _POPULAR not in parts.train.numeric:
        return TaskFacts(ctr=facts, skipped_groupings=small)
    popular = create_config("ctr_models", "popularity", {"column": _POPULAR}).fit(parts.train, TrainingContext())
    result = evaluate_model(popular, parts, evaluate, config.seed)
    values = {name: float(one.mean()) for name, one in result.values.items() if np.isfinite(one).all()}
    return TaskFacts(ctr=replace(facts, popularity_column=_POPULAR, popularity=values), skipped_groupings=small)
