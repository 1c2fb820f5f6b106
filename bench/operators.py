"""How much faster are compiled batch operators than a clean loop in Python, a line at a time?

    python -m bench operators

Beauty's histories repeated to a million rows; the folder that LEAVEN_DATA names holds them. Each arm is a process
of its own. The reference works on lists of items and times, draws from one generator, and keeps what it made.
Seconds are the best of several turns; compiling is measured apart, in a process with an empty cache. What two threads
can win at most is what two processes win that share nothing: less than 2 where the two cores are halves of one.
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
TURNS, THREAD_TURNS, EPOCH_TURNS = 5, 40, 5
STRETCH, STRETCHES = 2.0, 4  # seconds, and how many of each kind, in which two processes work by turns
EPOCH_OPERATORS = ("reorder", "substitute")
WANTED = {"crop": 25, "mask": 25, "drop": 25, "reorder": 25, "rotate": 25, "insert": 30, "substitute": 30}
Pair = tuple[list[int], list[int]]
Table = dict[int, tuple[list[int], list[float]]]


def beauty() -> Histories:
    """22,363 histories, one a line: the user, then the items in order; times count places."""
    path = Path(os.environ.get("LEAVEN_DATA", "../shared/data")) / "sequences" / "Beauty.txt"
    if not path.exists():
        raise SystemExit(f"{path} is missing: name the folder of the data in LEAVEN_DATA")
    rows = [[int(word) for word in line.split()[1:]] for line in path.read_text().splitlines()]
    return Histories.from_lists(rows, max(map(max, rows)))


def repeated(rows: Histories, count: int) -> Histories:
    many = rows.take(np.arange(count) % len(rows))
    return replace(many, row_ids=np.arange(1, count + 1, dtype=np.uint64))


# --- the reference: what one would write for one history, without waste ---


def chosen(count: int, share: float, spare: int, draw: random.Random) -> list[int]:
    number = min(int(count * share + draw.random()), count - spare)
    return draw.sample(range(count - 1), number)  # the last one stays


def crop(items: list[int], times: list[int], draw: random.Random, table: Table) -> Pair:
    count = len(items)
    size = max(int(count * draw.uniform(0.6, 0.9) + draw.random()), 2)
    first = int(draw.random() * (count - size + 1))
    return items[first : first + size], times[first : first + size]


def mask(items: list[int], times: list[int], draw: random.Random, table: Table) -> Pair:
    new = items.copy()
    for place in chosen(len(items), draw.uniform(0.1, 0.3), 1, draw):
        new[place] = 0
    return new, times


def drop(items: list[int], times: list[int], draw: random.Random, table: Table) -> Pair:
    gone = set(chosen(len(items), draw.uniform(0.1, 0.3), 2, draw))
    if not gone:
        return items, times
    kept = [place for place in range(len(items)) if place not in gone]
    return [items[place] for place in kept], [times[place] for place in kept]


def reorder(items: list[int], times: list[int], draw: random.Random, table: Table) -> Pair:
    free = len(items) - 1
    size = min(int(free * draw.uniform(0.2, 0.5) + draw.random()), free)
    first = int(draw.random() * (free - size + 1))
    window = items[first : first + size]
    draw.shuffle(window)
    return items[:first] + window + items[first + size :], times


def rotate(items: list[int], times: list[int], draw: random.Random, table: Table) -> Pair:
    free = len(items) - 1
    by = free - int(free * draw.uniform(0.1, 0.5) + draw.random())
    return items[by:free] + items[:by] + items[free:], times


def candidate(item: int, draw: random.Random, table: Table) -> int:
    if item not in table:
        return item
    others, mass = table[item]
    return draw.choices(others, cum_weights=mass)[0]


def substitute(items: list[int], times: list[int], draw: random.Random, table: Table) -> Pair:
    new = items.copy()
    for place in chosen(len(items), draw.uniform(0.1, 0.3), 1, draw):
        new[place] = candidate(items[place], draw, table)
    return new, times


def insert(items: list[int], times: list[int], draw: random.Random, table: Table) -> Pair:
    count = len(items)
    places = draw.sample(range(count), int(count * draw.uniform(0.1, 0.3) + draw.random()))
    new, when = items.copy(), times.copy()
    for place in sorted(places, reverse=True):
        new.insert(place, candidate(items[place], draw, table))
        when.insert(place, (times[max(place - 1, 0)] + times[place]) // 2)
    return new, when


REFERENCE: dict[str, Callable[..., Pair]] = {
    f.__name__: f for f in (crop, mask, drop, reorder, rotate, substitute, insert)
}


# --- the arms ---


def reference_arm() -> dict[str, float]:
    """Nanoseconds a history of the loop."""
    from leaven.transforms.sequence.neighbor_table import NeighborTableConfig

    rows = beauty()
    fitted = NeighborTableConfig().fit(rows)
    bounds = list(itertools.pairwise(fitted.starts.tolist()))
    table = {
        item: (fitted.items[a:z].tolist(), np.cumsum(fitted.confidence[a:z]).tolist())
        for item, (a, z) in enumerate(bounds)
        if z > a
    }
    many = repeated(rows, REFERENCE_ROWS)
    spans = list(itertools.pairwise(many.starts.tolist()))
    items, times = many.items.tolist(), many.times.tolist()
    lists = [(items[a:z], times[a:z]) for a, z in spans]
    found = {}
    for kind, function in REFERENCE.items():
        draw = random.Random(7)
        found[kind] = best_of(lambda f=function, d=draw: [f(i, t, d, table) for i, t in lists], 3) / len(lists)
    return {kind: seconds * 1e9 for kind, seconds in found.items()}


def best_of(job: Callable[[], object], turns: int, clock: Callable[[], float] = time.process_time) -> float:
    """Seconds of the quickest turn: of this process alone, unless a clock on the wall is asked for."""
    quickest = float("inf")
    for _ in range(turns):
        began = clock()
        job()
        quickest = min(quickest, clock() - began)
    return quickest


def jobs() -> Iterator[tuple[str, Callable[[], object]]]:
    """Each operator at work on all rows, its kernel compiled."""
    rows = beauty()
    many = repeated(rows, ROWS)
    ones = np.ones(len(many), np.float32)
    for kind in WANTED:
        fitted = registry.create_config("transforms", kind).fit(rows)
        fitted(rows, rows.row_ids, ones[: len(rows)])
        yield kind, partial(fitted, many, many.row_ids, ones)


def leaven_arm() -> dict[str, float]:
    """Nanoseconds a history of the kernels, on one thread."""
    return {kind: best_of(job, TURNS) / ROWS * 1e9 for kind, job in jobs()}


def threads_arm() -> dict[str, float]:
    """How many times sooner two threads are done than one by the clock: the middle one of many pairs of turns."""
    from numba import config

    found = {}
    for kind, job in jobs():
        ratios = []
        for _ in range(THREAD_TURNS):
            spent = []
            for threads in (1, 2):
                config.NUMBA_NUM_THREADS = threads
                spent.append(best_of(job, 1, time.perf_counter))
            ratios.append(spent[0] / spent[1])
        found[kind] = statistics.median(ratios)
    return found


def side_arm() -> dict[str, float]:
    """How many times as much two processes do side by side, which share nothing but the machine, as one does.

    Two processes run this, with SIDE 0 and 1. By turns, a stretch of the clock each, the first works alone and both
    work; the middle one of the turns of each counts.
    """
    found, side = {}, int(os.environ["SIDE"])
    for kind, job in jobs():
        time.sleep(2 * STRETCH - time.time() % (2 * STRETCH))
        spent: dict[bool, list[float]] = {True: [], False: []}
        begun = time.time()
        while (passed := time.time() - begun) < 2 * STRETCHES * STRETCH:
            alone = int(passed / STRETCH) % 2 == 0
            if alone and side:
                time.sleep(STRETCH - passed % STRETCH)
                continue
            spent[alone].append(best_of(job, 1, time.perf_counter))
        found[kind] = 2 * statistics.median(spent[True]) / statistics.median(spent[False]) if not side else 0.0
    return found


def processes_arm() -> dict[str, float]:
    """What the first of two sides found."""
    with ThreadPoolExecutor(2) as pool:
        sides = [pool.submit(run, "side", SIDE=side) for side in ("0", "1")]
        return sides[0].result()


def epoch_arm() -> dict[str, float]:
    """Seconds of the processor of an epoch of the transformer, without and with two operators in each; they take turns.

    The operators keep every length, so that both epochs learn from the same number of targets in as many steps.
    """
    from leaven.augmentation import Plan, Step, build_epoch_rows
    from leaven.protocols import TrainingContext
    from leaven.recommenders.transformer import Transformer

    train, wish = beauty(), Transformer()
    steps = max(round(int(train.n_targets.sum()) / wish.choose_batch_events(train)), 1)
    kinds = [registry.create_config("transforms", kind) for kind in EPOCH_OPERATORS]
    plan = Plan([Step(kind, mode="in_place", when="each_epoch") for kind in kinds])
    fresh = build_epoch_rows(train, train, plan, seed=7)
    arms = {"without": None, "with": fresh}
    for refresh in arms.values():  # libraries are loaded, kernels compiled
        wish.fit(train, TrainingContext(key=1, steps=2, rows_for_epoch=refresh))
    found = {"steps": float(steps), "rows": best_of(lambda: fresh(1, 0.5), 3)}
    for turn in range(2 * EPOCH_TURNS):
        name = list(arms)[turn % 2]
        spent = best_of(lambda r=arms[name]: wish.fit(train, TrainingContext(key=1, steps=steps, rows_for_epoch=r)), 1)
        found[name] = min(found.get(name, float("inf")), spent)
    return found


def first_call_arm() -> dict[str, float]:
    """Seconds of this process until the first ten rows are there, each kind after the others."""
    rows = Histories.from_lists([[1, 2, 3, 4, 5]] * 10, 5)
    found = {}
    for kind in WANTED:
        began = time.process_time()
        registry.create_config("transforms", kind).fit(rows)(rows, rows.row_ids, np.ones(10, np.float32))
        found[kind] = time.process_time() - began
    return found


def neighbours_arm() -> dict[str, float]:
    """A table of at least 1.5 million pairs: Beauty, and as much of it again with other neighbours."""
    from leaven.transforms.sequence.item_similarity import CooccurrenceConfig, _sum_pairs, find_cooccurring_neighbors

    rows = beauty()
    find_cooccurring_neighbors(rows, CooccurrenceConfig(20, 0, 1.0, 1.0))
    pairs = len(_sum_pairs(rows, np.ones(len(rows), np.float32), 0, 1.0)[1])
    return {
        "pairs": pairs,
        "seconds": best_of(lambda: find_cooccurring_neighbors(rows, CooccurrenceConfig(20, 0, 1.0, 1.0)), TURNS),
    }


def windows_arm() -> dict[str, float]:
    """Memory above the input while every prefix of 20 million events passes by in batches."""
    from leaven.transforms.sequence.windows import Windows

    count = 20_000_000
    starts = np.arange(0, count + 1, 20, dtype=np.int64)
    items = np.arange(count, dtype=np.int32) % 50_000 + 1
    rows = Histories.from_arrays(items, np.arange(count), starts, np.arange(1, len(starts)), 50_000)
    Windows().build_index(rows.slice(0, 10)).take_all()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    index = Windows().build_index(rows)
    indexed = time.perf_counter() - began
    events = sum(batch.n_events for batch in index.iterate_batches(100_000))
    above = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    passed = time.perf_counter() - began
    return {"windows": len(index), "events": events, "index": indexed, "passed": passed, "megabytes": above}


ARMS = {
    "reference": reference_arm,
    "leaven": leaven_arm,
    "threads": threads_arm,
    "side": side_arm,
    "processes": processes_arm,
    "epoch": epoch_arm,
    "first": first_call_arm,
    "neighbours": neighbours_arm,
    "windows": windows_arm,
}


def run(arm: str, threads: int = 1, **environment: str) -> dict[str, float]:
    """One arm in a process of its own."""
    call = [sys.executable, "-m", "bench.operators", "--arm", arm]
    settings = {**os.environ, "NUMBA_NUM_THREADS": str(threads), "OMP_NUM_THREADS": "1", **environment}
    done = subprocess.run(call, capture_output=True, text=True, check=False, env=settings)
    if done.returncode:
        raise SystemExit(f"{arm}: exit {done.returncode}\n{done.stderr[-2000:]}")
    return dict(json.loads(done.stdout))


def main(arguments: list[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--arm", choices=ARMS)
    wish = parser.parse_args(arguments or [])
    if wish.arm:
        print(json.dumps(ARMS[wish.arm]()))
        return
    beauty()
    with tempfile.TemporaryDirectory() as folder:
        cold, warm = (run("first", NUMBA_CACHE_DIR=folder) for _ in range(2))
    one, loop = run("leaven"), run("reference")
    two, apart = run("threads", threads=2), run("processes")
    load = os.getloadavg()[0]
    print(f"Beauty's histories, {ROWS:,} rows; the loop in Python on {REFERENCE_ROWS:,} of them; load {load:.1f}")
    print(f"{'':11} {'loop ns':>8} {'ns':>6} {'x loop':>7} {'wanted':>7} {'2 threads':>10} {'2 processes':>12}", end="")
    print(" | first call, seconds")
    for kind, wanted in WANTED.items():
        ratio = loop[kind] / one[kind]
        print(f"{kind:11} {loop[kind]:8.0f} {one[kind]:6.0f} {ratio:7.1f} {wanted:7} ", end="")
        print(f"{two[kind]:9.2f}x {apart[kind]:11.2f}x | {cold[kind]:.2f} compiling, {warm[kind]:.2f} from the cache")
    epoch = run("epoch")
    ratio = epoch["with"] / epoch["without"]
    print(
        f"an epoch of the transformer, {epoch['steps']:.0f} steps: {epoch['without']:.1f} s of the processor; with ",
        end="",
    )
    print(f"{' and '.join(EPOCH_OPERATORS)} in each {epoch['with']:.1f} s, {ratio:.3f} x (wanted 1.05; ", end="")
    print(f"the rows alone {epoch['rows'] * 1e3:.0f} ms)")
    table = run("neighbours")
    print(f"neighbours: {table['pairs']:,.0f} pairs counted, weighed and cut to 20 in {table['seconds']:.2f} s")
    split = run("windows")
    print(f"windows: {split['windows']:,.0f} prefixes of 20,000,000 events, {split['events']:,.0f} events ", end="")
    print(f"in {split['passed']:.1f} s (index {split['index']:.1f} s), {split['megabytes']:,.0f} MB above the input")


if __name__ == "__main__":
    main(sys.argv[1:])
