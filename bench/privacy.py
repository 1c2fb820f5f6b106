"""Measures membership inference against generators, and the cost of differential privacy.

    python -m bench.privacy                     # attack on overfitted generators, then the cost of privacy
    python -m bench.privacy --only attack       # or cost
    python -m bench.privacy --epsilons 0 8 4 1  # 0: no privacy

LEAVEN_DATA names the folder of the data. The attacked nets memorize few users of Beauty, without early stopping. The
cost is measured with more users and without intended overfitting.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.tables import measure_usefulness
from leaven import rng
from leaven.ctr_features import SamplingConfig, sample_by_time
from leaven.datasets.histories import Histories
from leaven.datasets.samples import Samples
from leaven.generators.privacy import PrivacyBudget
from leaven.generators.sequence.autoregressive import Autoregressive
from leaven.generators.tabular.tabular_vae import TabularVae
from leaven.ingest import build_histories, read_events
from leaven.metrics.synthetic.membership_inference import tpr_at_fpr
from leaven.quality import QualityFacts, evaluate_quality

METRICS = ("attack_auc", "attack_tpr")
ITEMS = 1_000  # most frequent items: the gradient of one user grows with the catalog
FormatLine = Callable[[Any, float, bool], str]
"""(config, epsilon, whether to attack) -> line of the table."""


def locate_log() -> Path:
    """Return the path of the log of Beauty."""
    return Path(os.environ.get("LEAVEN_DATA", "../shared/data")) / "beauty" / "interactions.csv"


def load_histories(count: int, held: int) -> tuple[Histories, Histories]:
    """Return training and held-out rows of Beauty over its most frequent items, with at least two events per row."""
    rows = build_histories(read_events(str(locate_log()))).histories
    counts = np.bincount(rows.items, minlength=rows.n_items + 2)
    dense = np.zeros(rows.n_items + 2, np.int32)
    dense[np.sort(np.argsort(-counts, kind="stable")[:ITEMS])] = np.arange(1, ITEMS + 1)
    is_frequent = dense[rows.items] > 0
    starts = np.concatenate([[0], np.cumsum(is_frequent)])[rows.starts]
    rows = Histories.from_arrays(dense[rows.items][is_frequent], rows.times[is_frequent], starts, rows.row_ids, ITEMS)
    rows = rows.take(np.flatnonzero(rows.lengths >= 2))
    chosen = rng.make_generator(rng.derive_key(5, "privacy")).permutation(len(rows))[: count + held]
    return rows.take(chosen[:count]), rows.take(chosen[count:])


@dataclass(frozen=True)
class SampleParts:
    """Labeled rows of disjoint users."""

    train: Samples
    held_out: Samples
    test: Samples


def load_samples(count: int, held: int) -> SampleParts:
    """Return labeled rows of Beauty of `count` training, `held` held-out and all other users as test users."""
    rows = sample_by_time(
        read_events(str(locate_log())), SamplingConfig(ratio=1, max_positives=4000, include_ids=False), key=7
    )[0]
    users = rng.make_generator(rng.derive_key(5, "privacy")).permutation(np.unique(rows.user_ids))
    parts = np.split(users, [count, count + held])
    train, held_out, test = (rows.take(np.isin(rows.user_ids, part)) for part in parts)
    return SampleParts(train, held_out, test)


def take_first_rows(rows: Samples) -> Samples:
    """Return the first row of every user, so that the attacked rows are independent."""
    return rows.take(np.sort(np.unique(rows.user_ids, return_index=True)[1]))


@dataclass(frozen=True, eq=False)
class HistoryLine:
    """Formats lines of the autoregressive generator; its utility is the log-likelihood of unseen users."""

    train: Histories
    held: Histories
    n_synthetic: int

    def __call__(self, config: Autoregressive, epsilon: float, is_attacked: bool) -> str:
        """Return a line of the table."""
        start = time.process_time()
        fitted = config.fit(self.train, 3)
        seconds = time.process_time() - start
        members, strangers = (
            fitted.log_likelihood(rows) / np.maximum(rows.lengths - 1, 1) for rows in (self.train, self.held)
        )
        events = self.held.lengths.sum() - len(self.held)
        mean_likelihood = float(fitted.log_likelihood(self.held).sum() / events)
        if not is_attacked:
            return f"| {format_epsilon(epsilon)} | {mean_likelihood:.3f} | {seconds:.0f} |"
        new = fitted.sample(derive_ids(self.n_synthetic))
        figures = format_attack(
            evaluate_quality(self.train, self.held, new, metrics=METRICS, max_rows=max(self.n_synthetic, 4000))
        )
        return f"| {format_epsilon(epsilon)} | {figures} | {tpr_at_fpr(members, strangers):.1%} | {seconds:.0f} |"


@dataclass(frozen=True, eq=False)
class TableLine:
    """Formats lines of the tabular VAE; its utility is the AUC on real rows of a model trained on synthetic ones."""

    train: Samples
    held: Samples
    test: Samples
    n_synthetic: int

    def __call__(self, config: TabularVae, epsilon: float, is_attacked: bool) -> str:
        """Return a line of the table."""
        start = time.process_time()
        fitted = config.fit(self.train, 3)
        seconds = time.process_time() - start
        new = fitted.sample(derive_ids(self.n_synthetic))
        if not is_attacked:
            return f"| {format_epsilon(epsilon)} | {measure_usefulness(new, self.test):.3f} | {seconds:.0f} |"
        figures = format_attack(evaluate_quality(self.train, self.held, new, "tabular", metrics=METRICS))
        return f"| {format_epsilon(epsilon)} | {figures} | | {seconds:.0f} |"


def derive_ids(count: int) -> Any:
    """Return row ids of synthetic rows."""
    return rng.derive_user_ids([f"made {index}" for index in range(count)])


def format_attack(result: QualityFacts) -> str:
    """Return AUC and true positive rate of the attack."""
    auc, tpr = (result[kind] for kind in METRICS)
    return f"{auc.value:.3f} | {tpr.value:.1%} ({tpr.interval[0]:.1%} to {tpr.interval[1]:.1%})"


def format_epsilon(epsilon: float) -> str:
    """Return epsilon as text."""
    return f"{epsilon:g}" if epsilon else "no privacy"


def print_lines(
    format_line: FormatLine, config: Any, epsilons: Sequence[float], users_per_step: int, is_attacked: bool
) -> None:
    """Print one line per epsilon."""
    for epsilon in epsilons:
        budget = PrivacyBudget(epsilon=epsilon, users_per_step=users_per_step) if epsilon else None
        print(format_line(replace(config, privacy=budget), epsilon, is_attacked), flush=True)
    print()


def print_attack(epsilons: Sequence[float]) -> None:
    """Print the membership inference figures of overfitted nets."""
    head = "| epsilon | AUC | TPR at 1 % FPR, 95 % interval | TPR with access to the net | s |"
    train, held = load_histories(190, 600)
    print(f"### Attack: autoregressive, {len(train)} users, {ITEMS:,} items, 80 steps\n\n{head}\n|---|---|---|---|---|")
    config = Autoregressive(
        width=32, layers=1, max_length=20, dropout=0.0, steps=80, learning_rate=1e-2, default_filters=()
    )
    print_lines(HistoryLine(train, held, 1000), config, epsilons, 256, True)
    parts = load_samples(90, 1000)  # below 100 rows no early stopping
    rows = [take_first_rows(part) for part in (parts.train, parts.held_out, parts.test)]
    print(f"### Attack: tabular VAE, one row per user, {len(rows[0])} users\n\n{head}\n|---|---|---|---|---|")
    overfitted = TabularVae(kl_weight=0.05, epochs=4000, width=256, batch=128)
    print_lines(TableLine(rows[0], rows[1], rows[2], 2000), overfitted, epsilons, 256, True)


def print_cost(epsilons: Sequence[float]) -> None:
    """Print the utility of the same nets with and without privacy."""
    train, held = load_histories(2000, 600)
    print(f"### Cost: autoregressive, {len(train):,} users, {ITEMS:,} items, 150 steps\n")
    print("| epsilon | log-likelihood of an unseen user's event | s |\n|---|---|---|")
    config = Autoregressive(
        width=16, layers=1, max_length=10, dropout=0.0, steps=150, learning_rate=1e-2, default_filters=()
    )
    print_lines(HistoryLine(train, held, 0), config, epsilons, 128, False)
    print(f"With uniform item probabilities it is {-np.log(ITEMS):.3f}.\n")
    parts = load_samples(1500, 300)
    print(f"### Cost: tabular VAE, {len(parts.train):,} rows of 1,500 users\n")
    print("| epsilon | AUC on real rows of a model trained on synthetic rows | s |\n|---|---|---|")
    line = TableLine(parts.train, parts.held_out, parts.test, len(parts.train))
    print_lines(line, TabularVae(epochs=30, width=64, batch=128), epsilons, 128, False)
    print(f"A model trained on the real rows has {measure_usefulness(parts.train, parts.test):.3f}; 0.5 is chance.\n")


def main(arguments: list[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", choices=["attack", "cost"])
    parser.add_argument("--epsilons", nargs="*", type=float, default=[0.0, 8.0, 1.0], help="0: no privacy")
    options = parser.parse_args(arguments)
    if not locate_log().exists():
        print(f"skipped: {locate_log()} is missing: LEAVEN_DATA names the folder of public data", file=sys.stderr)
        return
    if options.only != "cost":
        print_attack(options.epsilons)
    if options.only != "attack":
        print_cost(options.epsilons)
    print("Seconds are CPU time. Small nets and few users keep the run to minutes.")


if __name__ == "__main__":
    main()
