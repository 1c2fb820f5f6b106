"""Measures each parameter of item-based nearest neighbors around its default; prints docs/results/itemknn.md.

    python -m bench.itemknn > docs/results/itemknn.md

One field at a time is varied around its default. Selection uses the validation targets (the item before the last, from
rows without the last two) of two public data sets; test (the last item) is evaluated for the defaults only.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from leaven.datasets.histories import HeldOut, Histories
from leaven.metrics.ranking.list_metrics import HitRate, Ndcg
from leaven.protocols import FittedRecommender, Recommender, TrainingContext
from leaven.recommenders.item_knn import FittedItemKnn, ItemKnn
from leaven.recommenders.popularity import Popularity

FILES = {"Beauty": "Beauty.txt", "Sports": "Sports_and_Outdoors.txt"}
VALUES: dict[str, tuple[float, ...]] = {
    "lag_power": (0, 0.2, 0.4, 0.6, 1),
    "backward_weight": (0, 0.15, 0.35, 0.6, 1),
    "confidence_shrinkage": (0, 0.3, 1, 2, 4),
    "source_power": (0, 0.3, 0.5, 0.7, 1),
    "target_power": (0, 0.1, 0.2, 0.35, 0.5),
    "shrinkage": (0, 3, 10, 20, 40),
    "recency_power": (0, 0.5, 1, 1.5, 2),
    "popularity_weight": (0.001, 0.01, 0.03, 0.1),
    "max_lag": (1, 3, 10, 50),
    "max_neighbors": (20, 50, 200, 400),
    "max_events": (1, 2, 3, 5, 10, 50),
}
SECOND_HOPS = (0.05, 0.2)
HEAD = """# How the baselines are tuned

A gain over a weak baseline is no gain. `popularity` has nothing to tune here (the files contain no times). The defaults
of `item_knn` have the best mean NDCG@10 on the *validation* users of Beauty and Sports in a search over every field.
The long table varies one field at a time, with the default in bold, and shows the mean of both data sets relative to
the defaults. Test was evaluated three times during the search and never used for selection.

