"""How fast are rows made, on one thread, and what does a second worker bring?

    python -m bench.generators --rows 100000

A simulated shop's histories; each generator learns them and makes as many new rows as were asked.
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


def timed(job: Callable[[], Any], clock: Callable[[], float] = time.process_time) -> tuple[Any, float]:
    """(what came, seconds of this process: those that others took from a busy machine do not count)."""
    began = clock()
    found = job()
    return found, clock() - began


def world(rows: int, n_items: int = 20_000) -> Histories:
    """Long-tailed items, lengths as in a shop, neighbours that follow each other, times over two years."""
    draw = rng.make_generator(rng.derive_key(7, "bench", "generators"))
    lengths = 3 + draw.geometric(0.12, rows)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    popular = (n_items * draw.random(starts[-1]) ** 3).astype(np.int64)
    near = np.where(draw.random(starts[-1]) < 0.6, np.roll(popular, 1) + draw.integers(1, 4, starts[-1]), popular)
    begun = 1_600_000_000 + draw.integers(0, 50_000_000, rows)
    gaps = (10 ** draw.uniform(1, 6, starts[-1])).astype(np.int64)
    total = np.cumsum(gaps)
    times = total - np.repeat(total[starts[:-1]], lengths) + np.repeat(begun, lengths)
    keys = rng.derive_user_ids([str(row) for row in range(rows)])
    return Histories.from_arrays(near % n_items + 1, times, starts, keys, n_items)


def made(shared: FittedMarkov, shard: RngKeys) -> int:
    """Events of one shard's new rows."""
    return shared.sample(shard).n_events


def markov(rows: int) -> None:
    train = world(rows)
    keys = rng.derive_user_ids([f"new{row}" for row in range(rows)])
    print(f"Markov, order 2: {train.n_events:,} training events of {rows:,} rows over {train.n_items:,} items")
    print(f"  {'':8} {'fit s':>6} {'new events':>11} {'seconds':>8} {'million/s':>10}")
    for where in ("alone", "after", "before"):
        fitted, learning = timed(lambda where=where: Markov(where=where, new_events_range=(5, 5)).fit(train, 7))
        fitted.sample(keys[:10], train.slice(0, 10))  # compiled before the clock runs
        new, seconds = timed(lambda fitted=fitted: fitted.sample(keys, train))
        count = new.events - (train.n_events if where != "alone" else 0)
        print(f"  {where:8} {learning:6.1f} {count:11,} {seconds:8.2f} {count / seconds / 1e6:10.2f}")
    fitted.log_likelihood(train.slice(0, 10))
    _, seconds = timed(lambda: fitted.log_likelihood(train))
    print(f"  likelihood: {train.n_events / seconds / 1e6:.2f} million events/s")


def decoding(rows: int) -> None:
    """A transformer's rows, written together and one at a time by the same code; its weights do not matter here."""
    from leaven.generators.sequence.autoregressive import Autoregressive
    from leaven.generators.sequence.decoding import decode_rows

    train = world(5_000)
    fitted = Autoregressive(steps=1).fit(train, 7)
    net = copy.deepcopy(fitted.net).double().eval()
    keys = rng.derive_user_ids([f"new{row}" for row in range(rows)])

    def per_event(batches: list[RngKeys]) -> float:
        frames = [fitted.scaffolds.build_scaffold(fitted.config, batch, None) for batch in batches]
        _, seconds = timed(lambda: [decode_rows(net, fitted.decoding, frame) for frame in frames])
        return seconds / sum(len(frame.items) for frame in frames)

    per_event([keys[:2]])  # compiled before the clock runs
    together, alone = per_event([keys]), per_event([keys[at : at + 1] for at in range(min(rows, 20))])
    print(f"Transformer over {train.n_items:,} items, memory of what was read:")
    print(f"  {rows:,} rows together {1e6 * together:.0f} µs an event, one at a time {1e6 * alone:.0f}")
    print(f"  {alone / together:.1f} times as fast")


def workers(rows: int) -> None:
    train = world(rows)
    fitted = Markov().fit(train, 7)
    shards = np.array_split(rng.derive_user_ids([f"new{row}" for row in range(rows * 20)]), 40)
    alone, pair = (timed(lambda n=n: sum(Local(n).map(made, shards, fitted)), time.perf_counter)[1] for n in (1, 2))
    print(f"Local engine, {rows * 20:,} rows in 40 shards, start included:")
    print(f"  1 worker {alone:.1f} s, 2 workers {pair:.1f} s: x {alone / pair:.2f}")


def main(arguments: list[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=ROWS)
    wish = parser.parse_args(arguments)
    markov(wish.rows)
    decoding(min(wish.rows, 1_024))
    workers(wish.rows)


if __name__ == "__main__":
    main()
