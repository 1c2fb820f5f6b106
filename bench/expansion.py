"""How fast is `leaven expand` at size, and how much memory does it take?

    python -m bench.expansion --events 1000000,20000000 --workers 1,2

A log of that many events (one per cent as many items, 15 events a user in the mean, lengths and popularity with long
tails) is written as Parquet, and the command expands it five-fold, from the file to the last row. Memory is that of the
command and its workers together, each page counted once (the kernel's proportional set size), looked at every 0.2
seconds. Events a second are made ones: by the wall, and by the processor where other work runs beside.
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

import numpy as np

from leaven import seeds

SPEC = """
name = "size"
[data]
interactions = "log.parquet"
columns = { user = "user", item = "item", time = "time" }
[split]
kind = "time"
[[arm]]
name = "five"
[[arm.step]]
use = "mask"
copies = { kind = "uniform", factor = 2.0 }
[[arm.step]]
use = "reorder"
copies = { kind = "uniform", factor = 2.0 }
"""
PART = 1 << 21
"""Events that are drawn and written at a time."""


@dataclass(frozen=True)
class Measured:
    """One run of the command. data, rows: seconds of its stages; processor: seconds of all its processes."""

    events: int
    workers: int
    made: int
    data: float
    rows: float
    wall: float
    processor: float
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
            rows, chance = min(PART, events - first), seeds.generator(seeds.key(7, "log", number))
            who = (users * chance.random(rows) ** 1.7).astype(np.int64)
            what = (items * chance.random(rows) ** 3).astype(np.int64)
            when = 1_600_000_000 + chance.integers(0, 100_000_000, rows)
            writer.write_table(pa.table([who, what, when], schema=schema))
    part.replace(path)


def measure(folder: Path, events: int, workers: int) -> Measured:
    """Run the command in a process of its own; where it was cut off it goes on, and the wall begins anew."""
    out = folder / f"out-{workers}"
    command = [sys.executable, "-m", "leaven", "expand", str(folder / "spec.toml"), "--arm", "five", "--json"]
    before, begun = os.times(), time.perf_counter()
    process = subprocess.Popen(
        [*command, "--out", str(out), "--workers", str(workers), "--resume"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    peak = 0.0
    try:
        while process.poll() is None:
            peak = max(peak, held_mb(process.pid))
            time.sleep(0.2)
    finally:
        process.kill()
        (folder / "peak").write_text(f"{max(peak, float((folder / 'peak').read_text() or 0)):.1f}")
    peak = float((folder / "peak").read_text())
    wall, after = time.perf_counter() - begun, os.times()
    if process.returncode or process.stdout is None:
        raise SystemExit(f"leaven expand ended with {process.returncode}")
    seconds = [json.loads((out / "stages" / f"{name}.json").read_text())["seconds"] for name in ("data", "rows-five")]
    made = events_of(out)
    processor = after.children_user + after.children_system - before.children_user - before.children_system
    written = sum(path.stat().st_size for path in out.rglob("*.parquet")) / 2**20
    shutil.rmtree(out)
    (folder / "peak").write_text("0")
    return Measured(events, workers, made, *seconds, wall, processor, peak, written)


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
    """Markdown."""
    lines = [
        "| events of the log | workers | made events | reading to split | rows | made events a second (processor) "
        "| command, wall (processor) | peak memory | written |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for one in found:
        share = one.processor * one.rows / max(one.data + one.rows, 1e-9)
        speed = f"{one.made / max(one.rows, 1e-9) / 1e6:.2f} million ({one.made / max(share, 1e-9) / 1e6:.2f})"
        lines.append(
            f"| {one.events:,} | {one.workers} | {one.made:,} | {one.data:.0f} s | {one.rows:.0f} s | {speed} "
            f"| {one.wall:.0f} s ({one.processor:.0f} s) | {one.peak_mb:,.0f} MB | {one.written_mb:,.0f} MB |"
        )
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--events", default="1000000,5000000,20000000", help="sizes of the log, with commas between")
    parser.add_argument("--folder", help="where log and rows lie, so that a command that was cut off goes on")
    parser.add_argument("--workers", default="1,2", help="numbers of workers, with commas between")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    found = []
    for events in map(int, asked.events.split(",")):
        with tempfile.TemporaryDirectory(prefix="leaven-expansion-") as scratch:
            folder = Path(asked.folder or scratch) / str(events)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "spec.toml").write_text(SPEC)
            if not (folder / "peak").exists():
                (folder / "peak").write_text("0")
            write_log(folder / "log.parquet", events)
            found += [measure(folder, events, int(workers)) for workers in asked.workers.split(",")]
    print(table(found))


if __name__ == "__main__":
    main()