Leave-one-out, ranked against all items that the user has not seen: {users}.
Printed by `python -m bench.itemknn`; seconds depend on the machine and its load.
"""


@dataclass(frozen=True, eq=False)
class Users:
    """One data set: training rows without the last two events; validation and test targets are these two events."""

    train: Histories
    valid: HeldOut
    test: HeldOut


def load_users(path: Path) -> Users:
    """Return the parts of a file with one user per line."""
    rows = [[int(item) for item in line.split()[1:]] for line in path.read_text().splitlines()]
    n_items = max(map(max, rows))

    def hold_out(back: int) -> HeldOut:
        histories = Histories.from_lists([row[:-back] for row in rows], n_items)
        targets = np.array([row[-back] for row in rows], np.int32)
        return HeldOut(histories, targets, np.zeros(len(rows), np.int64), np.arange(len(rows) + 1))

    valid, test = hold_out(2), hold_out(1)
    return Users(valid.histories, valid, test)


def evaluate_recommender(fitted: FittedRecommender, held_out: HeldOut) -> tuple[float, float]:
    """Return NDCG@10 and HR@10."""
    ranked = fitted.recommend(held_out.histories, 10)
    ndcg, hits = (metric(ranked, held_out, held_out.histories).mean() for metric in (Ndcg(10), HitRate(10)))
    return float(ndcg), float(hits)


def fit_recommender(config: Recommender, users: Users) -> Any:
    """Return the recommender fitted to the training rows."""
    return config.fit(users.train, TrainingContext(key=1))


def add_second_hop(fitted: FittedItemKnn, share: float) -> FittedItemKnn:
    """Return neighbors by S + share * S S, cut to the same number per item."""
    from scipy.sparse import csr_matrix

    n = len(fitted.item_weights)
    hops = csr_matrix((fitted.similarity.astype(float), fitted.items, fitted.starts), shape=(n, n))
    both = (hops + share * hops @ hops).tocsr()
    rows = []
    for low, high in zip(both.indptr[:-1], both.indptr[1:], strict=True):
        rows.append(low + np.argsort(-both.data[low:high], kind="stable")[: fitted.config.max_neighbors])
    starts = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    chosen = np.concatenate(rows)
    near, similarity = both.indices[chosen].astype(np.int32), both.data[chosen].astype(np.float32)
    return replace(fitted, starts=starts, items=near, similarity=similarity)


@dataclass(frozen=True)
class Setting:
    """One field with a value, printed as text, and the config that has it."""

    field: str
    value: str
    config: ItemKnn


def list_settings() -> Iterator[Setting]:
    """Yield every value of every field."""
    default = asdict(ItemKnn())
    for name, values in VALUES.items():
        for value in values:
            yield Setting(name, f"{value:g}", replace(ItemKnn(), **{name: type(default[name])(value)}))


def print_search(data: dict[str, Users]) -> None:
    """Print validation figures for every value of every field."""
    print(
        "| field | value | "
        + " | ".join(f"{name} N@10 | {name} HR@10" for name in data)
        + " | relative to the default |"
    )
    print("|---|---|" + "---|---|" * len(data) + "---|")
    base = {name: evaluate_recommender(fit_recommender(ItemKnn(), users), users.valid) for name, users in data.items()}
    for setting in list_settings():
        figures = {
            name: evaluate_recommender(fit_recommender(setting.config, users), users.valid)
            for name, users in data.items()
        }
        value = f"**{setting.value}**" if setting.config == ItemKnn() else setting.value
        print_row(setting.field, value, figures, base)
    for share in SECOND_HOPS:
        figures = {
            name: evaluate_recommender(add_second_hop(fit_recommender(ItemKnn(), users), share), users.valid)
            for name, users in data.items()
        }
        print_row("second hop", f"{share:g}", figures, base)


def print_row(
    field: str, value: str, figures: dict[str, tuple[float, float]], base: dict[str, tuple[float, float]]
) -> None:
    """Print one line with NDCG@10 and HR@10 per data set."""
    cells = " | ".join(f"{ndcg:.4f} | {hits:.4f}" for ndcg, hits in figures.values())
    share = np.mean([figures[name][0] / base[name][0] for name in base])
    print(f"| {field} | {value} | {cells} | {share:.3f} |", flush=True)


def print_test(data: dict[str, Users]) -> None:
    """Print test figures and seconds of the defaults."""
    print("\n| test, defaults | N@10 | HR@10 | fit s | all users ranked s |\n|---|---|---|---|---|")
    for name, users in data.items():
        for config in (Popularity(), ItemKnn()):
            fit_recommender(config, users).recommend(
                users.test.histories, 10
            )  # compile kernels or read them from the cache
            start = time.perf_counter()
            fitted = fit_recommender(config, users)
            fitted_at = time.perf_counter()
            fitted.recommend(users.test.histories, 10)
            costs = f"{fitted_at - start:.2f} | {time.perf_counter() - fitted_at:.2f}"
            ndcg, hits = evaluate_recommender(fitted, users.test)
            print(f"| {name}, {type(config).__name__.lower()} | {ndcg:.4f} | {hits:.4f} | {costs} |", flush=True)


def main() -> None:
    """Print the page."""
    assert set(VALUES) == {field.name for field in fields(ItemKnn)}
    folder = Path(os.environ.get("LEAVEN_DATA", "../shared/data")) / "sequences"
    missing = [file for file in FILES.values() if not (folder / file).exists()]
    if missing:
        print(f"skipped: {folder / missing[0]} is missing (LEAVEN_DATA)")
        return
    data = {name: load_users(folder / file) for name, file in FILES.items()}
    counts = " and ".join(f"{len(users.test):,} users of {name}" for name, users in data.items())
    print(HEAD.format(users=counts))
    print_test(data)
    print()
    print_search(data)


if __name__ == "__main__":
    main()
