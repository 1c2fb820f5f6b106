"""Are items found that nobody bought yet, by what they are? Beauty, split by time, with and without views of words.

    python -m bench.cold --piece words 1     # one training, kept in runs/cold; a minute or two on one core
    python -m bench.cold                     # every training that is missing, then the tables

Needs `beauty/` in the folder LEAVEN_DATA. Nets are small and steps few, the same for every arm, so that the whole takes
minutes: what is compared is arms, not the best that each could become.
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
from leaven.metrics.ranking.segments import label_by_count
from leaven.protocols import FittedRecommender, RankedItems, TrainingContext
from leaven.recommenders.multimodal import Multimodal
from leaven.recommenders.transformer import Transformer
from leaven.splits.log_splits import Split, split
from leaven.transforms.sequence.cold_items import ColdItems
from leaven.transforms.text import DeleteWords, Synonyms

FOLDER = Path(os.environ.get("LEAVEN_DATA", "../shared/data")) / "beauty"
KEPT = Path("runs/cold")
STEPS, SEEDS, K = 1000, 3, 10
CORE = Transformer(width=48, layers=1, negatives=384, batch_events=1024, n_validations=4, max_validation_users=1024)
WORDS = TfIdf(columns=("title",))
READER = Multimodal(encoders=(WORDS, Attributes(label_columns=("attributes",))), transformer=CORE)
TITLES = {"columns": ("title",), "when": "each_epoch", "mode": "replace", "p": 0.5}
VIEWS = Plan([Step(Synonyms(), **TITLES), Step(DeleteWords(), **TITLES)])


@dataclass(frozen=True)
class Arm:
    """What is trained: a wish, and the plan of its rows and views."""

    wish: Any
    plan: Plan = field(default_factory=Plan)


ARMS = {
    "ids": Arm(CORE),
    "ids, rows for cold items": Arm(
        CORE, Plan([Step(ColdItems(encoder=WORDS, max_cold_events=0), filters=(CopyFilter(),))])
    ),
    "words": Arm(READER),
    "words, a fifth newcomers": Arm(replace(READER, cold_item_share=0.2)),
    "words, views": Arm(READER, VIEWS),
    "words, views, consistency": Arm(replace(READER, consistency_weight=0.1), VIEWS),
}
GROUPS = ("all", "never", "1-3 times", "4 times or oftener")


def beauty() -> Split:
    """All users, split at one moment; the catalogue has titles and attributes."""
    if not FOLDER.exists():
        raise SystemExit(f"{FOLDER} is missing: name the folder of the data in LEAVEN_DATA")
    items = CatalogSource(FOLDER / "items.csv", {"item": "item_id"}, ("title", "attributes"))
    columns = {"user": "user_id", "item": "item_id", "time": "timestamp"}
    events = read_events(LogSource(FOLDER / "interactions.csv", columns), items=items)
    ordered = build_histories(events)
    catalog = read_catalog(items, ordered.item_ids, events)
    return split(replace(ordered.histories, catalog=catalog), "time", 1)


def measured(arm: Arm, data: Split, seed: int, steps: int) -> dict[str, Any]:
    """Mean NDCG and recall of each group of test users, and what it took."""
    histories = Plan([step for step in arm.plan.named_steps if not step.is_on_items])
    rows: Histories = expand(data.train, histories, seed=7) if histories.named_steps else data.train
    views = (
        build_catalog_views(data.train.catalog, arm.plan, 7, seed)
        if len(histories.named_steps) < len(arm.plan.named_steps)
        else None
    )
    begun = time.process_time()
    training = TrainingContext(
        key=rng.derive_key(seed, "cold"), steps=steps, validation=data.valid, catalog_for_epoch=views
    )
    fitted = arm.wish.fit(rows, training)
    spent = time.process_time() - begun
    ranked = fitted.recommend(data.test.histories, K)
    labels = label_by_count(data.test, data.train)
    counts = np.bincount(data.train.items, minlength=data.train.n_items + 2)
    found: dict[str, Any] = {"seconds": spent, "rows": len(rows), "listed": float((counts[ranked.items] == 0).mean())}
    for metric in (Ndcg(K), Recall(K)):
        values = metric(ranked, data.test, data.train)
        for group in GROUPS:
            mine = np.ones(len(labels), bool) if group == "all" else labels == group
            found[f"{type(metric).__name__} {group}"] = float(values[mine].mean())
    return found | among_cold(fitted, data, counts == 0)


def among_cold(fitted: FittedRecommender, data: Split, cold: np.ndarray) -> dict[str, float]:
    """For users whose next item nobody had bought: how high it stands among such items alone."""
    users = data.test.take(np.flatnonzero(cold[data.test.target_items[data.test.target_starts[:-1]]]))
    whole = fitted.recommend(users.histories, data.train.n_items).items
    here = cold[whole] & (whole > 0)
    place = np.argsort(~here, axis=1, kind="stable")[:, :K]  # the first K of them, in their order
    items = np.where(np.take_along_axis(here, place, 1), np.take_along_axis(whole, place, 1), 0)
    ranked = RankedItems(items.astype(np.int32), np.zeros(items.shape, np.float32))
    return {f"among {type(m).__name__}": float(m(ranked, users, data.train).mean()) for m in (Ndcg(K), Recall(K))}


def by_lot(data: Split) -> tuple[int, float, float, dict[str, int]]:
    """(items that nobody bought; NDCG and recall of K of them drawn by lot, for users who took one; users by group)."""
    counts = np.bincount(data.train.items, minlength=data.train.n_items + 2)
    cold, labels = int((counts[1:-1] == 0).sum()), label_by_count(data.test, data.train)
    share = min(K / cold, 1.0)
    users = {group: int((labels == group).sum()) for group in GROUPS[1:]} | {"all": len(labels)}
    return cold, share * float(np.mean(1 / np.log2(np.arange(2, K + 2)))), share, users


def piece(name: str, seed: int, steps: int, data: Split | None = None) -> dict[str, Any]:
    """One training, from its file where it is there."""
    path = KEPT / f"{name.replace(', ', '-').replace(' ', '-')}-{seed}-{steps}.json"
    if not path.exists():
        found = measured(ARMS[name], data or beauty(), seed, steps)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found))
    kept: dict[str, Any] = json.loads(path.read_text())
    return kept


def show(arguments: list[str] | None = None) -> None:
    """Print the tables, training what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--piece", nargs=2, metavar=("ARM", "SEED"))
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    asked = parser.parse_args(arguments)
    if asked.piece:
        print(json.dumps(piece(asked.piece[0], int(asked.piece[1]), asked.steps), indent=1))
        return
    data = beauty()
    runs = {name: [piece(name, seed, asked.steps, data) for seed in range(1, asked.seeds + 1)] for name in ARMS}
    cold, ndcg, recall, users = by_lot(data)
    print(
        f"{cold} of {data.train.n_items:,} items stand in no training row. {asked.seeds} trainings of {asked.steps:,}"
    )
    print("steps: means, and ranges in brackets. Users by how often training rows hold the item that they took next;")
    print("in the last column these are ranked among the items that nobody had bought alone.\n")
    for metric, lot in (("Ndcg", ndcg), ("Recall", recall)):
        heads = " | ".join(f"{group} ({users[group]:,})" for group in GROUPS)
        print(f"| {metric.upper()}@{K} | {heads} | never, among such ({users['never']:,}) |\n|---|{'---|' * 5}")
        for name, found in runs.items():
            columns = [*(f"{metric} {group}" for group in GROUPS), f"among {metric}"]
            print(f"| {name} | {' | '.join(_cell([one[column] for one in found]) for column in columns)} |")
        print(f"| by lot | | | | | {lot:.4f} |\n")
    print("| arm | CPU seconds a training | training rows | never bought items among those listed |\n|---|---|---|---|")
    for name, found in runs.items():
        seconds, listed = (float(np.mean([one[key] for one in found])) for key in ("seconds", "listed"))
        print(f"| {name} | {seconds:.0f} | {found[0]['rows']:,} | {listed:.1%} |")


def _cell(values: list[float]) -> str:
    return f"{np.mean(values):.4f} ({min(values):.4f}–{max(values):.4f})"


if __name__ == "__main__":
    show()
