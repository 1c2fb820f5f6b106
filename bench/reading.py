"""Measures reading, cleaning and sorting of an event log, next to pandas and Polars with the same result.

    python -m bench.reading --events 2000000

Each variant runs in a separate process on the same Parquet log with text ids. It removes duplicate lines, then users
and items with fewer than 5 events until nothing changes (5-core), and returns dense ids in the order of the original
ids, one row per user in time order, and the row boundaries. All variants must return the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from leaven import rng

EVENTS = 20_000_000
MIN_EVENTS = 5
"""Minimum events of each user and item."""
VARIANTS = ("leaven", "polars", "pandas", "pandas-objects")
Arrays = tuple[npt.NDArray[np.int32], npt.NDArray[np.int64], npt.NDArray[np.int64]]


def write_log(path: Path, events: int) -> None:
    """Write a shuffled log with long tails: on average 20 events per user and 40 per item, 1 % duplicate lines."""
    draw = rng.make_generator(rng.derive_key(7, "bench", "reading"))
    users, items = max(events // 20, 1), max(events // 40, 1)
    names = {"user_id": ("u", users), "item_id": ("i", items)}
    schema = pa.schema([("user_id", pa.string()), ("item_id", pa.string()), ("timestamp", pa.int64())])
    words = {name: pa.array([f"{letter}{code:07d}" for code in range(n)]) for name, (letter, n) in names.items()}
    with pq.ParquetWriter(path, schema) as writer:
        for first in range(0, events, 1 << 20):
            count = min(1 << 20, events - first)
            columns: dict[str, object] = {}
            source = draw.permutation(count)
            source[: count // 100] = source[-(count // 100) - 1 :][: count // 100]
            for name, (_, known) in names.items():
                codes = (known * draw.random(count) ** 3).astype(np.int32)
                columns[name] = words[name].take(pa.array(codes[source]))
            columns["timestamp"] = (1_300_000_000 + draw.integers(0, 100_000_000, count))[source]
            writer.write_table(pa.table(columns, schema=schema))


def read_with_leaven(path: str) -> Arrays:
    """Return items, times and row starts by leaven."""
    from leaven.cleaning import CleaningConfig, clean_events
    from leaven.ingest import build_histories, read_events

    config = CleaningConfig(min_user_events=MIN_EVENTS, min_item_events=MIN_EVENTS, bot_seconds_per_hour=0)
    cleaned = clean_events(read_events(path), config)
    histories = build_histories(cleaned.events).histories
    return histories.items, histories.times, histories.starts


def read_with_polars(path: str) -> Arrays:
    """Return items, times and row starts by Polars."""
    import polars as pl

    log = pl.scan_parquet(path, row_index_name="line")
    for name in ("user_id", "item_id"):
        known = log.select(pl.col(name).unique().sort()).collect()[name]
        codes = pl.LazyFrame({name: known, f"{name}_code": np.arange(len(known), dtype=np.int32)})
        log = log.join(codes, on=name, how="left").drop(name)
    names = ["user_id_code", "item_id_code"]
    table = log.group_by(*names, "timestamp").agg(pl.col("line").min()).collect()
    count = -1
    while count != len(table):
        count = len(table)
        for name in names:
            enough = table.group_by(name).len().filter(pl.col("len") >= MIN_EVENTS)
            table = table.join(enough, on=name, how="semi")
    table = table.with_columns((pl.col(name).rank("dense") - 1).cast(pl.Int32) for name in names)
    done = table.sort("user_id_code", "timestamp", "line")
    starts = np.concatenate([[0], np.cumsum(np.bincount(done["user_id_code"].to_numpy()))])
    return done["item_id_code"].to_numpy() + 1, done["timestamp"].to_numpy(), starts


def read_with_pandas(path: str) -> Arrays:
    """Return items, times and row starts by pandas."""
    import pandas as pd

    log = pd.read_parquet(path)
    codes = {name: pd.factorize(log[name], sort=True)[0] for name in ("user_id", "item_id")}
    table = pd.DataFrame({"user": codes["user_id"], "item": codes["item_id"], "time": log["timestamp"]})
    del log
    table = table.drop_duplicates()
    count = -1
    while count != len(table):
        count = len(table)
        for name in ("user", "item"):
            table = table[table.groupby(name)[name].transform("size") >= MIN_EVENTS]
    table = table.sort_values(["user", "time"], kind="stable")
    user, item = (pd.factorize(table[name], sort=True)[0] for name in ("user", "item"))
    starts = np.concatenate([[0], np.cumsum(np.bincount(user))])
    return (item + 1).astype(np.int32), table["time"].to_numpy(), starts


def read_with_pandas_objects(path: str) -> Arrays:
    """Return items, times and row starts by pandas with texts as Python objects, the default up to version 2."""
    import pandas as pd

    with pd.option_context("future.infer_string", False):
        return read_with_pandas(path)


def measure_peak_mb() -> float:
    """Return the peak memory of this process in MB."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure_variant(variant: str, path: str) -> dict[str, object]:
    """Return seconds without library imports, peak memory, and the digest of the result."""
    jobs = {
        "leaven": read_with_leaven,
        "polars": read_with_polars,
        "pandas": read_with_pandas,
        "pandas-objects": read_with_pandas_objects,
    }
    job = jobs[variant]
    for library in {"leaven": ("duckdb", "numba")}.get(variant, (variant.partition("-")[0],)):
        __import__(library)
    start, cpu_start = time.perf_counter(), time.process_time()
    arrays = job(path)
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    peak = measure_peak_mb()
    kinds = (np.int32, np.int64, np.int64)
    parts = [np.ascontiguousarray(array, kind) for array, kind in zip(arrays, kinds, strict=True)]
    digest = hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()[:16]
    return {"variant": variant, "seconds": seconds, "cpu_seconds": cpu_seconds, "megabytes": peak, "digest": digest}


def run_variants(path: Path, variants: tuple[str, ...]) -> list[dict[str, object]]:
    """Return the results of all variants, each run in a separate process."""
    found = []
    for variant in variants:
        call = [sys.executable, "-m", "bench.reading", "--variant", variant, "--path", str(path)]
        done = subprocess.run(call, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{variant}: exit {done.returncode}\n{done.stderr[-2000:]}")
        found.append(json.loads(done.stdout))
    return found


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=VARIANTS)
    parser.add_argument("--variant", choices=VARIANTS)
    parser.add_argument("--path")
    options = parser.parse_args(arguments)
    if options.variant:
        print(json.dumps(measure_variant(options.variant, options.path)))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.parquet"
        write_log(path, options.events)
        print(
            f"Reading, cleaning and sorting {options.events:,} events from Parquet ({path.stat().st_size / 1e6:.0f} MB)"
        )
        found = run_variants(path, tuple(options.variants))
    print(f"{'':14} {'seconds':>8} {'x leaven':>9} {'cpu s':>8} {'peak MB':>8}  bytes")
    for row in found:
        share = float(str(row["seconds"])) / float(str(found[0]["seconds"]))
        used = f"{row['cpu_seconds']:8.1f} {row['megabytes']:8.0f}"
        print(f"{row['variant']:14} {row['seconds']:8.1f} {share:9.2f} {used}  {row['digest']}")


if __name__ == "__main__":
    main()
