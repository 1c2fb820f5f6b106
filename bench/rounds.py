"""Measures the drift of a recommender trained on its own rollouts over rounds, with and without rank fidelity.

    python -m bench.rounds [--file beauty] [--rounds 3] [--seeds 2] [--steps 2000] [--way "rank fidelity"]

RSIR (arXiv 2602.15659): in each round the recommender of the previous round continues prefixes, one synthetic row per
real row, with an item from the history of the user half of the time; then a transformer is trained from scratch on all
rows so far, each used as a whole. With --folds 2, rows are continued and checked by a recommender trained on the other
half of the users. Every training takes the same number of steps, or with --grow the same number of epochs, and uses the
weights with the best validation figure. Needs the `sequences/` files in the folder LEAVEN_DATA.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.quality import FILES, Task, load_task, measure_config
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
    "top_k": 50,
    "match_popularity": False,
    "targets": "all",
}
WAYS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "without a check": ({"history_share": 0.5}, ("validity",)),
    "rank fidelity": ({"history_share": 0.5}, ("validity",)),
    "rank fidelity of whole rows": ({"targets": "new"}, ("validity", "copies", "rank_fidelity")),
}
"""Fields of the generator besides `max_rank`, and filters. The last way uses no history items and checks whole rows."""


@dataclass(frozen=True, eq=False)
class FixedRecommender:
    """Recommender config whose `fit` returns a fitted recommender."""

    fitted: FittedRecommender

    def fit(self, train: Histories, training: TrainingContext) -> FittedRecommender:
        """Return the fitted recommender."""
        return self.fitted

    def steps(self, train: Histories) -> int | None:
        """Return None: no training steps."""
        return None


def main(arguments: list[str] | None = None) -> None:
    """Print one line per way and round: accepted rows, and the figures of a training on all rows so far."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--file", choices=list(FILES), default="beauty")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--first", type=int, default=1, help="first seed")
    parser.add_argument(
        "--steps", type=int, default=2000, help="steps of every training; with --grow of the one on real rows"
    )
    parser.add_argument("--grow", action="store_true", help="same number of epochs in each round, as in the paper")
    parser.add_argument("--rank", type=int, default=20, help="maximum rank of a history item")
    parser.add_argument("--weight", type=float, default=1.0, help="weight of synthetic rows")
    parser.add_argument("--folds", type=int, default=1, help="above 1: cross-fitting over user folds")
    parser.add_argument("--way", choices=list(WAYS), action="append", help="default: all")
    options = parser.parse_args(arguments)
    task, numbers = load_task(options.file), range(options.first, options.first + options.seeds)
    print(
        "| rows | round | steps | synthetic rows | accepted "
        "| N@10 valid | lift | N@10 test | range | lift | top-100 share |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    real = {seed: train_and_measure(task, task.train, seed, options) for seed in numbers}
    base = [figures for _, figures in real.values()]
    print_line("real", 0, base, base)
    for way in options.way or WAYS:
        runs = [list(iterate_rounds(task, way, seed, options, real[seed][0])) for seed in numbers]
        for number in range(options.rounds):
            print_line(way, number + 1, [run[number] for run in runs], base)


def iterate_rounds(
    task: Task, way: str, seed: int, options: argparse.Namespace, fitted: FittedRecommender
) -> Iterator[dict[str, float]]:
    """Yield the figures after each round; fitted: recommender trained on the real rows."""
    rows, (fields, filter_kinds) = task.train, WAYS[way]
    rank = options.rank if way == "rank fidelity" else None
    for _ in range(options.rounds):
        source = {"recommender": FixedRecommender(fitted)} if options.folds == 1 else build_folds(task, rows, options)
        use = RecommenderRollouts(max_rank=rank, **RSIR | fields | source)
        filters = tuple(create_config("filters", kind) for kind in filter_kinds)
        step = Step(use, copies=Uniform(len(task.train) / len(rows)), filters=filters, weight=options.weight)
        expanded = expand(rows, Plan([step]), seed=seed)
        share = (len(expanded) - len(rows)) / len(task.train)
        rows = expanded
        fitted, figures = train_and_measure(task, rows, seed, options)
        yield figures | {"kept": share}


def build_folds(task: Task, rows: Histories, options: argparse.Namespace) -> dict[str, Any]:
    """Return generator fields for cross-fitting, with steps in proportion to the users of a fold."""
    share = (options.folds - 1) / options.folds
    return {
        "recommender": Transformer(),
        "n_folds": options.folds,
        "steps": round(count_steps(task, rows, options) * share),
    }


def count_steps(task: Task, rows: Histories, options: argparse.Namespace) -> int:
    """Return the steps of a training on these rows."""
    growth = float(rows.n_targets.sum() / task.train.n_targets.sum()) if options.grow else 1.0
    return round(options.steps * growth)


def train_and_measure(
    task: Task, rows: Histories, seed: int, options: argparse.Namespace
) -> tuple[FittedRecommender, dict[str, float]]:
    """Return a recommender trained on the rows and its figures, with the event share of the 100 most frequent items."""
    counts = np.sort(np.bincount(rows.items))[::-1]
    figures = {"rows": float(len(rows) - len(task.train)), "top": float(counts[:100].sum() / counts.sum())}
    figures["steps"] = steps = count_steps(task, rows, options)
    fitted = Transformer().fit(
        rows, TrainingContext(key=rng.derive_key(seed, "rounds"), steps=steps, validation=task.valid)
    )
    return fitted, measure_config(FixedRecommender(fitted), task, seed) | figures


def print_line(way: str, number: int, runs: list[dict[str, float]], real: list[dict[str, float]]) -> None:
    """Print one line of the table."""
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
