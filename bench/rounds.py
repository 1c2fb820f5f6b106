"""Does a recommender that learns from its own lists drift, and does the check of rank fidelity hold it?

    python -m bench.rounds [--rounds 3] [--seeds 2] [--steps 2000]

RSIR (arXiv 2602.15659) on Beauty: in each round the transformer learns anew from all rows so far, continues prefixes of
them, and what it made joins them, once as many rows as there are real ones. Every training takes the same number of
steps. Needs the `sequences/` files in the folder LEAVEN_DATA.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import numpy as np

from bench.quality import Task, measured, read
from leaven.data.histories import Histories
from leaven.dosage.strategy import Uniform
from leaven.generators.self_generated import SelfGenerated
from leaven.plan import Plan, Step, expand
from leaven.recommenders.transformer import Transformer
from leaven.registry import made

WAYS = {
    "without a filter": [made("filters", "validity")],
    "rank fidelity": [made("filters", kind) for kind in ("validity", "copies", "rank_fidelity")],
}


def main(arguments: list[str] | None = None) -> None:
    """Print one line a way and round: rows that stayed, and what a training on all rows so far reaches."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=2000)
    asked = parser.parse_args(arguments)
    task, seeds = read("beauty"), range(1, asked.seeds + 1)
    print("| rows | round | made rows | kept | N@10 valid | N@10 test | range | lift | top-100 share |")
    print("|---|---|---|---|---|---|---|---|---|")
    real = [figures(task, task.train, seed, asked.steps) for seed in seeds]
    say("real", 0, real, real)
    for way, keep in WAYS.items():
        runs = [list(rounds(task, keep, seed, asked)) for seed in seeds]
        for number in range(asked.rounds):
            say(way, number + 1, [run[number] for run in runs], real)


def rounds(task: Task, keep: list[Any], seed: int, asked: argparse.Namespace) -> Any:
    """The figures after each round."""
    rows = task.train
    for _ in range(asked.rounds):
        use = SelfGenerated(where="after", prefix_range=(0.3, 0.8), new_events_range=(1, 5), steps=asked.steps)
        step = Step(use, copies=Uniform(len(task.train) / len(rows)), keep=tuple(keep), weight=1.0)
        grown = expand(rows, Plan([step]), seed=seed)
        share = (len(grown) - len(rows)) / len(task.train)
        rows = grown
        yield figures(task, rows, seed, asked.steps) | {"kept": share}


def figures(task: Task, rows: Histories, seed: int, steps: int) -> dict[str, float]:
    """What a training on these rows reaches, and how much of them the 100 most frequent items have."""
    counts = np.sort(np.bincount(rows.items))[::-1]
    found = measured(Transformer(), Task(rows, task.valid, task.test), seed, steps)
    return found | {"rows": float(len(rows) - len(task.train)), "top": counts[:100].sum() / counts.sum()}


def say(way: str, number: int, runs: list[dict[str, float]], real: list[dict[str, float]]) -> None:
    """One line of the table."""
    mean = {key: float(np.mean([run[key] for run in runs])) for key in runs[0]}
    tests = [run["test Ndcg"] for run in runs]
    lift = mean["test Ndcg"] / float(np.mean([run["test Ndcg"] for run in real])) - 1
    kept = f"{mean['kept']:.0%}" if "kept" in mean else ""
    print(f"| {way} | {number} | {mean['rows']:,.0f} | {kept} | {mean['valid Ndcg']:.4f} ", end="")
    print(
        f"| {mean['test Ndcg']:.4f} | {min(tests):.4f}–{max(tests):.4f} | {lift:+.1%} | {mean['top']:.3f} |", flush=True
    )


if __name__ == "__main__":
    main(sys.argv[1:])
