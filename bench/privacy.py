"""What does a generator tell of the users it learned from, and what does a bound on that cost?

python -m bench.privacy                    # Beauty: the attack on an over-fitted generator and on private ones
python -m bench.privacy --users 2000       # more users: what each bound costs

LEAVEN_DATA names the folder of the data. Without privacy nothing is held back: as few rows as here judge no early stop.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from leaven import seeds
from leaven.data.histories import Histories
from leaven.data.log import order, read
from leaven.generators.autoregressive import Autoregressive
from leaven.generators.privacy import Privacy
from leaven.judging import judge
from leaven.metrics.privacy import tpr_at

METRICS = ["attack_auc", "attack_tpr"]


def users(count: int, held: int) -> tuple[Histories, Histories]:
    """(training rows, held-out rows) of Beauty, over the items that either has."""
    path = Path(os.environ.get("LEAVEN_DATA", "../shared/data")) / "beauty" / "interactions.csv"
    rows = order(read(str(path))).histories
    chosen = seeds.generator(seeds.key(5, "privacy")).permutation(len(rows))[: count + held]
    rows = rows.take(np.sort(chosen))
    items, dense = np.unique(rows.items, return_inverse=True)
    rows = replace(rows, items=(dense + 1).astype(np.int32), n_items=len(items))
    mixed = seeds.generator(seeds.key(6, "privacy")).permutation(len(rows))
    return rows.take(mixed[:count]), rows.take(mixed[count:])


def measured(wish: Autoregressive, train: Histories, held: Histories, made: int) -> str:
    """One line: what an attacker reaches, and how likely the generator finds what unseen users take."""
    begun = time.perf_counter()
    fitted = wish.fit(train, 3)
    seconds = time.perf_counter() - begun
    new = fitted.sample(seeds.user_keys([f"made {place}" for place in range(made)]))
    found = judge(train, held, new, metrics=METRICS, most=max(made, 4000))
    events = held.lengths.sum() - len(held)
    told = float(fitted.log_likelihood(held).sum() / events)
    insider = fitted.log_likelihood(train) / np.maximum(train.lengths - 1, 1)
    outsider = fitted.log_likelihood(held) / np.maximum(held.lengths - 1, 1)
    auc, tpr = (found[kind] for kind in METRICS)
    low, high = tpr.interval
    return (
        f"{auc.value:8.3f} {tpr.value:8.1%} ({low:.1%} to {high:.1%})"
        f" {tpr_at(insider, outsider):10.1%} {told:12.3f} {seconds:9.0f}"
    )


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--users", type=int, default=190)
    parser.add_argument("--held-out", type=int, default=600)
    parser.add_argument("--made", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=80)
    parser.add_argument("--epsilons", nargs="*", type=float, default=[0.0, 8.0, 1.0], help="0: no bound")
    wish = parser.parse_args(arguments)
    train, held = users(wish.users, wish.held_out)
    base = Autoregressive(width=32, layers=1, length=20, dropout=0.0, steps=wish.steps, learning_rate=1e-2, keep=())
    print(
        f"Beauty: {len(train):,} training users, {len(held):,} held out, {train.n_items:,} items, "
        f"{wish.made:,} rows made, {wish.steps} steps"
    )
    print(f"{'epsilon':>8} {'AUC':>8} {'TPR at 1 % FPR, 95 %':>25} {'by the net':>10} {'log-lik.':>12} {'seconds':>9}")
    for epsilon in wish.epsilons:
        bound = Privacy(epsilon=epsilon) if epsilon else None
        line = measured(replace(base, privacy=bound), train, held, wish.made)
        print(f"{f'{epsilon:g}' if epsilon else 'none':>8} {line}", flush=True)
    print(f"log-likelihood of an event where all items are as likely: {-np.log(train.n_items):.3f}")


if __name__ == "__main__":
    main()
