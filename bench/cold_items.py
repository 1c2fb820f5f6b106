"""Measures text scores for cold items on two logs, split by time.

`python -m bench.evidence cold_items` writes the page. Weights are chosen on validation users for every
variant. Shuffled titles are drawn with five seeds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.paired_tables import DRAWS, format_variants
from bench.real_logs import RealLog, load_beauty_by_time, load_retail_by_time, locate_data
from leaven import rng
from leaven.encoders.tfidf import TfIdf
from leaven.metrics.ranking.list_metrics import Ndcg
from leaven.protocols import FittedRecommender, RankedItems, Recommender, TrainingContext
from leaven.recommenders.content_fusion import ContentFusion, FittedContentFusion
from leaven.recommenders.item_knn import ItemKnn
from leaven.recommenders.sparse_linear import SparseLinear

PAGE = Path(__file__).parent.parent / "docs" / "evidence" / "cold_items.md"
SEEDS, K = 5, 10
TITLE = {"Beauty, by time": "title", "Online Retail, by time": "text"}
BASES: dict[str, Callable[[], Recommender]] = {
    "sparse_linear": SparseLinear,
    "item_knn": ItemKnn,
}
Values = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Measured:
    """variant -> NDCG@10 (seeds, users); whether the first target of a user is cold; share of cold items in lists."""

    values: dict[str, Values]
    is_cold: npt.NDArray[np.bool_]
    listed: dict[str, float]
    settings: dict[str, str]


def measure_log(log: RealLog) -> Measured:
    """Return the values of all variants on the test users of one log."""
    cold = np.bincount(log.train.items, minlength=log.train.n_items + 2) == 0
    values: dict[str, Values] = {}
    listed: dict[str, float] = {}
    settings: dict[str, str] = {}

    def add(name: str, lists: list[RankedItems]) -> None:
        values[name] = np.stack([Ndcg(K)(ranked, log.test, log.train) for ranked in lists])
        listed[name] = float(np.mean([cold[ranked.items].mean() for ranked in lists]))

    for name, build in BASES.items():
        add(name, [fit(build(), log).recommend(log.test.histories, K)])
        fitted = fit_fusion(log, build())
        settings[f"{name} + text"] = f"weight {fitted.content_weight:g}, power {fitted.rarity_power:g}"
        add(f"{name} + text", [fitted.recommend(log.test.histories, K)])
        if name == "sparse_linear":
            for positions in (2, 4):
                add(f"{name}, {positions} of {K} positions for text", [reserve_positions(fitted, log, positions)])
    shuffled = [fit_fusion(shuffle_titles(log, seed), SparseLinear()) for seed in range(SEEDS)]
    add("sparse_linear + shuffled text", [one.recommend(log.test.histories, K) for one in shuffled])
    weights = ", ".join(f"{one.content_weight:g}" for one in shuffled)
    settings["sparse_linear + shuffled text"] = f"weights {weights}"
    first = log.test.target_items[log.test.target_starts[:-1]]
    return Measured(values, np.asarray(cold[first], bool), listed, settings)


def fit(config: Recommender, log: RealLog) -> FittedRecommender:
    """Return the recommender fitted to the training rows; weights are chosen on validation users."""
    return config.fit(log.train, TrainingContext(key=1, validation=log.valid))


def fit_fusion(log: RealLog, base: Recommender) -> FittedContentFusion:
    """Return the recommender with text scores."""
    config = ContentFusion(base, TfIdf(columns=(TITLE[log.name],)))
    return config.fit(log.train, TrainingContext(key=1, validation=log.valid))


def reserve_positions(fitted: FittedContentFusion, log: RealLog, positions: int) -> RankedItems:
    """Return lists whose last positions hold the items with the highest text scores that are not yet listed."""
    base = fitted.base.recommend(log.test.histories, K).items[:, : K - positions]
    text = replace(fitted, content_weight=1e6).recommend(log.test.histories, K).items
    items = np.zeros((len(base), K), np.int32)
    for user, (warm, rare) in enumerate(zip(base, text, strict=True)):
        items[user] = [*warm, *[item for item in rare if item not in warm][:positions]]
    return RankedItems(items, np.zeros(items.shape, np.float32))


def shuffle_titles(log: RealLog, seed: int) -> RealLog:
    """Return the log with the titles of the items permuted: as many words, no information."""
    catalog = log.train.catalog
    if catalog is None:
        raise SystemExit(f"{log.name} has no catalog")
    order = rng.make_generator(rng.derive_key(seed, "cold_items")).permutation(len(catalog))
    texts = {name: [column[index] for index in order] for name, column in catalog.texts.items()}
    return replace(log, train=replace(log.train, catalog=replace(catalog, texts=texts)))


def format_log(log: RealLog) -> list[str]:
    """Return the section of one log."""
    measured = measure_log(log)
    cold = measured.is_cold
    lines = [
        f"## {log.name}",
        "",
        f"{len(cold):,} test users; the next item of {cold.sum():,} has no training event.",
        "",
    ]
    lines += [*format_variants(measured.values, ("sparse_linear",)), ""]
    lines += [
        "| variant | next item warm | next item cold | cold items in lists | chosen on validation |",
        "|---|---|---|---|---|",
    ]
    for name, table in measured.values.items():
        users = table.mean(axis=0)
        cells = f"{users[~cold].mean():.4f} | {users[cold].mean():.4f} | {measured.listed[name]:.1%}"
        lines.append(f"| {name} | {cells} | {measured.settings.get(name, '')} |")
    return [*lines, ""]


def main() -> None:
    """Write docs/evidence/cold_items.md and print it."""
    if not (locate_data() / "beauty").exists():
        print(f"skipped: {locate_data() / 'beauty'} is missing (LEAVEN_DATA)")
        return
    lines = [
        "# Cold items: text on one scale with warm scores",
        "",
        "`content_fusion` adds a text score of rare items to the scores of any recommender. Its weight is chosen on",
        "validation users, 0 included. NDCG@10 over *all* test users, ranked against all items that the user has not",
        f"had. Differences are paired per user; intervals resample users ({DRAWS:,} draws). Rivals: the recommender",
        "alone, and fixed positions for text. Falsifier: titles permuted over the items, five seeds.",
        "",
        "Written by `python -m bench.evidence cold_items`.",
        "",
    ]
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    for load in (load_beauty_by_time, load_retail_by_time):
        lines += format_log(load())
        PAGE.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))
