"""How fast is `leaven expand` at size, how much do more workers win, and how much memory does it take?

    python -m bench.expansion --events 5000000,20000000 --workers 1,2 --rounds 3
    python -m bench.expansion --events 200000 --plans deep --rounds 2

A log of that many events (one per cent as many items, 15 events a user in the mean, lengths and popularity with long
tails) is written as Parquet, and the command expands it, from the file to the last row, to five-fold by one of three
plans: `five`, whose rows cost little, masks and reorders; `chain` draws rows from a Markov chain; `deep` has a
transformer write them, so that a row costs thirty times as much. A command with N workers has N threads for what its
first process does alone, and each worker one; the database that reads the log is not bound. The numbers of workers take
turns, `--rounds` times each; figures are medians, and the ratio is that of the seconds of the rows' stage (learning,
making, writing) with the first number of workers to those with this one. Memory is the highest of all rounds, that of
the command and its workers together, each page counted once (the kernel's proportional set size), looked at every 0.2
seconds.
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
"""Events that are drawn and written at a time."""


@dataclass(frozen=True)
class Measured:
    """One run of the command. data, rows: seconds of its stages."""

    events: int
    plan: str
    workers: int
    made: int
    data: float
    rows: float
    wall: float
    peak_mb: float
    written_mb: float


def write_log(path: Path, events: int) -> None:
    """A log with long tails, in no order of users, written part by part."""
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
            who = (users * chance.random(rows) ** 1.7).astype(np.int64)
            what = (items * chance.random(rows) ** 3).astype(np.int64)
            when = 1_600_000_000 + chance.integers(0, 100_000_000, rows)
            writer.write_table(pa.table([who, what, when], schema=schema))
    part.replace(path)


def measure(folder: Path, events: int, plan: str, workers: int) -> Measured:
    """Run the command in a process of its own."""
    out = folder / "out"
    command = [sys.executable, "-m", "leaven", "expand", str(folder / "spec.toml"), "--variant", plan, "--json"]
    begun, peak = time.perf_counter(), 0.0
    process = subprocess.Popen(
        [*command, "--out", str(out), "--workers", str(workers)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | dict.fromkeys(ONE_THREAD, str(workers)),
    )
    try:
        while process.poll() is None:
            peak = max(peak, held_mb(process.pid))
            time.sleep(0.2)
    finally:
        process.kill()
    wall = time.perf_counter() - begun
    if process.returncode:
        raise SystemExit(f"leaven expand ended with {process.returncode}")
    stages = [json.loads((out / "stages" / f"{name}.json").read_text()) for name in ("data", f"rows-{plan}")]
    written = sum(path.stat().st_size for path in out.rglob("*.parquet")) / 2**20
    made, seconds = events_of(out), [float(one["seconds"]) for one in stages]
    shutil.rmtree(out)
    return Measured(events, plan, workers, made, seconds[0], seconds[1], wall, peak, written)


def events_of(out: Path) -> int:
    """Events of all made rows, from the files' own notes on their columns."""
    import pyarrow.parquet as pq

    files = [path for path in out.glob("arms/*/expanded/*.parquet") if not path.name.startswith("00-")]
    found = 0
    for path in files:
        group = pq.read_metadata(path).row_group
        columns = (group(0).column(place) for place in range(group(0).num_columns))
        found += next(one.num_values for one in columns if one.path_in_schema.startswith("items"))
    return found


def held_mb(pid: int) -> float:
    """Memory of a process and of all that it began, each page counted once."""
    found = 0
    for one in [pid, *_below(pid)]:
        try:
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
            found += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        except (OSError, StopIteration):
            continue  # it has ended since
    return found / 1024


def _below(pid: int) -> Sequence[int]:
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            mine = [int(one) for one in path.read_text().split()]
        except OSError:
            continue
        found += mine + [one for child in mine for one in _below(child)]
    return found


def table(found: Sequence[Measured]) -> str:
    """Markdown: one line for each log, plan and number of workers."""
    lines = [
        "| events of the log | plan | workers | made events | reading to split | rows | ratio "
        "| made events a second | command, wall | peak memory | written |",
        "|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    alone: dict[tuple[int, str], float] = {}
    for (events, plan, workers), mine in _grouped(found).items():
        data, rows, wall = (median([getattr(one, name) for one in mine]) for name in ("data", "rows", "wall"))
        ratio = alone.setdefault((events, plan), rows) / rows
        lines.append(
            f"| {events:,} | {plan} | {workers} | {mine[0].made:,} | {data:.1f} s | {rows:.1f} s | {ratio:.2f} "
            f"| {mine[0].made / rows / 1e6:.2f} million | {wall:.0f} s "
            f"| {max(one.peak_mb for one in mine):,.0f} MB | {mine[0].written_mb:,.0f} MB |"
        )
    return "\n".join(lines)


def _grouped(found: Sequence[Measured]) -> dict[tuple[int, str, int], list[Measured]]:
    groups: dict[tuple[int, str, int], list[Measured]] = {}
    for one in found:
        groups.setdefault((one.events, one.plan, one.workers), []).append(one)
    return groups


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--events", default="1000000,5000000,20000000", help="sizes of the log, with commas between")
    parser.add_argument("--plans", default="five,chain", help="plans, with commas between")
    parser.add_argument("--workers", default="1,2", help="numbers of workers, with commas between")
    parser.add_argument("--rounds", type=int, default=3, help="how often each number of workers has its turn")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    found = []
    for events in map(int, asked.events.split(",")):
        with tempfile.TemporaryDirectory(prefix="leaven-expansion-") as scratch:
            folder = Path(scratch)
            (folder / "spec.toml").write_text(SPEC)
            write_log(folder / "log.parquet", events)
            for plan in asked.plans.split(","):
                turns = [int(workers) for workers in asked.workers.split(",")] * asked.rounds
                found += [measure(folder, events, plan, workers) for workers in turns]
    print(table(found))


if __name__ == "__main__":
    main()
