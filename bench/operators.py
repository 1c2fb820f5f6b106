"""Measures the speedup of compiled batch operators over a plain Python loop.

    python -m bench operators

Histories of Beauty (folder LEAVEN_DATA), repeated to a million rows. Each variant runs in a separate process. The
reference works on lists of items and times, draws from one generator and stores its results. Seconds are the best of
several rounds; compilation is measured separately, in a process with an empty cache. The speedup of two independent
processes bounds that of two threads; it is below 2 if both cores are hardware threads of one.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from leaven import registry
from leaven.datasets.histories import Histories

ROWS = 1_000_000
REFERENCE_ROWS = 100_000
ROUNDS, THREAD_ROUNDS, EPOCH_ROUNDS = 5, 40, 5
SEGMENT_SECONDS, N_SEGMENTS = 2.0, 4  # alternating segments in which one process or both work
EPOCH_OPERATORS = ("reorder", "substitute")
TARGETS = {"crop": 25, "mask": 25, "drop": 25, "reorder": 25, "rotate": 25, "insert": 30, "substitute": 30}
Pair = tuple[list[int], list[int]]
Table = dict[int, tuple[list[int], list[float]]]


def load_beauty() -> Histories:
    """Return the 22,363 histories of a file with user and items on each line; times are positions."""
    path = Path(os.environ.get("LEAVEN_DATA", "../shared/data")) / "sequences" / "Beauty.txt"
    if not path.exists():
        raise SystemExit(f"{path} is missing: set LEAVEN_DATA to the folder of public data")
    rows = [[int(word) for word in line.split()[1:]] for line in path.read_text().splitlines()]
    return Histories.from_lists(rows, max(map(max, rows)))


def repeat_rows(rows: Histories, count: int) -> Histories:
    """Return rows repeated in order up to `count`, with new row ids."""
    many = rows.take(np.arange(count) % len(rows))
    return replace(many, row_ids=np.arange(1, count + 1, dtype=np.uint64))


def sample_positions(count: int, share: float, spare: int, draw: random.Random) -> list[int]:
    """Return a share of the positions without the last one; at least `spare` events remain."""
    number = min(int(count * share + draw.random()), count - spare)
    return draw.sample(range(count - 1), number)


def crop_events(items: list[int], times: list[int], draw: random.Random, table: Table) -> Pair:
    """Return a window of 60 to 90 % of the events."""
    count = len(items)
    size = max(int(count * draw.uniform(0.6, 0.9) + draw.random()), 2)
    first = int(draw.random() * (count - size + 1))
    return items[first : first + size], times[first : first + size]


def mask_items(items: list[int], times: list[int], draw: random.Random, table: Table) -> Pair:
    """Return the history with 10 to 30 % of the items set to 0."""
    new = items.copy()
    for position in sample_positions(len(items), draw.uniform(0.1, 0.3), 1, draw):
        new[position] = 0
    return new, times


def drop_events(items: list[int], times: list[int], draw: random.Random, table: Table) -> Pair:
    """Return the history without 10 to 30 % of the events."""
    dropped = set(sample_positions(len(items), draw.uniform(0.1, 0.3), 2, draw))
    if not dropped:
        return items, times
    kept = [position for position in range(len(items)) if position not in dropped]
    return [items[position] for position in kept], [times[position] for position in kept]


def reorder_items(items: list[int], times: list[int], draw: random.Random, table: Table) -> Pair:
    """Return the history with a shuffled window of the items."""
    free = len(items) - 1
    size = min(int(free * draw.uniform(0.2, 0.5) + draw.random()), free)
    first = int(draw.random() * (free - size + 1))
    window = items[first : first + size]
    draw.shuffle(window)
    return items[:first] + window + items[first + size :], times


def rotate_items(items: list[int], times: list[int], draw: random.Random, table: Table) -> Pair:
    """Return the history with the items before the last one rotated."""
    free = len(items) - 1
    by = free - int(free * draw.uniform(0.1, 0.5) + draw.random())
    return items[by:free] + items[:by] + items[free:], times


def sample_neighbor(item: int, draw: random.Random, table: Table) -> int:
    """Return a random neighbor of an item; the item itself without neighbors."""
    if item not in table:
        return item
    others, mass = table[item]
    return draw.choices(others, cum_weights=mass)[0]


def substitute_items(items: list[int], times: list[int], draw: random.Random, table: Table) -> Pair:
    """Return the history with 10 to 30 % of the items replaced by neighbors."""
    new = items.copy()
    for position in sample_positions(len(items), draw.uniform(0.1, 0.3), 1, draw):
        new[position] = sample_neighbor(items[position], draw, table)
    return new, times


def insert_items(items: list[int], times: list[int], draw: random.Random, table: Table) -> Pair:
    """Return the history with neighbors inserted before 10 to 30 % of the events."""
    count = len(items)
    positions = draw.sample(range(count), int(count * draw.uniform(0.1, 0.3) + draw.random()))
    new, new_times = items.copy(), times.copy()
    for position in sorted(positions, reverse=True):
        new.insert(position, sample_neighbor(items[position], draw, table))
        new_times.insert(position, (times[max(position - 1, 0)] + times[position]) // 2)
    return new, new_times


REFERENCE: dict[str, Callable[..., Pair]] = {
    "crop": crop_events,
    "mask": mask_items,
    "drop": drop_events,
    "reorder": reorder_items,
    "rotate": rotate_items,
    "substitute": substitute_items,
    "insert": insert_items,
}
"""Plain implementations for one history."""


def measure_reference() -> dict[str, float]:
    """Return nanoseconds per history of the Python loop."""
    from leaven.transforms.sequence.neighbor_table import NeighborTableConfig

    rows = load_beauty()
    fitted = NeighborTableConfig().fit(rows)
    bounds = list(itertools.pairwise(fitted.starts.tolist()))
    table = {
        item: (fitted.items[a:z].tolist(), np.cumsum(fitted.confidence[a:z]).tolist())
        for item, (a, z) in enumerate(bounds)
        if z > a
    }
    many = repeat_rows(rows, REFERENCE_ROWS)
    spans = list(itertools.pairwise(many.starts.tolist()))
    items, times = many.items.tolist(), many.times.tolist()
    lists = [(items[a:z], times[a:z]) for a, z in spans]
    found = {}
    for kind, function in REFERENCE.items():
        draw = random.Random(7)
        found[kind] = time_best(lambda f=function, d=draw: [f(i, t, d, table) for i, t in lists], 3) / len(lists)
    return {kind: seconds * 1e9 for kind, seconds in found.items()}


def time_best(job: Callable[[], object], rounds: int, clock: Callable[[], float] = time.process_time) -> float:
    """Return the seconds of the fastest round, CPU time of this process by default."""
    best = float("inf")
    for _ in range(rounds):
        start = clock()
        job()
        best = min(best, clock() - start)
    return best


def iterate_jobs() -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield each operator with a call that applies it to all rows; its kernel is compiled."""
    rows = load_beauty()
    many = repeat_rows(rows, ROWS)
    ones = np.ones(len(many), np.float32)
    for kind in TARGETS:
        fitted = registry.create_config("transforms", kind).fit(rows)
        fitted(rows, rows.row_ids, ones[: len(rows)])
        yield kind, partial(fitted, many, many.row_ids, ones)


