"""Data preparation and evaluation of the ranking task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.augmentation import Plan
from leaven.cleaning import clean_events
from leaven.config import EvaluationConfig
from leaven.datasets.catalog import Catalog
from leaven.datasets.events import Events
from leaven.datasets.histories import HeldOut, Histories
from leaven.errors import DataError
from leaven.experiment import adaptive_training
from leaven.experiment.evaluation_result import EvaluationResult
from leaven.experiment.prepared_data import PreparationConfig, TaskFacts, Timed
from leaven.experiment.split_storage import load_split, save_split
from leaven.experiment.test_time_augmentation import HistoryViews, recommend_with_views
from leaven.facts import CleaningRuleFacts, DataFacts, TrainingFacts, from_json
from leaven.ingest import build_catalog, build_histories, read_events
from leaven.ingest.id_mapping import IndexedHistories
from leaven.ingest.source_loading import open_database
from leaven.metrics.metric_names import parse_ranking_metrics
from leaven.metrics.segments import label_user_attributes, label_user_segments
from leaven.profiling.log_statistics import compute_log_statistics
from leaven.protocols import FittedRecommender, Recommender
from leaven.run_folder import read_json
from leaven.splits.log_splits import Split, require_clock

READING = "1500MB"
"""Memory of the database while a log is read, cleaned and ordered; above it, data spill to the temporary folder."""


def prepare_parts(config: PreparationConfig, timed: Timed) -> tuple[tuple[Split, Catalog], DataFacts]:
    """Read, clean, order and split the log."""
    database = open_database(READING)
    events: Events = timed(
        "reading the log",
        lambda: read_events(config.source, items=config.items, users=config.users, connection=database),
    )
    require_clock(config.split, events.has_clock)
    cleaned = timed("cleaning", lambda: clean_events(events, config.clean))
    ordered: IndexedHistories = timed("ordering events into histories", lambda: build_histories(cleaned.events))
    catalog = timed("reading the items", lambda: build_catalog(cleaned.events, ordered.item_ids, config.items))
    database.close()  # its memory is not needed any more
    histories = replace(ordered.histories, catalog=catalog)
    split: Split = timed("split", lambda: config.split.split(histories, rng.derive_key(config.seed, "split")))
    statistics = timed("statistics of the log", lambda: compute_log_statistics(histories))
    rules = from_json(tuple[CleaningRuleFacts, ...], cleaned.rules, "the rules of cleaning")
    return (split, catalog), DataFacts(events.facts, rules, statistics, split.facts)


def save_parts(prepared: tuple[Split, Catalog], folder: Path) -> None:
    """Write the split and the catalog."""
    split, catalog = prepared
    save_split(split, catalog, folder)


def drop_users(prepared: tuple[Split, Catalog], keys: npt.NDArray[np.uint64]) -> tuple[Split, Catalog]:
    """The split without the users of these row ids, and the catalog."""
    split, catalog = prepared
    return split.exclude_rows(keys), catalog


load_parts = load_split


def get_catalog(parts: Split) -> Catalog | None:
    """The items."""
    return parts.train.catalog


def get_unseen(parts: Split) -> Histories | None:
    """Complete histories of the control users; None where there are none."""
    return parts.control_histories


def check_parts(
    parts: Split, recommender: Recommender, plans: Sequence[Plan], evaluate: EvaluationConfig, rules: Sequence[str]
) -> None:
    """Raises DataError for lists longer than the catalog, LeavenError for plans that the recommender cannot follow."""
    longest, items = parse_ranking_metrics(evaluate.metrics).max_k, parts.train.n_items
    if longest > items:
        fix = f"shorten it, for example ndcg@{max(1, items // 2)}"
        raise DataError("evaluate.metrics", f"lists of at most {items} items, as many as there are", f"@{longest}", fix)
    for plan in plans:
        adaptive_training.check_plan(plan, recommender, parts)


def evaluate_model(fitted: FittedRecommender, parts: Split, evaluate: EvaluationConfig, seed: int) -> EvaluationResult:
    """One value per user, and metrics of the whole catalog, on full rankings."""
    test, train, metrics = parts.test, parts.train, parse_ranking_metrics(evaluate.metrics)
    if evaluate.view is None:
        ranked = fitted.recommend(test.histories, metrics.max_k, evaluate.allow_repeats)
    else:  # the same views for every variant and training seed
        views = HistoryViews(evaluate.view.fit(train), evaluate.views, rng.derive_key(seed, "view"))
        ranked = recommend_with_views(fitted, test.histories, metrics.max_k, views, evaluate.allow_repeats)
    values = {name: metric(ranked, test, train) for name, metric in metrics.per_user.items()}
    pooled = {name: metric(ranked, train) for name, metric in metrics.catalog.items()}
    return EvaluationResult(values, pooled, test_views=evaluate.views)


def list_users(parts: Split) -> npt.NDArray[np.uint64]:
    """Row ids of the test users."""
    return parts.test.histories.row_ids


def group_users(parts: Split) -> Mapping[str, npt.NDArray[np.str_]]:
    """Groups by the length of the history, the popularity of the target, and the attributes of the users."""
    rows = parts.test.histories
    return {**label_user_segments(parts.test, parts.train), **label_user_attributes(rows.names, rows.row_ids)}


def build_task_facts(
    config: PreparationConfig, parts: Split, evaluate: EvaluationConfig, trainings: Sequence[TrainingFacts]
) -> TaskFacts:
    """The best possible value, where the log is simulated and the deciding metric is NDCG."""
    log, *_ = config.list_sources()
    return TaskFacts(best_possible=compute_best_possible(log, parts.test, evaluate.metrics[0], evaluate.allow_repeats))


def compute_best_possible(log: str, test: HeldOut, metric: str, allow_repeats: bool = False) -> float | None:
    """NDCG of ranking by the true probabilities, given what really happened; None for a log that is not simulated."""
    truth = Path(log).parent / "truth.json"
    if "://" in log or not truth.is_file() or not metric.startswith("ndcg@"):
        return None
    from leaven.simulator import Simulator

    world = Simulator(**read_json(truth, "write the log again: leaven simulate")["shop"]).build_world()
    best = world.best_ndcg(world.select_true_events(test), int(metric.partition("@")[2]), not allow_repeats)
    return float(best.mean())
