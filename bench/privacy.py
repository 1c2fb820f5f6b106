"""What does a generator tell of the users it learned from, and what does a bound on that cost?

python -m bench.privacy                    # the attack on over-fitted generators and on bounded ones, then the cost
python -m bench.privacy --only attack      # or cost
python -m bench.privacy --epsilons 0 8 4 1 # 0: no bound

LEAVEN_DATA names the folder of the data. Attacked are nets that learn a few users of Beauty by heart: so few rows judge
no early stop. What a bound costs is asked of more users, and of nets that are not meant to learn by heart.
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

from bench.tables import columns_of, usefulness
from leaven import rng
from leaven.ctr_features import SamplingConfig, sample_by_time
from leaven.datasets.histories import Histories
from leaven.datasets.samples import Samples
from leaven.generators.privacy import PrivacyBudget
from leaven.generators.sequence.autoregressive import Autoregressive
from leaven.generators.tabular.tabular_vae import TabularVae
from leaven.ingest import build_histories, read_events
from leaven.metrics.synthetic.privacy_estimators import tpr_at_fpr
from leaven.quality import evaluate_quality

METRICS = ("attack_auc", "attack_tpr")
ITEMS = 1_000  # most frequent items: gradients of single users grow with the catalogue
Line = Callable[[Any, float, bool], str]
"""(wish, epsilon, whether it is attacked) -> a line of the table."""


def beauty() -> Path:
    """The log."""
    return Path(os.environ.get("LEAVEN_DATA", "../shared/data")) / "beauty" / "interactions.csv"


def histories(count: int, held: int) -> tuple[Histories, Histories]:
    """(training rows, held-out rows) of Beauty over its most frequent items; rows of two events and more."""
    rows = build_histories(read_events(str(beauty()))).histories
    counts = np.bincount(rows.items, minlength=rows.n_items + 2)
    dense = np.zeros(rows.n_items + 2, np.int32)
    dense[np.sort(np.argsort(-counts, kind="stable")[:ITEMS])] = np.arange(1, ITEMS + 1)
    kept = dense[rows.items] > 0
    starts = np.concatenate([[0], np.cumsum(kept)])[rows.starts]
    rows = Histories.from_arrays(dense[rows.items][kept], rows.times[kept], starts, rows.row_ids, ITEMS)
    rows = rows.take(np.flatnonzero(rows.lengths >= 2))
    chosen = rng.make_generator(rng.derive_key(5, "privacy")).permutation(len(rows))[: count + held]
    return rows.take(chosen[:count]), rows.take(chosen[count:])


def samples(count: int, held: int) -> tuple[Samples, Samples, Samples]:
    """(training, held-out, test rows) of Beauty: would this user take this item now? No user is in two of them."""
    rows = sample_by_time(
        read_events(str(beauty())), SamplingConfig(ratio=1, max_positives=4000, include_ids=False), key=7
    )[0]
    users = rng.make_generator(rng.derive_key(5, "privacy")).permutation(np.unique(rows.user_ids))
    parts = np.split(users, [count, count + held])
    return tuple(rows.take(np.isin(rows.user_ids, part)) for part in parts)  # type: ignore[return-value]


def one_each(rows: Samples) -> Samples:
    """The first row of every user, so that no two of those who are attacked hang together."""
    return rows.take(np.sort(np.unique(rows.user_ids, return_index=True)[1]))


@dataclass(frozen=True, eq=False)
class OfHistories:
    """Lines of the autoregressive generator: how likely unseen users' events are is what it is good for."""

    train: Histories
    held: Histories
    made: int

    def __call__(self, wish: Autoregressive, epsilon: float, attacked: bool) -> str:
        """A line of the table."""
        begun = time.process_time()
        fitted = wish.fit(self.train, 3)
        seconds = time.process_time() - begun
        likely = [fitted.log_likelihood(rows) / np.maximum(rows.lengths - 1, 1) for rows in (self.train, self.held)]
        events = self.held.lengths.sum() - len(self.held)
        told = float(fitted.log_likelihood(self.held).sum() / events)
        if not attacked:
            return f"| {_named(epsilon)} | {told:.3f} | {seconds:.0f} |"
        new = fitted.sample(_keys(self.made))
        found = _attack(evaluate_quality(self.train, self.held, new, metrics=METRICS, most=max(self.made, 4000)))
        return f"| {_named(epsilon)} | {found} | {tpr_at_fpr(*likely):.1%} | {seconds:.0f} |"