def measure_kernels() -> dict[str, float]:
    """Return nanoseconds per history of the compiled operators on one thread."""
    return {kind: time_best(job, ROUNDS) / ROWS * 1e9 for kind, job in iterate_jobs()}


def measure_threads() -> dict[str, float]:
    """Return the wall-time speedup of two threads over one, the median of many pairs of rounds."""
    from numba import config

    found = {}
    for kind, job in iterate_jobs():
        ratios = []
        for _ in range(THREAD_ROUNDS):
            seconds = []
            for threads in (1, 2):
                config.NUMBA_NUM_THREADS = threads
                seconds.append(time_best(job, 1, time.perf_counter))
            ratios.append(seconds[0] / seconds[1])
        found[kind] = statistics.median(ratios)
    return found


def measure_side() -> dict[str, float]:
    """Return the throughput of two independent processes relative to one.

    Two processes run this, with SIDE 0 and 1. Segments of wall time alternate: in the first only process 0 works, in
    the second both. The result compares the medians.
    """
    found, side = {}, int(os.environ["SIDE"])
    for kind, job in iterate_jobs():
        time.sleep(2 * SEGMENT_SECONDS - time.time() % (2 * SEGMENT_SECONDS))
        spent: dict[bool, list[float]] = {True: [], False: []}
        start = time.time()
        while (passed := time.time() - start) < 2 * N_SEGMENTS * SEGMENT_SECONDS:
            alone = int(passed / SEGMENT_SECONDS) % 2 == 0
            if alone and side:
                time.sleep(SEGMENT_SECONDS - passed % SEGMENT_SECONDS)
                continue
            spent[alone].append(time_best(job, 1, time.perf_counter))
        found[kind] = 2 * statistics.median(spent[True]) / statistics.median(spent[False]) if not side else 0.0
    return found


