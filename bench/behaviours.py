"""Measures what carts add to purchases on `taobao`; `python -m bench.evidence behaviours` writes the page.

Nothing but the rows changes between the variants: the recommender is `sparse_linear` with the same fields. The bonus of
the own cart is chosen on validation users for every variant. Random carts and popularity-matched carts are drawn with
five seeds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.paired_tables import DRAWS, format_variants
from bench.real_logs import CART, PURCHASE, Pairs, RealLog, load_purchases_alone, load_taobao, locate_data, read_pairs
from leaven import rng
from leaven.datasets.histories import Histories
from leaven.metrics.ranking.list_metrics import Ndcg
from leaven.protocols import FittedRecommender, RankedItems, TrainingContext
from leaven.recommenders.linear_item_model import LinearItemModel, fill_best
from leaven.recommenders.popularity import Popularity, compute_item_weights
from leaven.recommenders.sparse_linear import SparseLinear

PAGE = Path(__file__).parent.parent / "docs" / "evidence" / "behaviours.md"
SEEDS = 5
KINDS: dict[str, Any] = {"target_kind": PURCHASE, "kind_weights": (1.0, 1.0)}
PENALTIES, BONUSES = (20.0, 100.0, 300.0), (0.0, 0.1, 0.3, 1.0)
"""Values of `regularization` and `own_bonus` that are compared on validation users."""
Values = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CartRanker:
    """The rival: items of the user's own cart by their popularity among purchases, then all other items."""

    purchase_weights: npt.NDArray[np.float64]

    def recommend(self, histories: Histories, k: int) -> RankedItems:
        """Return the k best items."""
        items, best = np.zeros((len(histories), k), np.int32), np.full((len(histories), k), -np.inf, np.float32)
        share = (self.purchase_weights[1:] / self.purchase_weights.max()).astype(np.float32)
        for first in range(0, len(histories), 256):
            block = histories.slice(first, min(first + 256, len(histories)))
            kinds, rows = block.extra["kind"], block.event_rows()
            scores = np.tile(share, (len(block), 1))
            carts = np.unique(np.stack([rows, block.items])[:, kinds == CART], axis=1)
            scores[carts[0], carts[1] - 1] += 2.0
            scores[rows[kinds == PURCHASE], block.items[kinds == PURCHASE] - 1] = -np.inf
            fill_best(scores, items[first : first + 256], best[first : first + 256])
        return RankedItems(items, best)


def evaluate(fitted: FittedRecommender | CartRanker, log: RealLog, valid: bool = False) -> Values:
    """Return NDCG@10 of each user, float64 (users,)."""
    part = log.valid if valid else log.test
    return Ndcg(10)(fitted.recommend(part.histories, 10), part, log.train)


@dataclass(frozen=True, eq=False)
class Choice:
    """The model that is best on validation users, its settings, and the mean of every setting."""

    fitted: FittedRecommender
    penalty: float
    bonus: float
    means: dict[tuple[float, float], float]


def choose_model(log: RealLog, penalties: tuple[float, ...]) -> Choice:
    """Return the best combination of penalty and bonus; the bonus matters only when histories are scored."""
    fits, means = {}, {}
    for penalty in penalties:
        fits[penalty] = SparseLinear(penalty, recency_power=0.0, **KINDS).fit(log.train, TrainingContext(key=1))
        for bonus in BONUSES:
            means[penalty, bonus] = float(evaluate(with_bonus(fits[penalty], bonus), log, valid=True).mean())
    penalty, bonus = max(means, key=lambda setting: means[setting])
    return Choice(with_bonus(fits[penalty], bonus), penalty, bonus, means)


def with_bonus(model: LinearItemModel, bonus: float) -> LinearItemModel:
    """Return the model with this bonus for the user's own cart."""
    return replace(model, weighting=replace(model.weighting, own_bonus=bonus))


def fit(config: SparseLinear | Popularity, log: RealLog) -> FittedRecommender:
    """Return the recommender fitted to the training rows."""
    return config.fit(log.train, TrainingContext(key=1))


