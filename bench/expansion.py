"""Measures speed, scaling with workers and peak memory of `leaven expand` on large logs.

    python -m bench.expansion --events 5000000,20000000 --workers 1,2 --rounds 3
    python -m bench.expansion --events 200000 --plans deep --rounds 2

A log of that many events (one item per 100 events, 15 events per user on average, long-tailed lengths and popularity)
is written as Parquet, and the command expands it five-fold with one of three plans: `five` masks and reorders, which is
cheap; `chain` samples a Markov chain; `deep` samples a transformer, which costs thirty times as much per row. A command
with N workers has N threads in its first process and one in each worker; the database that reads the log is not
limited. The numbers of workers alternate, `--rounds` times each. Figures are medians; the ratio compares the seconds of
the rows stage (fitting, sampling, writing) for the first number of workers with those for this one. Memory is the
maximum over all rounds of the command with its workers, each page counted once (proportional set size), sampled every
0.2 seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from leaven import rng
from leaven.engines.shard_tasks import ONE_THREAD

SPEC = """
name = "size"
[data]
interactions = "log.parquet"
columns = { user = "user", item = "item", time = "time" }
[split]
kind = "time"
[[variant]]
name = "five"
[[variant.step]]
use = "mask"
copies = { kind = "uniform", factor = 2.0 }
[[variant.step]]
use = "reorder"
copies = { kind = "uniform", factor = 2.0 }
[[variant]]
name = "chain"
[[variant.step]]
use = "markov"
copies = { kind = "uniform", factor = 4.0 }
[[variant]]
name = "deep"
[[variant.step]]
use = "autoregressive"
steps = 300
copies = { kind = "uniform", factor = 4.0 }
"""
PART = 1 << 21
"""Events per written batch."""


@dataclass(frozen=True)
class Measurement:
    """One run of the command. n_synthetic: synthetic events; data, rows: seconds of these stages."""

    events: int
    plan: str
    workers: int
    n_synthetic: int
    data: float
    rows: float
    wall: float
    peak_mb: float
    written_mb: float


def write_log(path: Path, events: int) -> None:
    """Write a log with long tails in random order, batch by batch."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.exists():
        return
    users, items = max(events // 15, 1), max(events // 100, 100)
    schema = pa.schema([(name, pa.int64()) for name in ("user", "item", "time")])
    part = path.with_name(path.name + ".part")
    with pq.ParquetWriter(part, schema, compression="zstd") as writer:
        for number, first in enumerate(range(0, events, PART)):
            rows, chance = min(PART, events - first), rng.make_generator(rng.derive_key(7, "log", number))
            user = (users * chance.random(rows) ** 1.7).astype(np.int64)
            item = (items * chance.random(rows) ** 3).astype(np.int64)
            time_ = 1_600_000_000 + chance.integers(0, 100_000_000, rows)
            writer.write_table(pa.table([user, item, time_], schema=schema))
    part.replace(path)


def measure_command(folder: Path, events: int, plan: str, workers: int) -> Measurement:
    """Run the command in a separate process."""
    out = folder / "out"
    command = [sys.executable, "-m", "leaven", "expand", str(folder / "spec.toml"), "--variant", plan, "--json"]
    start, peak = time.perf_counter(), 0.0
    process = subprocess.Popen(
        [*command, "--out", str(out), "--workers", str(workers)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | dict.fromkeys(ONE_THREAD, str(workers)),
    )
    try:
        while process.poll() is None:
            peak = max(peak, measure_memory_mb(process.pid))
            time.sleep(0.2)
    finally:
        process.kill()
    wall = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"leaven expand ended with {process.returncode}")
    stages = [json.loads((out / "stages" / f"{name}.json").read_text()) for name in ("data", f"rows-{plan}")]
    written = sum(path.stat().st_size for path in out.rglob("*.parquet")) / 2**20
    n_synthetic, seconds = count_synthetic_events(out), [float(one["seconds"]) for one in stages]
    shutil.rmtree(out)
    return Measurement(events, plan, workers, n_synthetic, seconds[0], seconds[1], wall, peak, written)


def count_synthetic_events(out: Path) -> int:
    """Return the number of events of all synthetic rows, from the metadata of the Parquet files."""
    import pyarrow.parquet as pq

    files = [path for path in out.glob("variants/*/expanded/*.parquet") if not path.name.startswith("00-")]
    total = 0
    for path in files:
        group = pq.read_metadata(path).row_group
        columns = (group(0).column(index) for index in range(group(0).num_columns))
        total += next(column.num_values for column in columns if column.path_in_schema.startswith("items"))
    return total


def measure_memory_mb(pid: int) -> float:
    """Return the memory of a process and its descendants in MB, each page counted once."""
    total = 0
    for process in [pid, *list_descendants(pid)]:
        try:
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
            total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        except (OSError, StopIteration):
            continue  # the process has ended
    return total / 1024


def list_descendants(pid: int) -> Sequence[int]:
    """Return the ids of all descendants of a process."""
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(word) for word in path.read_text().split()]
        except OSError:
            continue
        found += children + [process for child in children for process in list_descendants(child)]
    return found


def format_table(measurements: Sequence[Measurement]) -> str:
    """Return a Markdown table with one line per log, plan and number of workers."""
    lines = [
        "| events of the log | plan | workers | synthetic events | reading to split | rows | ratio "
        "| synthetic events per second | command, wall | peak memory | written |",
        "|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    alone: dict[tuple[int, str], float] = {}
    for (events, plan, workers), runs in group_runs(measurements).items():
        data, rows, wall = (median([getattr(run, name) for run in runs]) for name in ("data", "rows", "wall"))
        ratio = alone.setdefault((events, plan), rows) / rows
        lines.append(
            f"| {events:,} | {plan} | {workers} | {runs[0].n_synthetic:,} | {data:.1f} s | {rows:.1f} s | {ratio:.2f} "
            f"| {runs[0].n_synthetic / rows / 1e6:.2f} million | {wall:.0f} s "
            f"| {max(run.peak_mb for run in runs):,.0f} MB | {runs[0].written_mb:,.0f} MB |"
        )
    return "\n".join(lines)


def group_runs(measurements: Sequence[Measurement]) -> dict[tuple[int, str, int], list[Measurement]]:
    """Return the measurements by events, plan and workers."""
    groups: dict[tuple[int, str, int], list[Measurement]] = {}
    for one in measurements:
        groups.setdefault((one.events, one.plan, one.workers), []).append(one)
    return groups


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--events", default="1000000,5000000,20000000", help="sizes of the log, comma-separated")
    parser.add_argument("--plans", default="five,chain", help="plans, comma-separated")
    parser.add_argument("--workers", default="1,2", help="numbers of workers, comma-separated")
    parser.add_argument("--rounds", type=int, default=3, help="runs per number of workers")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    measurements = []
    for events in map(int, options.events.split(",")):
        with tempfile.TemporaryDirectory(prefix="leaven-expansion-") as scratch:
            folder = Path(scratch)
            (folder / "spec.toml").write_text(SPEC)
            write_log(folder / "log.parquet", events)
            for plan in options.plans.split(","):
                turns = [int(workers) for workers in options.workers.split(",")] * options.rounds
                measurements += [measure_command(folder, events, plan, workers) for workers in turns]
    print(format_table(measurements))


if __name__ == "__main__":
    main()
