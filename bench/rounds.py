"""Does a recommender that learns from its own lists drift, and does the check of rank fidelity hold it?

    python -m bench.rounds [--file beauty] [--rounds 3] [--seeds 2] [--steps 2000] [--way "rank fidelity"]

RSIR (arXiv 2602.15659): in each round the recommender of the round before continues a prefix of as many rows as there
are real ones, half of the time by an item that its user really took, and a transformer learns anew from all rows so
far, each taken as a whole. With --folds 2, rows are continued and checked by one who learned the other half of the
users. Every training takes the same number of steps, or with --grow as many passes over its rows, and its weights are
the best on validation users. Needs the `sequences/` files in the folder LEAVEN_DATA.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.quality import FILES, Task, measured, read
from leaven import rng
from leaven.augmentation import Plan, Step, expand
from leaven.datasets.histories import Histories
from leaven.generators.sequence.recommender_rollouts import RecommenderRollouts
from leaven.protocols import FittedRecommender, TrainingContext
from leaven.recommenders.transformer import Transformer
from leaven.registry import create_config
from leaven.strategies.copy_counts import Uniform

RSIR: dict[str, Any] = {
    "where": "after",
    "prefix_range": (0.3, 0.8),
    "new_events_range": (1, 5),
    "top": 50,
    "match_popularity": False,
    "targets": "all",
}
WAYS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "without a check": ({"own": 0.5}, ("validity",)),
    "rank fidelity": ({"own": 0.5}, ("validity",)),
    "rank fidelity of whole rows": ({"targets": "new"}, ("validity", "copies", "rank_fidelity")),
}
"""Fields of the generator beside `rank`, and filters. The last way knows no own items, and checks rows whole."""


@dataclass(frozen=True, eq=False)
class Known:
    """A recommender that has learned already."""

    fitted: FittedRecommender

    def fit(self, train: Histories, training: TrainingContext) -> FittedRecommender:
        """As it is."""
        return self.fitted

    def steps(self, train: Histories) -> int | None:
        """None."""
        return None


def main(arguments: list[str] | None = None) -> None:
    """Print one line a way and round: rows that stayed, and what a training on all rows so far reaches."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--file", choices=list(FILES), default="beauty")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--first", type=int, default=1, help="the first of the seeds")
    parser.add_argument("--steps", type=int, default=2000, help="of every training, or of one on the real rows")
    parser.add_argument("--grow", action="store_true", help="as many passes over the rows each round, as in the paper")
    parser.add_argument("--rank", type=int, default=20, help="how far down a real item may stand")
    parser.add_argument("--weight", type=float, default=1.0, help="of made rows")
    parser.add_argument("--folds", type=int, default=1, help="more: rows by who has not learned them")
    parser.add_argument("--way", choices=list(WAYS), action="append", help="all where left out")
    asked = parser.parse_args(arguments)
    task, numbers = read(asked.file), range(asked.first, asked.first + asked.seeds)
    print("| rows | round | steps | made rows | kept | N@10 valid | lift | N@10 test | range | lift | top-100 share |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    real = {seed: learned(task, task.train, seed, asked) for seed in numbers}
    base = [figures for _, figures in real.values()]
    say("real", 0, base, base)
    for way in asked.way or WAYS:
        runs = [list(rounds(task, way, seed, asked, real[seed][0])) for seed in numbers]
        for number in range(asked.rounds):
            say(way, number + 1, [run[number] for run in runs], base)


def rounds(
    task: Task, way: str, seed: int, asked: argparse.Namespace, known: FittedRecommender
) -> Iterator[dict[str, float]]:
    """The figures after each round; known: who learned from the real rows."""
    rows, (fields, keep) = task.train, WAYS[way]
    rank = asked.rank if way == "rank fidelity" else None
    for _ in range(asked.rounds):
        who = {"recommender": Known(known)} if asked.folds == 1 else crossed(task, rows, asked)
        use = RecommenderRollouts(max_rank=rank, **RSIR | fields | who)
        filters = tuple(create_config("filters", kind) for kind in keep)
        step = Step(use, copies=Uniform(len(task.train) / len(rows)), filters=filters, weight=asked.weight)
        grown = expand(rows, Plan([step]), seed=seed)
        share = (len(grown) - len(rows)) / len(task.train)
        rows = grown
        known, figures = learned(task, rows, seed, asked)
        yield figures | {"kept": share}


def crossed(task: Task, rows: Histories, asked: argparse.Namespace) -> dict[str, Any]:
    """Fields of a generator whose recommenders each learn a part of the users, as long as their rows ask."""
    share = (asked.folds - 1) / asked.folds
    return {"recommender": Transformer(), "folds": asked.folds, "steps": round(steps_of(task, rows, asked) * share)}


def steps_of(task: Task, rows: Histories, asked: argparse.Namespace) -> int:
    """Of a training on these rows."""
    longer = float(rows.n_targets.sum() / task.train.n_targets.sum()) if asked.grow else 1.0
    return round(asked.steps * longer)


def learned(
    task: Task, rows: Histories, seed: int, asked: argparse.Namespace
) -> tuple[FittedRecommender, dict[str, float]]:
    """Who learned from these rows, what it reaches, and how much of them the 100 most frequent items have."""
    counts = np.sort(np.bincount(rows.items))[::-1]
    figures = {"rows": float(len(rows) - len(task.train)), "top": float(counts[:100].sum() / counts.sum())}
    figures["steps"] = steps = steps_of(task, rows, asked)
    fitted = Transformer().fit(
        rows, TrainingContext(key=rng.derive_key(seed, "rounds"), steps=steps, validation=task.valid)
    )
    return fitted, measured(Known(fitted), task, seed) | figures


def say(way: str, number: int, runs: list[dict[str, float]], real: list[dict[str, float]]) -> None:
    """One line of the table."""
    mean, base = ({key: float(np.mean([run[key] for run in of])) for key in of[0]} for of in (runs, real))
    tests = [run["test Ndcg"] for run in runs]
    kept = f"{mean['kept']:.0%}" if "kept" in mean else ""
    print(f"| {way} | {number} | {mean['steps']:,.0f} | {mean['rows']:,.0f} | {kept} ", end="")
    for name in ("valid Ndcg", "test Ndcg"):
        spread = f" | {min(tests):.4f}–{max(tests):.4f}" if name == "test Ndcg" else ""
        print(f"| {mean[name]:.4f}{spread} | {mean[name] / base[name] - 1:+.1%} ", end="")
    print(f"| {mean['top']:.3f} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
