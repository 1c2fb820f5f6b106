"""How well do the recommenders rank, on the public files that papers use?

    python -m bench.quality                    # all tables of docs/results.md: some hours on two cores
    python -m bench.quality --only beauty --seeds 1

Leave-one-out: the last item tests, the one before validates, everything earlier trains. Every item that a user has
not had is ranked; the weights are chosen on validation users. Needs the `sequences/` files in the folder LEAVEN_DATA.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from leaven import rng
from leaven.datasets.histories import HeldOut, Histories
from leaven.metrics.ranking.list_metrics import Ndcg, Recall
from leaven.protocols import TrainingContext
from leaven.recommenders.rank_fusion import RankFusion
from leaven.recommenders.transformer import Transformer
from leaven.registry import create_config

FOLDER = Path(os.environ.get("LEAVEN_DATA", "../shared/data")) / "sequences"
FILES = {"beauty": "Beauty.txt", "sports": "Sports_and_Outdoors.txt"}
BINARY = Transformer(loss="binary", learning_rate=1e-3, dropout=0.2, layers=1, batch_events=2048, epochs=120)
"""One negative a target makes a noisy gradient: it wants larger batches than the strong loss, and less dropout."""
LONG = Transformer(width=128, epochs=120, patience=None)


@dataclass(frozen=True, eq=False)
class Task:
    """train: all but the last two events of each user; valid and test: the last but one, the last."""

    train: Histories
    valid: HeldOut
    test: HeldOut


def read(name: str) -> Task:
    """The file of one user a line: `user item item …`."""
    lines = (FOLDER / FILES[name]).read_text().splitlines()
    rows = [[int(item) for item in line.split()[1:]] for line in lines]
    n_items = max(max(row) for row in rows)
    valid, test = (held_out(rows, back, n_items) for back in (2, 1))
    return Task(valid.histories, valid, test)


def held_out(rows: list[list[int]], back: int, n_items: int) -> HeldOut:
    """What each user took `back` events before the end, and everything before it."""
    items = np.array([row[-back] for row in rows], np.int32)
    nothing = np.zeros(len(rows), np.int64)
    return HeldOut(
        Histories.from_lists([row[:-back] for row in rows], n_items), items, nothing, np.arange(len(rows) + 1)
    )


def measured(wish: Any, task: Task, seed: int, steps: int | None = None) -> dict[str, float]:
    """NDCG@10 and HR@10 on validation and on test, steps, and seconds of training."""
    training = TrainingContext(
        key=rng.derive_key(seed, "quality"), steps=steps, validation=task.valid, on_progress=_told
    )
    began = time.perf_counter()
    fitted = wish.fit(task.train, training)
    figures = {"seconds": time.perf_counter() - began, "steps": len(fitted.curve) and fitted.curve[-1]["step"]}
    for name, users in (("valid", task.valid), ("test", task.test)):
        ranked = fitted.recommend(users.histories, 10)
        for metric in (Ndcg(10), Recall(10)):
            figures[f"{name} {type(metric).__name__}"] = float(metric(ranked, users, task.train).mean())
    return figures


def _told(done: int, total: int, words: str) -> None:
    if sys.stderr.isatty():
        print(f"\r  {done}/{total} {words:<60}", end="", file=sys.stderr)


def table(task: Task, wishes: Mapping[str, Any], n_seeds: int) -> None:
    """One line a wish: means over the seeds, and the range of the test NDCG."""
    print("| recommender | N@10 test | HR@10 test | range of N | N@10 valid | steps | seconds |")
    print("|---|---|---|---|---|---|---|")
    for name, wish in wishes.items():
        trained = isinstance(wish, Transformer | RankFusion)
        runs = [measured(wish, task, seed) for seed in range(1, (n_seeds if trained else 1) + 1)]
        mean = {key: float(np.mean([run[key] for run in runs])) for key in runs[0]}
        low, high = (side([run["test Ndcg"] for run in runs]) for side in (min, max))
        print(
            f"| {name} | {mean['test Ndcg']:.4f} | {mean['test Recall']:.4f} | {low:.4f}–{high:.4f} "
            f"| {mean['valid Ndcg']:.4f} | {mean['steps']:.0f} | {mean['seconds']:.0f} |",
            flush=True,
        )


def wishes(name: str) -> dict[str, Any]:
    """What is compared on a file: recommenders that know ids alone, and the transformer's settings."""
    others = {kind: create_config("recommenders", kind) for kind in ("popularity", "itemknn")}
    ours = {"transformer": Transformer(), "transformer, binary loss": BINARY, "blend": RankFusion()}
    return others | ours | ({"transformer, long": LONG} if name == "beauty" else {})


def results(arguments: list[str] | None = None) -> None:
    """Prints the tables that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=list(FILES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--wish", action="append", help="names of recommenders; all where left out")
    asked = parser.parse_args(arguments)
    for name in [asked.only] if asked.only else FILES:
        print(f"\n{FILES[name]}, {asked.seeds} seed(s)\n")
        table(read(name), {k: v for k, v in wishes(name).items() if k in (asked.wish or [k])}, asked.seeds)


if __name__ == "__main__":
    results()
