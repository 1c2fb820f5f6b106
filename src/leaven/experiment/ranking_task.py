"""Data preparation and evaluation of the ranking task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.cleaning import clean_events
from leaven.config import EvaluationConfig, Spec
from leaven.datasets.catalog import Catalog
from leaven.datasets.events import Events
from leaven.datasets.histories import HeldOut
from leaven.errors import DataError
from leaven.experiment import adaptive_training
from leaven.experiment.evaluation_result import EvaluationResult
from leaven.experiment.split_storage import load_split, save_split
from leaven.experiment.test_time_augmentation import HistoryViews, recommend_with_views
from leaven.ingest import build_catalog, build_histories, read_events
from leaven.ingest.id_mapping import IndexedHistories
from leaven.ingest.reader import open_database
from leaven.metrics.metric_names import parse_ranking_metrics
from leaven.metrics.segments import label_user_segments
from leaven.profiling.log_statistics import compute_log_statistics
from leaven.protocols import FittedRecommender
from leaven.run_folder import read_json
from leaven.splits.log_splits import Split, require_clock

READING = "1500MB"
"""Memory of the database while a log is read, cleaned and ordered; above it, data spill to the temporary folder."""

Timed = Callable[[str, Callable[[], Any]], Any]


def list_files(spec: Spec) -> list[str]:
    """The log, and the table of items."""
    options = spec.data.options
    given = [path for path in (options.valid, options.test) if path]
    return [str(spec.data.interactions), *given, *([str(spec.items.items)] if spec.items else [])]


def prepare_parts(spec: Spec, timed: Timed) -> tuple[tuple[Split, Catalog], dict[str, Any]]:
    """Read, clean, order and split the log."""
    database = open_database(READING)
    events: Events = timed("reading the log", lambda: read_events(spec.data, items=spec.items, connection=database))
    require_clock(spec.split, events.has_clock)
    cleaned = timed("cleaning", lambda: clean_events(events, spec.clean))
    ordered: IndexedHistories = timed("ordering events into histories", lambda: build_histories(cleaned.events))
    catalog = timed("reading the items", lambda: build_catalog(cleaned.events, ordered.item_ids, spec.items))
    database.close()  # its memory is not needed any more
    histories = replace(ordered.histories, catalog=catalog)
    split: Split = timed("split", lambda: spec.split.split(histories, rng.derive_key(spec.seed, "split")))
    found = timed("health of the log", lambda: compute_log_statistics(histories))
    facts = {
        "reading": dict(events.facts),
        "cleaning": list(cleaned.rules),
        "health": found,
        "split": dict(split.facts),
    }
    return (split, catalog), facts


def save_parts(prepared: tuple[Split, Catalog], folder: Path) -> None:
    """Write the split and the catalog."""
    split, catalog = prepared
    save_split(split, catalog, folder)


def drop_users(prepared: tuple[Split, Catalog], keys: npt.NDArray[np.uint64]) -> tuple[Split, Catalog]:
    """The split without the users of these row ids, and the catalog."""
    split, catalog = prepared
    return split.exclude_rows(keys), catalog


load_parts = load_split


def check_parts(spec: Spec, parts: Split) -> None:
    """Raises DataError for lists longer than the catalog, LeavenError for plans that the recommender cannot follow."""
    longest, items = parse_ranking_metrics(spec.evaluate.metrics).max_k, parts.train.n_items
    if longest > items:
        fix = f"shorten it, for example ndcg@{max(1, items // 2)}"
        raise DataError("evaluate.metrics", f"lists of at most {items} items, as many as there are", f"@{longest}", fix)
    for variant in spec.variants:
        adaptive_training.check_plan(variant.plan, spec.recommender, parts)


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
    return EvaluationResult(values, pooled, facts={"views": evaluate.views})


def list_users(parts: Split) -> npt.NDArray[np.uint64]:
    """Row ids of the test users."""
    return parts.test.histories.row_ids


def group_users(parts: Split) -> Mapping[str, npt.NDArray[np.str_]]:
    """Groups by the length of the history, and by the popularity of the target."""
    return label_user_segments(parts.test, parts.train)


def build_extra_facts(spec: Spec, parts: Split, facts: list[Mapping[str, Any]]) -> dict[str, Any]:
    """The best possible value, where the log is simulated."""
    best = _compute_best_ndcg(spec, parts.test)
    return {} if best is None else {"comparison": {"truth": best}}


def _compute_best_ndcg(spec: Spec, test: HeldOut) -> float | None:
    """NDCG of ranking by the true law, where the log is simulated and the first metric is NDCG."""
    path, name = _find_truth(spec), spec.evaluate.metrics[0]
    if path is None or not name.startswith("ndcg@"):
        return None
    from leaven.simulator import Simulator

    world = Simulator(**read_json(path, "write the shop again: leaven simulate")["shop"]).build_world()
    best = world.best_ndcg(test, int(name.partition("@")[2]), not spec.evaluate.allow_repeats)
    return float(best.mean())


def _find_truth(spec: Spec) -> Path | None:
    """Path of the file with the truth of a simulated log; None for other logs."""
    folder = Path(str(spec.data.interactions)).parent
    truth = folder / "truth.json"
    return truth if "://" not in str(spec.data.interactions) and truth.is_file() else None
