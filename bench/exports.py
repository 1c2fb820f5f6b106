"""Measures seconds and peak memory of exports of a large log.

    python -m bench.exports --events 20000000 --targets rectools,recommenders,spark_als,merlin,huggingface

A log of that many events (15 per user on average, one item per 100 events) is built in memory as an Arrow table with
text ids; every target then runs in a process of its own. Memory is the peak of the whole process, source included.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from leaven.exports import ExportSource, build_source, export_source
from leaven.registry import create_config

COLUMNAR = "rectools,recommenders,spark_als,merlin,huggingface,implicit"


def build_log(n_events: int) -> ExportSource:
    """Histories of 15 events, with times, values and lineage columns."""
    random = np.random.default_rng(1)
    n_users, n_items = max(n_events // 15, 1), max(n_events // 100, 1)
    users = np.minimum(np.arange(n_events, dtype=np.int32) // 15, n_users - 1)
    position = np.arange(n_events) - np.searchsorted(users, users)
    names = {"user": (users, n_users), "item": (random.integers(0, n_items, n_events).astype(np.int32), n_items)}
    columns = {
        name: pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(np.arange(count)).cast(pa.string()))
        for name, (codes, count) in names.items()
    }
    seconds = 1_600_000_000 + position * 3600 + users
    columns["time"] = pa.array(seconds.astype(np.int64)).cast(pa.timestamp("s", "UTC")).cast(pa.timestamp("ns", "UTC"))
    columns["value"] = pa.array(random.integers(1, 6, n_events).astype(np.float64))
    columns["position"] = pa.array(position.astype(np.int32))
    columns["is_target"] = pa.array(position > 0)
    columns["weight"] = pa.array(np.ones(n_events, np.float32))
    return build_source(pa.table(columns))


def measure_target(target: str, n_events: int) -> dict[str, float]:
    """Seconds of the export, and peak memory of this process in MB."""
    source = build_log(n_events)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        export_source(source, create_config("exports", target), Path(folder) / "out")
        seconds = time.perf_counter() - start
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file()) / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": round(seconds, 1), "peak_mb": round(peak), "source_mb": round(before), "files_mb": round(size)}


def main(arguments: list[str] | None = None) -> None:
    """Print one line per target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000_000)
    parser.add_argument("--targets", default=COLUMNAR)
    parser.add_argument("--one", default="", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        print(json.dumps(measure_target(options.one, options.events)))
        return
    for target in options.targets.split(","):
        command = [sys.executable, "-m", "bench.exports", "--one", target, "--events", str(options.events)]
        done = subprocess.run(command, capture_output=True, text=True)
        print(f"{target:16} {done.stdout.strip() or done.stderr.strip().splitlines()[-1]}", flush=True)


if __name__ == "__main__":
    main()
