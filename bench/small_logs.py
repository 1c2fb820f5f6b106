"""Measures learning curves over the share of users of a log; `python -m bench.evidence small_logs` writes the page.

A share of the users trains and validates; the same test users are ranked for every share.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.backtests import take_evenly
from bench.paired_tables import DRAWS, format_difference
from bench.real_logs import RealLog, is_data_missing, load_beauty_by_time, load_retail_by_time
from leaven import rng
from leaven.encoders.tfidf import TfIdf
from leaven.metrics.ranking.list_metrics import Ndcg
from leaven.protocols import Recommender, TrainingContext
from leaven.recommenders.content_fusion import ContentFusion
from leaven.recommenders.item_knn import ItemKnn
from leaven.recommenders.popularity import Popularity, RecentPopularity
from leaven.recommenders.rank_fusion import RankFusion
from leaven.recommenders.sparse_linear import SparseLinear
from leaven.recommenders.time_linear import TimeLinear

PAGE = Path(__file__).parent.parent / "docs" / "evidence" / "small_logs.md"
TITLE = {"Beauty, by time": "title", "Online Retail, by time": "text"}
SEEDS: Mapping[float, int] = {0.01: 5, 0.02: 5, 0.05: 5, 0.1: 5, 0.2: 3, 0.5: 2, 1.0: 1}
"""Share of the users -> random subsets of users."""
MODELS: Mapping[str, Callable[[str], Recommender]] = {
    "popularity": lambda title: Popularity(),
    "recent_popularity": lambda title: RecentPopularity(),
    "item_knn": lambda title: ItemKnn(),
    "sparse_linear": lambda title: SparseLinear(),
    "time_linear": lambda title: TimeLinear(),
    "rank_fusion": lambda title: RankFusion(TimeLinear(), SparseLinear()),
    "content_fusion, sparse_linear": lambda title: ContentFusion(SparseLinear(), TfIdf(columns=(title,))),
    "content_fusion, time_linear": lambda title: ContentFusion(TimeLinear(), TfIdf(columns=(title,))),
}
MAX_USERS, K = 2000, 10
AUGMENTED = ("rank_fusion", "content_fusion, sparse_linear", "content_fusion, time_linear")
Values = npt.NDArray[np.float64]


def measure_share(log: RealLog, share: float) -> dict[str, Values]:
    """Return NDCG@10 of each test user for each model, float64 (seeds, users)."""
    test = take_evenly(log.test, MAX_USERS)
    found: dict[str, list[Values]] = {name: [] for name in MODELS}
    for seed in range(SEEDS[share]):
        order = rng.make_generator(rng.derive_key(seed, "small_logs")).permutation(len(log.train))
        train = log.train.take(np.sort(order[: round(share * len(order))]))
        valid = log.valid.take(np.isin(log.valid.histories.row_ids, train.row_ids))
        for name, build in MODELS.items():
            fitted = build(TITLE[log.name]).fit(train, TrainingContext(key=1, validation=valid))
            found[name].append(Ndcg(K)(fitted.recommend(test.histories, K), test, train))
    print(f"{log.name}: {share:.0%}", file=sys.stderr, flush=True)
    return {name: np.stack(values) for name, values in found.items()}


def format_log(log: RealLog) -> list[str]:
    """Return the tables of one log."""
    curves = {share: measure_share(log, share) for share in SEEDS}
    rivals = [name for name in MODELS if name not in AUGMENTED]
    lines = [
        f"## {log.name}",
        "",
        f"| users | training rows | subsets | {' | '.join(MODELS)} |",
        "|---|---|---|" + "---|" * len(MODELS),
    ]
    for share, values in curves.items():
        cells = " | ".join(f"{table.mean():.4f}" for table in values.values())
        lines.append(f"| {share:.0%} | {round(share * len(log.train)):,} | {SEEDS[share]} | {cells} |")
    lines += ["", "Against the plain model with the highest test figure of the same share:", ""]
    lines += [f"| users | plain model | {' | '.join(AUGMENTED)} |", "|---|---|" + "---|" * len(AUGMENTED)]
    for share, values in curves.items():
        means = {name: float(values[name].mean()) for name in rivals}
        best = max(means, key=means.__getitem__)
        users = values[best].mean(axis=0)
        cells = " | ".join(format_difference(values[name].mean(axis=0), users) for name in AUGMENTED)
        lines.append(f"| {share:.0%} | {best} | {cells} |")
    return [*lines, ""]


def main() -> None:
    """Write docs/evidence/small_logs.md and print it."""
    if is_data_missing():
        return
    lines = [
        "# Small logs: learning curves of cheap models",
        "",
        "A random share of the users trains and validates; subsets of one seed contain each other. NDCG@10 over the",
        f"same {MAX_USERS:,} test users at most for every share, so most of them are unknown to a small log and are",
        "ranked by their history. Settings of the augmented models (`rank_fusion`, `content_fusion`: texts and recent",
        "popularity) are chosen on the validation users of the share. Differences are paired per user, averaged over",
        f"subsets; intervals resample users ({DRAWS:,} draws). Networks were not measured.",
        "",
        "Written by `python -m bench.evidence small_logs`.",
        "",
    ]
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    for load in (load_beauty_by_time, load_retail_by_time):
        lines += format_log(load())
        PAGE.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))