def draw_carts(carts: Pairs, seed: int, by_popularity: bool) -> Pairs:
    """Return as many carts per user as the file has, of random items.

    by_popularity: every item keeps its number of carts, so that only the assignment to users is random.
    """
    generator = rng.make_generator(rng.derive_key(seed, "behaviours"))
    if by_popularity:
        items = generator.permutation(carts[:, 1])
    else:
        items = generator.integers(1, int(carts[:, 1].max()) + 1, len(carts))
    return np.column_stack([carts[:, 0], items])


def measure_variants() -> tuple[dict[str, Values], list[str], dict[str, str]]:
    """Return variant -> NDCG@10 (seeds, users), the lines of the choice, and a remark on each variant."""
    carts, log, alone = read_pairs("carts.csv"), load_taobao(), load_purchases_alone()
    chosen = choose_model(log, PENALTIES)
    values = {"popularity": evaluate(fit(Popularity(), alone), alone)[None]}
    best = max(
        (SparseLinear(penalty, recency_power=0.0) for penalty in (20.0, 50.0, 200.0)),
        key=lambda one: float(evaluate(fit(one, alone), alone, valid=True).mean()),
    )
    values["purchases alone"] = evaluate(fit(best, alone), alone)[None]
    purchases = compute_item_weights(alone.train)
    values["own cart re-ranked"] = evaluate(CartRanker(purchases), log)[None]
    values["purchases and carts"] = evaluate(chosen.fitted, log)[None]
    doubled = load_taobao(np.zeros((0, 2), np.int64), repeats=2)
    values["duplicated purchases"] = evaluate(fit(best, doubled), alone)[None]
    for name, by_popularity in (("random carts", False), ("popularity-matched carts", True)):
        logs = (load_taobao(draw_carts(carts, seed, by_popularity)) for seed in range(SEEDS))
        values[name] = np.stack([evaluate(choose_model(one, (chosen.penalty,)).fitted, one) for one in logs])
    lines = ["| regularization | bonus of the own cart | NDCG@10 on validation |", "|---|---|---|"]
    for (penalty, bonus), mean in chosen.means.items():
        lines.append(f"| {penalty:g} | {bonus:g} | {mean:.4f} |")
    return values, lines, count_leaks(carts)


def count_leaks(carts: Pairs) -> dict[str, str]:
    """Return how many carts are pairs of each held-out part: information that the user gave before the purchase."""
    known = {tuple(pair) for pair in carts.tolist()}
    parts = {name: read_pairs(f"purchases_{name}.csv").tolist() for name in ("train", "valid", "test")}
    return {name: f"{sum(tuple(pair) in known for pair in pairs):,}" for name, pairs in parts.items()}


def main() -> None:
    """Write docs/evidence/behaviours.md and print it."""
    if not (locate_data() / "taobao").exists():
        print(f"skipped: {locate_data() / 'taobao'} is missing (LEAVEN_DATA)")
        return
    values, choice, leaks = measure_variants()
    rivals = ("purchases alone", "own cart re-ranked")
    held = ", ".join(f"{count} of {name}" for name, count in leaks.items())
    lines = [
        "# Several behaviours: carts next to purchases",
        "",
        "A marketplace recommends the next purchase. Carts tell what a user considers. With `target_kind` and",
        "`kind_weights`, `sparse_linear` regresses purchases on purchases *and* carts and adds a bonus for the user's",
        "own cart. Data: `taobao`, the split that comes with it, no clock; all items that the user has not bought are",
        "ranked; test histories contain the validation purchase. Relative differences are paired per user; intervals",
        f"resample users ({DRAWS:,} draws). Random variants are means over {SEEDS} seeds.",
        "",
        *format_variants(values, rivals),
        "",
        f"Carts that are also purchases: {held}.",
        "No time is known of a cart; the re-ranked cart uses the same",
        "information, so the last column shows what the model adds. Falsifiers: repeated rows, carts of random",
        "items, and carts shuffled over users with the popularity of every item kept.",
        "",
        "Chosen on validation users:",
        "",
        *choice,
        "",
        "Written by `python -m bench.evidence behaviours`.",
        "",
    ]
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))
