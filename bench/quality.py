"""Measures the ranking quality of the recommenders on public files used in the literature.

    python -m bench.quality                    # all tables: some hours on two cores
    python -m bench.quality --only beauty --seeds 1

Leave-one-out: the last item is the test target, the one before the validation target, earlier items are training data.
All unseen items are ranked; the weights with the best validation figure are used. Needs the `sequences/` files in the
folder LEAVEN_DATA.
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
"""One negative per target gives a noisy gradient, which needs larger batches and less dropout than the strong loss."""
LONG = Transformer(width=128, epochs=120, patience=None)


@dataclass(frozen=True, eq=False)
class Task:
    """train: all but the last two events of each user; valid and test: the last but one, the last."""

    train: Histories
    valid: HeldOut
    test: HeldOut


def load_task(name: str) -> Task:
    """Return the parts of a file with one user per line: `user item item …`."""
    lines = (FOLDER / FILES[name]).read_text().splitlines()
    rows = [[int(item) for item in line.split()[1:]] for line in lines]
    n_items = max(max(row) for row in rows)
    valid, test = (hold_out_event(rows, back, n_items) for back in (2, 1))
    return Task(valid.histories, valid, test)


def hold_out_event(rows: list[list[int]], back: int, n_items: int) -> HeldOut:
    """Return the event `back` positions from the end of each row as target, with the earlier events as history."""
    items = np.array([row[-back] for row in rows], np.int32)
    times = np.zeros(len(rows), np.int64)
    return HeldOut(Histories.from_lists([row[:-back] for row in rows], n_items), items, times, np.arange(len(rows) + 1))


def measure_config(config: Any, task: Task, seed: int, steps: int | None = None) -> dict[str, float]:
    """Return NDCG@10 and HR@10 on validation and test, steps, and seconds of training."""
    training = TrainingContext(
        key=rng.derive_key(seed, "quality"), steps=steps, validation=task.valid, on_progress=print_progress
    )
    start = time.perf_counter()
    fitted = config.fit(task.train, training)
    figures = {"seconds": time.perf_counter() - start, "steps": len(fitted.curve) and fitted.curve[-1]["step"]}
    for name, users in (("valid", task.valid), ("test", task.test)):
        ranked = fitted.recommend(users.histories, 10)
        for metric in (Ndcg(10), Recall(10)):
            figures[f"{name} {type(metric).__name__}"] = float(metric(ranked, users, task.train).mean())
    return figures


def print_progress(done: int, total: int, words: str) -> None:
    """Print progress to a terminal."""
    if sys.stderr.isatty():
        print(f"\r  {done}/{total} {words:<60}", end="", file=sys.stderr)


def print_table(task: Task, configs: Mapping[str, Any], n_seeds: int) -> None:
    """Print one line per config: means over the seeds, and the range of the test NDCG."""
    print("| recommender | N@10 test | HR@10 test | range of N | N@10 valid | steps | seconds |")
    print("|---|---|---|---|---|---|---|")
    for name, config in configs.items():
        trained = isinstance(config, Transformer | RankFusion)
        runs = [measure_config(config, task, seed) for seed in range(1, (n_seeds if trained else 1) + 1)]
        mean = {key: float(np.mean([run[key] for run in runs])) for key in runs[0]}
        low, high = (reduce([run["test Ndcg"] for run in runs]) for reduce in (min, max))
        print(
            f"| {name} | {mean['test Ndcg']:.4f} | {mean['test Recall']:.4f} | {low:.4f}–{high:.4f} "
            f"| {mean['valid Ndcg']:.4f} | {mean['steps']:.0f} | {mean['seconds']:.0f} |",
            flush=True,
        )


def list_configs(name: str) -> dict[str, Any]:
    """Return the compared configs of a file: id-based recommenders and settings of the transformer."""
    others = {kind: create_config("recommenders", kind) for kind in ("popularity", "item_knn")}
    ours = {"transformer": Transformer(), "transformer, binary loss": BINARY, "rank fusion": RankFusion()}
    return others | ours | ({"transformer, long": LONG} if name == "beauty" else {})


def print_results(arguments: list[str] | None = None) -> None:
    """Print the tables of the selected files and configs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=list(FILES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--config", action="append", help="names of recommenders; default: all")
    options = parser.parse_args(arguments)
    for name in [options.only] if options.only else FILES:
        print(f"\n{FILES[name]}, {options.seeds} seed(s)\n")
        print_table(
            load_task(name),
            {k: v for k, v in list_configs(name).items() if k in (options.config or [k])},
            options.seeds,
        )


if __name__ == "__main__":
    print_results()
