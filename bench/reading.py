"""How long do reading, cleaning and ordering take, beside pandas and Polars doing the same job?

    python -m bench.reading --events 2000000

Each arm runs in a process of its own on the same Parquet log: text ids in, equal lines kept once, users and items
with fewer than 5 events taken away until nothing changes; out come dense ids (by the sorted original ids), one row
a user in time order, and the bounds of the rows. All arms must give the same bytes.
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
LEAST = 5
"""Events of each user and of each item that stay."""
ARMS = ("leaven", "polars", "pandas", "pandas-objects")
Arrays = tuple[npt.NDArray[np.int32], npt.NDArray[np.int64], npt.NDArray[np.int64]]


def write_log(path: Path, events: int) -> None:
    """A shuffled log with long tails: 20 events a user and 40 an item in the mean, every hundredth line twice."""
    draw = rng.make_generator(rng.derive_key(7, "bench", "reading"))
    users, items = max(events // 20, 1), max(events // 40, 1)
    names = {"user_id": ("u", users), "item_id": ("i", items)}
    schema = pa.schema([("user_id", pa.string()), ("item_id", pa.string()), ("timestamp", pa.int64())])
    words = {name: pa.array([f"{letter}{code:07d}" for code in range(n)]) for name, (letter, n) in names.items()}
    with pq.ParquetWriter(path, schema) as writer:
        for first in range(0, events, 1 << 20):
            count = min(1 << 20, events - first)
            columns: dict[str, object] = {}
            again = draw.permutation(count)
            again[: count // 100] = again[-(count // 100) - 1 :][: count // 100]
            for name, (_, known) in names.items():
                codes = (known * draw.random(count) ** 3).astype(np.int32)
                columns[name] = words[name].take(pa.array(codes[again]))
            columns["timestamp"] = (1_300_000_000 + draw.integers(0, 100_000_000, count))[again]
            writer.write_table(pa.table(columns, schema=schema))


def by_leaven(path: str) -> Arrays:
    from leaven.cleaning import CleaningConfig, clean_events
    from leaven.ingest import build_histories, read_events

    wish = CleaningConfig(min_user_events=LEAST, min_item_events=LEAST, bot_seconds_per_hour=0)
    cleaned = clean_events(read_events(path), wish)
    histories = build_histories(cleaned.events).histories
    return histories.items, histories.times, histories.starts


def by_polars(path: str) -> Arrays:
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
            enough = table.group_by(name).len().filter(pl.col("len") >= LEAST)
            table = table.join(enough, on=name, how="semi")
    table = table.with_columns((pl.col(name).rank("dense") - 1).cast(pl.Int32) for name in names)
    done = table.sort("user_id_code", "timestamp", "line")
    starts = np.concatenate([[0], np.cumsum(np.bincount(done["user_id_code"].to_numpy()))])
    return done["item_id_code"].to_numpy() + 1, done["timestamp"].to_numpy(), starts


def by_pandas(path: str) -> Arrays:
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
            table = table[table.groupby(name)[name].transform("size") >= LEAST]
    table = table.sort_values(["user", "time"], kind="stable")
    user, item = (pd.factorize(table[name], sort=True)[0] for name in ("user", "item"))
    starts = np.concatenate([[0], np.cumsum(np.bincount(user))])
    return (item + 1).astype(np.int32), table["time"].to_numpy(), starts


def by_pandas_with_objects(path: str) -> Arrays:
    """As pandas did it by default up to its version 2: texts are Python objects."""
    import pandas as pd

    with pd.option_context("future.infer_string", False):
        return by_pandas(path)


def peak_megabytes() -> float:
    """The most memory that this process held, from the kernel."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run_arm(arm: str, path: str) -> dict[str, object]:
    """Seconds without the import of libraries, peak memory, and the digest of what came out."""
    jobs = {"leaven": by_leaven, "polars": by_polars, "pandas": by_pandas, "pandas-objects": by_pandas_with_objects}
    job = jobs[arm]
    for library in {"leaven": ("duckdb", "numba")}.get(arm, (arm.partition("-")[0],)):
        __import__(library)
    began, busy = time.perf_counter(), time.process_time()
    arrays = job(path)
    seconds, busy = time.perf_counter() - began, time.process_time() - busy
    peak = peak_megabytes()
    kinds = (np.int32, np.int64, np.int64)
    parts = [np.ascontiguousarray(array, kind) for array, kind in zip(arrays, kinds, strict=True)]
    digest = hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()[:16]
    return {"arm": arm, "seconds": seconds, "cpu_seconds": busy, "megabytes": peak, "digest": digest}


def compare(path: Path, arms: tuple[str, ...]) -> list[dict[str, object]]:
    """One process an arm, one after the other."""
    found = []
    for arm in arms:
        call = [sys.executable, "-m", "bench.reading", "--arm", arm, "--path", str(path)]
        done = subprocess.run(call, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{arm}: exit {done.returncode}\n{done.stderr[-2000:]}")
        found.append(json.loads(done.stdout))
    return found


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=ARMS)
    parser.add_argument("--arm", choices=ARMS)
    parser.add_argument("--path")
    wish = parser.parse_args(arguments)
    if wish.arm:
        print(json.dumps(run_arm(wish.arm, wish.path)))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.parquet"
        write_log(path, wish.events)
        print(
            f"Reading, cleaning and ordering {wish.events:,} events from Parquet ({path.stat().st_size / 1e6:.0f} MB)"
        )
        found = compare(path, tuple(wish.arms))
    print(f"{'':14} {'seconds':>8} {'x leaven':>9} {'cpu s':>8} {'peak MB':>8}  bytes")
    for row in found:
        share = float(str(row["seconds"])) / float(str(found[0]["seconds"]))
        used = f"{row['cpu_seconds']:8.1f} {row['megabytes']:8.0f}"
        print(f"{row['arm']:14} {row['seconds']:8.1f} {share:9.2f} {used}  {row['digest']}")


if __name__ == "__main__":
    main()
