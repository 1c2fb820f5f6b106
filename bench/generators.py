"""Measures the sampling speed of generators on one thread and the speedup of a second worker.

    python -m bench.generators --rows 100000

Each generator is fitted to simulated histories and samples the given number of rows.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.engines.local import Local
from leaven.generators.sequence.markov import FittedMarkov, Markov
from leaven.protocols import RngKeys

ROWS = 100_000


def time_call(job: Callable[[], Any], clock: Callable[[], float] = time.process_time) -> tuple[Any, float]:
    """Return the result and the seconds, by default CPU seconds of this process, unaffected by other load."""
    start = clock()
    result = job()
    return result, clock() - start


def simulate_rows(rows: int, n_items: int = 20_000) -> Histories:
    """Return histories with long-tailed items, shop-like lengths, frequent successors and times over two years."""
    draw = rng.make_generator(rng.derive_key(7, "bench", "generators"))
    lengths = 3 + draw.geometric(0.12, rows)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    popular = (n_items * draw.random(starts[-1]) ** 3).astype(np.int64)
    near = np.where(draw.random(starts[-1]) < 0.6, np.roll(popular, 1) + draw.integers(1, 4, starts[-1]), popular)
    first_times = 1_600_000_000 + draw.integers(0, 50_000_000, rows)
    gaps = (10 ** draw.uniform(1, 6, starts[-1])).astype(np.int64)
    total = np.cumsum(gaps)
    times = total - np.repeat(total[starts[:-1]], lengths) + np.repeat(first_times, lengths)
    keys = rng.derive_user_ids([str(row) for row in range(rows)])
    return Histories.from_arrays(near % n_items + 1, times, starts, keys, n_items)


def count_sampled_events(shared: FittedMarkov, shard: RngKeys) -> int:
    """Return the number of events in the rows sampled for a shard."""
    return shared.sample(shard).n_events


def print_markov(rows: int) -> None:
    """Print fit and sampling speed of the Markov chain."""
    train = simulate_rows(rows)
    keys = rng.derive_user_ids([f"new{row}" for row in range(rows)])
    print(f"Markov, order 2: {train.n_events:,} training events of {rows:,} rows over {train.n_items:,} items")
    print(f"  {'':8} {'fit s':>6} {'new events':>11} {'seconds':>8} {'million/s':>10}")
    for where in ("alone", "after", "before"):
        fitted, learning = time_call(lambda where=where: Markov(where=where, new_events_range=(5, 5)).fit(train, 7))
        fitted.sample(keys[:10], train.slice(0, 10))  # compile before timing
        new, seconds = time_call(lambda fitted=fitted: fitted.sample(keys, train))
        count = new.n_events - (train.n_events if where != "alone" else 0)
        print(f"  {where:8} {learning:6.1f} {count:11,} {seconds:8.2f} {count / seconds / 1e6:10.2f}")
    fitted.log_likelihood(train.slice(0, 10))
    _, seconds = time_call(lambda: fitted.log_likelihood(train))
    print(f"  likelihood: {train.n_events / seconds / 1e6:.2f} million events/s")


def print_decoding(rows: int) -> None:
    """Print the decoding speed of a transformer in one batch and row by row; its weights do not matter here."""
    from leaven.generators.sequence.autoregressive import Autoregressive
    from leaven.generators.sequence.decoding import decode_rows

    train = simulate_rows(5_000)
    fitted = Autoregressive(steps=1).fit(train, 7)
    net = copy.deepcopy(fitted.net).double().eval()
    keys = rng.derive_user_ids([f"new{row}" for row in range(rows)])

    def measure_per_event(batches: list[RngKeys]) -> float:
        frames = [fitted.scaffolds.build_scaffold(fitted.config, batch, None) for batch in batches]
        _, seconds = time_call(lambda: [decode_rows(net, fitted.decoding, frame) for frame in frames])
        return seconds / sum(len(frame.items) for frame in frames)

    measure_per_event([keys[:2]])  # compile before timing
    together, alone = (
        measure_per_event([keys]),
        measure_per_event([keys[row : row + 1] for row in range(min(rows, 20))]),
    )
    print(f"Transformer over {train.n_items:,} items, with a cache of past states:")
    print(f"  {rows:,} rows in one batch {1e6 * together:.0f} µs per event, row by row {1e6 * alone:.0f}")
    print(f"  speedup {alone / together:.1f}")


def print_workers(rows: int) -> None:
    """Print the speedup of two workers of the local engine."""
    train = simulate_rows(rows)
    fitted = Markov().fit(train, 7)
    shards = np.array_split(rng.derive_user_ids([f"new{row}" for row in range(rows * 20)]), 40)
    alone, pair = (
        time_call(lambda n=n: sum(Local(n).map(count_sampled_events, shards, fitted)), time.perf_counter)[1]
        for n in (1, 2)
    )
    print(f"Local engine, {rows * 20:,} rows in 40 shards, start-up included:")
    print(f"  1 worker {alone:.1f} s, 2 workers {pair:.1f} s: speedup {alone / pair:.2f}")


def main(arguments: list[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=ROWS)
    options = parser.parse_args(arguments)
    print_markov(options.rows)
    print_decoding(min(options.rows, 1_024))
    print_workers(options.rows)


if __name__ == "__main__":
    main()