@dataclass(frozen=True, eq=False)
class OfTables:
    """Lines of the table VAE: how well a model of its rows tells real users' choices is what it is good for."""

    train: Samples
    held: Samples
    test: Samples
    made: int

    def __call__(self, wish: TabularVae, epsilon: float, attacked: bool) -> str:
        """A line of the table."""
        begun = time.process_time()
        fitted = wish.fit(self.train, 3)
        seconds = time.process_time() - begun
        new = fitted.sample(_keys(self.made))
        if not attacked:
            return f"| {_named(epsilon)} | {usefulness(new, self.test):.3f} | {seconds:.0f} |"
        columns = [columns_of(rows) for rows in (self.train, self.held, new)]
        return (
            f"| {_named(epsilon)} | {_attack(evaluate_quality(*columns, 'table', metrics=METRICS))} | | {seconds:.0f} |"
        )


def _keys(made: int) -> Any:
    return rng.derive_user_ids([f"made {place}" for place in range(made)])


def _attack(found: Any) -> str:
    auc, tpr = (found[kind] for kind in METRICS)
    return f"{auc.value:.3f} | {tpr.value:.1%} ({tpr.interval[0]:.1%} to {tpr.interval[1]:.1%})"


def _named(epsilon: float) -> str:
    return f"{epsilon:g}" if epsilon else "no bound"


def _lines(line: Line, wish: Any, epsilons: Sequence[float], together: int, attacked: bool) -> None:
    for epsilon in epsilons:
        bound = PrivacyBudget(epsilon=epsilon, users_per_step=together) if epsilon else None
        print(line(replace(wish, privacy=bound), epsilon, attacked), flush=True)
    print()


def attack(epsilons: Sequence[float]) -> None:
    """How many training users are found, by nets that would learn them by heart."""
    head = "| epsilon | AUC | found while 1 % of strangers are accused, 95 % | found by who holds the net | s |"
    train, held = histories(190, 600)
    print(f"### Attack: autoregressive, {len(train)} users, {ITEMS:,} items, 80 steps\n\n{head}\n|---|---|---|---|---|")
    wish = Autoregressive(
        width=32, layers=1, max_length=20, dropout=0.0, steps=80, learning_rate=1e-2, default_filters=()
    )
    _lines(OfHistories(train, held, 1000), wish, epsilons, 256, True)
    rows = [one_each(part) for part in samples(90, 1000)]  # from 100 rows on some judge an early stop
    print(f"### Attack: table VAE, one row of each of {len(rows[0])} users\n\n{head}\n|---|---|---|---|---|")
    by_heart = TabularVae(kl_weight=0.05, epochs=4000, width=256, batch=128)
    _lines(OfTables(*rows, 2000), by_heart, epsilons, 256, True)


def cost(epsilons: Sequence[float]) -> None:
    """What a bound costs: the same nets with and without it."""
    train, held = histories(2000, 600)
    print(f"### Cost: autoregressive, {len(train):,} users, {ITEMS:,} items, 150 steps\n")
    print("| epsilon | log-likelihood of an unseen user's event | s |\n|---|---|---|")
    wish = Autoregressive(
        width=16, layers=1, max_length=10, dropout=0.0, steps=150, learning_rate=1e-2, default_filters=()
    )
    _lines(OfHistories(train, held, 0), wish, epsilons, 128, False)
    print(f"Where all items are as likely it is {-np.log(ITEMS):.3f}.\n")
    rows = samples(1500, 300)
    print(f"### Cost: table VAE, {len(rows[0]):,} rows of 1,500 users\n")
    print("| epsilon | AUC, on real rows, of a model of made rows | s |\n|---|---|---|")
    _lines(OfTables(*rows, len(rows[0])), TabularVae(epochs=30, width=64, batch=128), epsilons, 128, False)
    print(f"A model of the real rows themselves has {usefulness(rows[0], rows[2]):.3f}; 0.5 is chance.\n")


def main(arguments: list[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", choices=["attack", "cost"])
    parser.add_argument("--epsilons", nargs="*", type=float, default=[0.0, 8.0, 1.0], help="0: no bound")
    wish = parser.parse_args(arguments)
    if not beauty().exists():
        print(f"skipped: {beauty()} is missing: LEAVEN_DATA names the folder of public data", file=sys.stderr)
        return
    if wish.only != "cost":
        attack(wish.epsilons)
    if wish.only != "attack":
        cost(wish.epsilons)
    print("Seconds are the processor's. Small nets and few users, so that it takes minutes.")


if __name__ == "__main__":
    main()
