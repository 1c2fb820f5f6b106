"""Measures recommendation of cold items on Beauty, split by time, with and without views of item texts.

    python -m bench.cold --piece words 1     # one training, stored in runs/cold; one or two minutes on one core
    python -m bench.cold                     # all missing trainings, then the tables

Needs `beauty/` in the folder LEAVEN_DATA. Small nets and few steps, the same for all variants, keep the run to minutes:
the table compares variants, not the best figure that each can reach.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from leaven import rng
from leaven.augmentation import Plan, Step, build_catalog_views, expand
from leaven.datasets.histories import Histories
from leaven.encoders import Attributes, TfIdf
from leaven.filters.copies import CopyFilter
from leaven.ingest import CatalogSource, build_histories, read_catalog, read_events
from leaven.ingest.source_config import LogSource
from leaven.metrics.ranking.list_metrics import Ndcg, Recall
from leaven.metrics.segments import label_by_count
from leaven.protocols import FittedRecommender, RankedItems, TrainingContext
from leaven.recommenders.multimodal import Multimodal
from leaven.recommenders.transformer import Transformer
from leaven.splits.log_splits import Split, split
from leaven.transforms.sequence.cold_items import ColdItems
from leaven.transforms.text import DeleteWords, Synonyms

FOLDER = Path(os.environ.get("LEAVEN_DATA", "../shared/data")) / "beauty"
RESULTS = Path("runs/cold")
STEPS, SEEDS, K = 1000, 3, 10
CORE = Transformer(width=48, layers=1, negatives=384, batch_events=1024, n_validations=4, max_validation_users=1024)
WORDS = TfIdf(columns=("title",))
READER = Multimodal(encoders=(WORDS, Attributes(label_columns=("attributes",))), transformer=CORE)
TITLES = {"columns": ("title",), "when": "each_epoch", "mode": "in_place", "p": 0.5}
VIEWS = Plan([Step(Synonyms(), **TITLES), Step(DeleteWords(), **TITLES)])


@dataclass(frozen=True)
class Variant:
    """Recommender config with the plan of its rows and views."""

    config: Any
    plan: Plan = field(default_factory=Plan)


VARIANTS = {
    "ids": Variant(CORE),
    "ids, rows for cold items": Variant(
        CORE, Plan([Step(ColdItems(encoder=WORDS, max_cold_events=0), filters=(CopyFilter(),))])
    ),
    "words": Variant(READER),
    "words, a fifth newcomers": Variant(replace(READER, cold_item_share=0.2)),
    "words, views": Variant(READER, VIEWS),
    "words, views, consistency": Variant(replace(READER, consistency_weight=0.1), VIEWS),
}
GROUPS = ("all", "never", "1-3 times", "4 times or oftener")


def load_split() -> Split:
    """Return all users, split at one time; the catalog has titles and attributes."""
    if not FOLDER.exists():
        raise SystemExit(f"{FOLDER} is missing: set LEAVEN_DATA to the folder of public data")
    items = CatalogSource(FOLDER / "items.csv", {"item": "item_id"}, ("title", "attributes"))
    columns = {"user": "user_id", "item": "item_id", "time": "timestamp"}
    events = read_events(LogSource(FOLDER / "interactions.csv", columns), items=items)
    ordered = build_histories(events)
    catalog = read_catalog(items, ordered.item_ids, events)
    return split(replace(ordered.histories, catalog=catalog), "time", 1)


def measure_variant(variant: Variant, data: Split, seed: int, steps: int) -> dict[str, Any]:
    """Return mean NDCG and recall of each group of test users, seconds of training and number of training rows."""
    histories = Plan([step for step in variant.plan.named_steps if not step.is_on_items])
    rows: Histories = expand(data.train, histories, seed=7) if histories.named_steps else data.train
    views = (
        build_catalog_views(data.train.catalog, variant.plan, 7, seed)
        if len(histories.named_steps) < len(variant.plan.named_steps)
        else None
    )
    start = time.process_time()
    training = TrainingContext(
        key=rng.derive_key(seed, "cold"), steps=steps, validation=data.valid, catalog_for_epoch=views
    )
    fitted = variant.config.fit(rows, training)
    seconds = time.process_time() - start
    ranked = fitted.recommend(data.test.histories, K)
    labels = label_by_count(data.test, data.train)
    counts = np.bincount(data.train.items, minlength=data.train.n_items + 2)
    figures: dict[str, Any] = {
        "seconds": seconds,
        "rows": len(rows),
        "listed": float((counts[ranked.items] == 0).mean()),
    }
    for metric in (Ndcg(K), Recall(K)):
        values = metric(ranked, data.test, data.train)
        for group in GROUPS:
            is_member = np.ones(len(labels), bool) if group == "all" else labels == group
            figures[f"{type(metric).__name__} {group}"] = float(values[is_member].mean())
    return figures | measure_among_cold(fitted, data, counts == 0)


def measure_among_cold(fitted: FittedRecommender, data: Split, cold: np.ndarray) -> dict[str, float]:
    """Return NDCG and recall among cold items only, for users whose next item is cold. cold bool (n_items + 2,)."""
    users = data.test.take(np.flatnonzero(cold[data.test.target_items[data.test.target_starts[:-1]]]))
    ranking = fitted.recommend(users.histories, data.train.n_items).items
    is_cold = cold[ranking] & (ranking > 0)
    index = np.argsort(~is_cold, axis=1, kind="stable")[:, :K]  # the first K cold items in rank order
    items = np.where(np.take_along_axis(is_cold, index, 1), np.take_along_axis(ranking, index, 1), 0)
    ranked = RankedItems(items.astype(np.int32), np.zeros(items.shape, np.float32))
    return {f"among {type(m).__name__}": float(m(ranked, users, data.train).mean()) for m in (Ndcg(K), Recall(K))}


@dataclass(frozen=True)
class RandomBaseline:
    """Expected metrics of K random cold items, for users whose next item is cold; n_users by group."""

    n_cold_items: int
    ndcg: float
    recall: float
    n_users: dict[str, int]


def compute_random_baseline(data: Split) -> RandomBaseline:
    """Return the expected metrics of a random ranking of the cold items."""
    counts = np.bincount(data.train.items, minlength=data.train.n_items + 2)
    cold, labels = int((counts[1:-1] == 0).sum()), label_by_count(data.test, data.train)
    share = min(K / cold, 1.0)
    users = {group: int((labels == group).sum()) for group in GROUPS[1:]} | {"all": len(labels)}
    return RandomBaseline(cold, share * float(np.mean(1 / np.log2(np.arange(2, K + 2)))), share, users)


def load_or_measure(name: str, seed: int, steps: int, data: Split | None = None) -> dict[str, Any]:
    """Return the figures of one training, read from its file if that exists."""
    path = RESULTS / f"{name.replace(', ', '-').replace(' ', '-')}-{seed}-{steps}.json"
    if not path.exists():
        figures = measure_variant(VARIANTS[name], data or load_split(), seed, steps)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(figures))
    stored: dict[str, Any] = json.loads(path.read_text())
    return stored


def print_tables(arguments: list[str] | None = None) -> None:
    """Print the tables after training the missing variants."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--piece", nargs=2, metavar=("VARIANT", "SEED"))
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    options = parser.parse_args(arguments)
    if options.piece:
        print(json.dumps(load_or_measure(options.piece[0], int(options.piece[1]), options.steps), indent=1))
        return
    data = load_split()
    runs = {
        name: [load_or_measure(name, seed, options.steps, data) for seed in range(1, options.seeds + 1)]
        for name in VARIANTS
    }
    baseline = compute_random_baseline(data)
    print(
        f"{baseline.n_cold_items} of {data.train.n_items:,} items are in no training row. "
        f"{options.seeds} trainings of {options.steps:,}"
    )
    print("steps: means, and ranges in brackets. Users are grouped by the count of their next item in training rows;")
    print("the last column ranks it among the items without a training event only.\n")
    for metric, expected in (("Ndcg", baseline.ndcg), ("Recall", baseline.recall)):
        heads = " | ".join(
            f"{group.replace('oftener', 'more often')} ({baseline.n_users[group]:,})" for group in GROUPS
        )
        print(
            f"| {metric.upper()}@{K} | {heads} | never, among cold items ({baseline.n_users['never']:,}) |\n"
            f"|---|{'---|' * 5}"
        )
        for name, results in runs.items():
            columns = [*(f"{metric} {group}" for group in GROUPS), f"among {metric}"]
            print(
                f"| {name} | {' | '.join(format_range([result[column] for result in results]) for column in columns)} |"
            )
        print(f"| random | | | | | {expected:.4f} |\n")
    print(
        "| variant | CPU seconds per training | training rows | share of cold items in the lists |\n|---|---|---|---|"
    )
    for name, results in runs.items():
        seconds, listed = (float(np.mean([result[key] for result in results])) for key in ("seconds", "listed"))
        print(f"| {name} | {seconds:.0f} | {results[0]['rows']:,} | {listed:.1%} |")


def format_range(values: list[float]) -> str:
    """Return mean, minimum and maximum."""
    return f"{np.mean(values):.4f} ({min(values):.4f}–{max(values):.4f})"


if __name__ == "__main__":
    print_tables()
