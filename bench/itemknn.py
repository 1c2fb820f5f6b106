"""How are the defaults of the item neighbours chosen? Prints docs/results/itemknn.md.

    python -m bench.itemknn > docs/results/itemknn.md

Every field is varied alone around its default. Choosing looks at validation (the item before the last, from rows
without the last two) of two public data sets; test (the last item) is looked at once, for the defaults.
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
TRIED: dict[str, tuple[float, ...]] = {
    "lag_power": (0, 0.2, 0.4, 0.6, 1),
    "backward": (0, 0.15, 0.35, 0.6, 1),
    "doubt": (0, 0.3, 1, 2, 4),
    "source_power": (0, 0.3, 0.5, 0.7, 1),
    "target_power": (0, 0.1, 0.2, 0.35, 0.5),
    "shrinkage": (0, 3, 10, 20, 40),
    "recency_power": (0, 0.5, 1, 1.5, 2),
    "popularity": (0.001, 0.01, 0.03, 0.1),
    "max_lag": (1, 3, 10, 50),
    "max_neighbours": (20, 50, 200, 400),
    "max_events": (1, 2, 3, 5, 10, 50),
}
SECOND_HOPS = (0.05, 0.2)
HEAD = """# How the baselines are tuned

A gain over a weak baseline is no gain. `popularity` has nothing to tune here (the files tell no times). `itemknn` is
tuned once for all: its defaults are what trying every field found best for mean NDCG@10 on the *validation* users
of Beauty and Sports. The long table shows each field moved alone, the default in bold, and the mean of both
data sets as a share of what the defaults reach. Test was seen three times on the way, and never chosen by.

Leave-one-out, ranked against all items that the user has not seen: {users}.
Made by `python -m bench.itemknn`; the seconds are those of the machine and of what else it did.
"""


@dataclass(frozen=True, eq=False)
class Users:
    """One file: training rows without the last two events, and who is asked about the one before last and the last."""

    train: Histories
    valid: HeldOut
    test: HeldOut


def load(path: Path) -> Users:
    rows = [[int(item) for item in line.split()[1:]] for line in path.read_text().splitlines()]
    n_items = max(map(max, rows))

    def held_out(back: int) -> HeldOut:
        known = Histories.from_lists([row[:-back] for row in rows], n_items)
        taken = np.array([row[-back] for row in rows], np.int32)
        return HeldOut(known, taken, np.zeros(len(rows), np.int64), np.arange(len(rows) + 1))

    valid, test = held_out(2), held_out(1)
    return Users(valid.histories, valid, test)


def judged(fitted: FittedRecommender, held_out: HeldOut) -> tuple[float, float]:
    """(NDCG@10, HR@10)."""
    ranked = fitted.recommend(held_out.histories, 10)
    ndcg, hits = (metric(ranked, held_out, held_out.histories).mean() for metric in (Ndcg(10), HitRate(10)))
    return float(ndcg), float(hits)


def fit(wish: Recommender, users: Users) -> Any:
    return wish.fit(users.train, TrainingContext(key=1))


def with_second_hop(fitted: FittedItemKnn, share: float) -> FittedItemKnn:
    """Neighbours of neighbours too: S + share * S S, the nearest kept as before."""
    from scipy.sparse import csr_matrix

    n = len(fitted.item_weights)
    hops = csr_matrix((fitted.similarity.astype(float), fitted.items, fitted.starts), shape=(n, n))
    both = (hops + share * hops @ hops).tocsr()
    places = []
    for low, high in zip(both.indptr[:-1], both.indptr[1:], strict=True):
        places.append(low + np.argsort(-both.data[low:high], kind="stable")[: fitted.config.max_neighbors])
    starts = np.concatenate([[0], np.cumsum([len(row) for row in places])]).astype(np.int64)
    chosen = np.concatenate(places)
    near, similarity = both.indices[chosen].astype(np.int32), both.data[chosen].astype(np.float32)
    return replace(fitted, starts=starts, items=near, similarity=similarity)


def variants() -> Iterator[tuple[str, str, ItemKnn]]:
    """(field, value, wish) of everything that is tried."""
    default = asdict(ItemKnn())
    for name, values in TRIED.items():
        for value in values:
            yield name, f"{value:g}", replace(ItemKnn(), **{name: type(default[name])(value)})


def tried(data: dict[str, Users]) -> None:
    """The table of fields."""
    print("| field | value | " + " | ".join(f"{name} N@10 | {name} HR@10" for name in data) + " | of the default |")
    print("|---|---|" + "---|---|" * len(data) + "---|")
    base = {name: judged(fit(ItemKnn(), users), users.valid) for name, users in data.items()}
    for field, value, wish in variants():
        found = {name: judged(fit(wish, users), users.valid) for name, users in data.items()}
        row(field, f"**{value}**" if wish == ItemKnn() else value, found, base)
    for share in SECOND_HOPS:
        far = {name: judged(with_second_hop(fit(ItemKnn(), users), share), users.valid) for name, users in data.items()}
        row("second hop", f"{share:g}", far, base)


def row(field: str, value: str, found: dict[str, tuple[float, float]], base: dict[str, tuple[float, float]]) -> None:
    cells = " | ".join(f"{ndcg:.4f} | {hits:.4f}" for ndcg, hits in found.values())
    share = np.mean([found[name][0] / base[name][0] for name in base])
    print(f"| {field} | {value} | {cells} | {share:.3f} |", flush=True)


def tested(data: dict[str, Users]) -> None:
    """The table of test figures, and what they cost."""
    print("\n| test, defaults | N@10 | HR@10 | fit s | all users ranked s |\n|---|---|---|---|---|")
    for name, users in data.items():
        for wish in (Popularity(), ItemKnn()):
            fit(wish, users).recommend(users.test.histories, 10)  # kernels are compiled, or read from their cache
            began = time.perf_counter()
            fitted = fit(wish, users)
            between = time.perf_counter()
            fitted.recommend(users.test.histories, 10)
            costs = f"{between - began:.2f} | {time.perf_counter() - between:.2f}"
            ndcg, hits = judged(fitted, users.test)
            print(f"| {name}, {type(wish).__name__.lower()} | {ndcg:.4f} | {hits:.4f} | {costs} |", flush=True)


def main() -> None:
    """Print the page."""
    assert set(TRIED) == {field.name for field in fields(ItemKnn)}
    folder = Path(os.environ.get("LEAVEN_DATA", "../shared/data")) / "sequences"
    missing = [file for file in FILES.values() if not (folder / file).exists()]
    if missing:
        print(f"skipped: {folder / missing[0]} is missing (LEAVEN_DATA)")
        return
    data = {name: load(folder / file) for name, file in FILES.items()}
    counts = " and ".join(f"{len(users.test):,} users of {name}" for name, users in data.items())
    print(HEAD.format(users=counts))
    tested(data)
    print()
    tried(data)


if __name__ == "__main__":
    main()