def measure_processes() -> dict[str, float]:
    """Return the result of the first of two concurrent sides."""
    with ThreadPoolExecutor(2) as pool:
        sides = [pool.submit(run_variant, "side", SIDE=side) for side in ("0", "1")]
        return sides[0].result()


def measure_epoch() -> dict[str, float]:
    """Return CPU seconds of an epoch of the transformer without and with two operators, in alternating rounds.

    The operators keep every length, so both epochs have the same number of targets and steps.
    """
    from leaven.augmentation import Plan, Step, build_epoch_rows
    from leaven.protocols import TrainingContext
    from leaven.recommenders.transformer import Transformer

    train, config = load_beauty(), Transformer()
    steps = max(round(int(train.n_targets.sum()) / config.choose_batch_events(train)), 1)
    kinds = [registry.create_config("transforms", kind) for kind in EPOCH_OPERATORS]
    plan = Plan([Step(kind, mode="in_place", when="each_epoch") for kind in kinds])
    fresh = build_epoch_rows(train, train, plan, seed=7)
    variants = {"without": None, "with": fresh}
    for refresh in variants.values():  # load libraries, compile kernels
        config.fit(train, TrainingContext(key=1, steps=2, rows_for_epoch=refresh))
    found = {"steps": float(steps), "rows": time_best(lambda: fresh(1, 0.5), 3)}
    for turn in range(2 * EPOCH_ROUNDS):
        name = list(variants)[turn % 2]
        spent = time_best(
            lambda r=variants[name]: config.fit(train, TrainingContext(key=1, steps=steps, rows_for_epoch=r)), 1
        )
        found[name] = min(found.get(name, float("inf")), spent)
    return found


def measure_first_call() -> dict[str, float]:
    """Return CPU seconds of the first call of each operator, on ten rows, in order."""
    rows = Histories.from_lists([[1, 2, 3, 4, 5]] * 10, 5)
    found = {}
    for kind in TARGETS:
        start = time.process_time()
        registry.create_config("transforms", kind).fit(rows)(rows, rows.row_ids, np.ones(10, np.float32))
        found[kind] = time.process_time() - start
    return found


def measure_neighbors() -> dict[str, float]:
    """Return number of pairs and seconds of the co-occurrence neighbors of Beauty."""
    from leaven.transforms.sequence.item_similarity import CooccurrenceConfig, _sum_pairs, find_cooccurring_neighbors

    rows = load_beauty()
    find_cooccurring_neighbors(rows, CooccurrenceConfig(20, 0, 1.0, 1.0))
    pairs = len(_sum_pairs(rows, np.ones(len(rows), np.float32), 0, 1.0)[1])
    return {
        "pairs": pairs,
        "seconds": time_best(lambda: find_cooccurring_neighbors(rows, CooccurrenceConfig(20, 0, 1.0, 1.0)), ROUNDS),
    }


def measure_windows() -> dict[str, float]:
    """Return seconds and memory above the input of all prefixes of 20 million events, in batches."""
    from leaven.transforms.sequence.windows import Windows

    count = 20_000_000
    starts = np.arange(0, count + 1, 20, dtype=np.int64)
    items = np.arange(count, dtype=np.int32) % 50_000 + 1
    rows = Histories.from_arrays(items, np.arange(count), starts, np.arange(1, len(starts)), 50_000)
    Windows().build_index(rows.slice(0, 10)).take_all()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    index = Windows().build_index(rows)
    indexed = time.perf_counter() - start
    events = sum(batch.n_events for batch in index.iterate_batches(100_000))
    above = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    passed = time.perf_counter() - start
    return {"windows": len(index), "events": events, "index": indexed, "passed": passed, "megabytes": above}


VARIANTS = {
    "reference": measure_reference,
    "leaven": measure_kernels,
    "threads": measure_threads,
    "side": measure_side,
    "processes": measure_processes,
    "epoch": measure_epoch,
    "first": measure_first_call,
    "neighbors": measure_neighbors,
    "windows": measure_windows,
}


def run_variant(variant: str, threads: int = 1, **environment: str) -> dict[str, float]:
    """Return the result of one variant in a separate process."""
    call = [sys.executable, "-m", "bench.operators", "--variant", variant]
    settings = {**os.environ, "NUMBA_NUM_THREADS": str(threads), "OMP_NUM_THREADS": "1", **environment}
    done = subprocess.run(call, capture_output=True, text=True, check=False, env=settings)
    if done.returncode:
        raise SystemExit(f"{variant}: exit {done.returncode}\n{done.stderr[-2000:]}")
    return dict(json.loads(done.stdout))


def main(arguments: list[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--variant", choices=VARIANTS)
    options = parser.parse_args(arguments or [])
    if options.variant:
        print(json.dumps(VARIANTS[options.variant]()))
        return
    load_beauty()
    with tempfile.TemporaryDirectory() as folder:
        cold, warm = (run_variant("first", NUMBA_CACHE_DIR=folder) for _ in range(2))
    one, loop = run_variant("leaven"), run_variant("reference")
    two, apart = run_variant("threads", threads=2), run_variant("processes")
    load = os.getloadavg()[0]
    print(f"Histories of Beauty, {ROWS:,} rows; the Python loop on {REFERENCE_ROWS:,} of them; load {load:.1f}")
    print(f"{'':11} {'loop ns':>8} {'ns':>6} {'x loop':>7} {'target':>7} {'2 threads':>10} {'2 processes':>12}", end="")
    print(" | first call, seconds")
    for kind, wanted in TARGETS.items():
        ratio = loop[kind] / one[kind]
        print(f"{kind:11} {loop[kind]:8.0f} {one[kind]:6.0f} {ratio:7.1f} {wanted:7} ", end="")
        print(f"{two[kind]:9.2f}x {apart[kind]:11.2f}x | {cold[kind]:.2f} compiling, {warm[kind]:.2f} from the cache")
    epoch = run_variant("epoch")
    ratio = epoch["with"] / epoch["without"]
    print(
        f"an epoch of the transformer, {epoch['steps']:.0f} steps: {epoch['without']:.1f} s of CPU time; with ",
        end="",
    )
    print(f"{' and '.join(EPOCH_OPERATORS)} in each {epoch['with']:.1f} s, {ratio:.3f} x (target 1.05; ", end="")
    print(f"the rows only {epoch['rows'] * 1e3:.0f} ms)")
    table = run_variant("neighbors")
    print(f"neighbors: {table['pairs']:,.0f} pairs counted, weighted and cut to 20 in {table['seconds']:.2f} s")
    split = run_variant("windows")
    print(f"windows: {split['windows']:,.0f} prefixes of 20,000,000 events, {split['events']:,.0f} events ", end="")
    print(f"in {split['passed']:.1f} s (index {split['index']:.1f} s), {split['megabytes']:,.0f} MB above the input")


if __name__ == "__main__":
    main(sys.argv[1:])
