"""Measures seconds and peak memory of labeled rows with features from a large log.

    python -m bench.features [--events 20000000] [--positives 100000]

The input is a simulated Parquet log with long tails (20 events per user, 200 per item), prices and a catalog of 400
categories. One process reads it, samples positives and negatives of three splits by time, computes the features of
every row as of its time and writes the splits, with the database limited to --memory. A second process reads a wide
table of 5,000 sparse columns, hashed into 64; a third trains the MLP for one epoch on rows in files.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.reading import measure_peak_mb
from leaven import rng

CATEGORIES, SPARSE, BLOCK = 400, 5_000, 1 << 20
COLUMNS = {"user": "user", "item": "item", "time": "time", "price": "price", "quantity": "quantity"}


def write_log(folder: Path, events: int) -> None:
    """Write events.parquet and items.parquet."""
    draw = rng.make_generator(rng.derive_key(7, "bench", "features"))
    users, items = max(events // 20, 1), max(events // 200, 1)
    schema = pa.schema([("user", pa.string()), ("item", pa.string()), ("time", pa.int64()), ("price", pa.float64()),
                        ("quantity", pa.int32())])  # fmt: skip
    words = [pa.array([f"{letter}{code:07d}" for code in range(n)]) for letter, n in (("u", users), ("i", items))]
    price = np.round(np.exp(draw.normal(2.0, 1.0, items)), 2)
    category = [f"c{one:03d}" for one in draw.integers(0, CATEGORIES, items)]
    pq.write_table(pa.table({"item": words[1], "category": category, "price": price}), folder / "items.parquet")
    with pq.ParquetWriter(folder / "events.parquet", schema) as writer:
        for first in range(0, events, BLOCK):
            count = min(BLOCK, events - first)
            user, item = ((n * draw.random(count) ** 3).astype(np.int32) for n in (users, items))
            times = 1_300_000_000 + draw.integers(0, 60_000_000, count)
            cells = [words[0].take(pa.array(user)), words[1].take(pa.array(item)), times]
            cells += [np.round(price[item] * draw.uniform(0.8, 1.1, count), 2), draw.integers(1, 4, count).astype("i4")]
            writer.write_table(pa.table([pa.array(one) for one in cells], schema=schema))


def build_features(folder: Path, positives: int, memory: str) -> dict[str, Any]:
    """Write labeled rows of three splits to files."""
    from leaven.ctr_features import SamplingConfig, sample_by_time
    from leaven.ingest import CatalogSource, read_events
    from leaven.ingest.source_loading import open_database

    start = time.perf_counter()
    source = CatalogSource(
        str(folder / "items.parquet"), columns={"item": "item", "category": "category", "price": "price"}
    )
    events = read_events(str(folder / "events.parquet"), COLUMNS, source, connection=open_database(memory))
    read_seconds = time.perf_counter() - start
    parts = sample_by_time(events, SamplingConfig(max_positives=positives), key=7)
    for name, rows in zip(("train", "valid", "test"), parts, strict=True):
        rows.write_file(folder / f"{name}.parquet")
    columns = len(parts[0].numeric) + len(parts[0].categorical)
    return {"what": f"{columns} features of {sum(map(len, parts)):,} rows ({read_seconds:.0f} s of it to read)"}


def hash_columns(folder: Path, rows: int) -> dict[str, Any]:
    """Read a table of 5,000 sparse columns into 64 numeric columns."""
    from leaven.ctr_features import LabeledTable, read_labeled_table

    found = read_labeled_table(LabeledTable(str(folder / "wide.parquet"), "label", hashed=("f*",), buckets=64))
    return {"what": f"{len(found):,} rows of {SPARSE:,} sparse columns, hashed into {len(found.numeric)}"}


def write_wide(folder: Path, rows: int) -> None:
    """Write wide.parquet with 1 % nonzero cells."""
    draw, block = rng.make_generator(rng.derive_key(7, "bench", "wide")), 5_000
    schema = pa.schema([("label", pa.int8()), *((f"f{index:04d}", pa.float32()) for index in range(SPARSE))])
    with pq.ParquetWriter(folder / "wide.parquet", schema, compression="zstd") as writer:
        for first in range(0, rows, block):
            count = min(block, rows - first)
            cells = [pa.array(draw.integers(0, 2, count).astype(np.int8))]
            for _ in range(SPARSE):
                column = np.where(draw.random(count) < 0.01, draw.random(count), 0.0).astype(np.float32)
                cells.append(pa.array(column))
            writer.write_table(pa.table(cells, schema=schema))


def train_mlp(folder: Path, epochs: float) -> dict[str, Any]:
    """Train the MLP on training rows in a file."""
    from leaven.ctr_models.neural import Mlp
    from leaven.datasets.sample_files import SampleFiles
    from leaven.protocols import TrainingContext

    files = SampleFiles.from_paths(folder / "train.parquet")
    model = Mlp(hidden=(64, 32), batch_size=1024, epochs=epochs).fit(files, TrainingContext(key=7))
    return {"what": f"MLP, {model.facts['steps']:,} steps on {len(files):,} rows in files"}


def main(arguments: list[str] | None = None) -> None:
    """Print one line per job; each job runs in a separate process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000_000)
    parser.add_argument("--positives", type=int, default=100_000, help="positives per split")
    parser.add_argument("--memory", default="2GB", help="memory limit of the database")
    parser.add_argument("--wide", type=int, default=20_000, help="rows of the table of sparse columns")
    parser.add_argument("--job", default="", help=argparse.SUPPRESS)
    parser.add_argument("--folder", default="", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    jobs: dict[str, Callable[[Path], dict[str, Any]]] = {
        "features": lambda folder: build_features(folder, options.positives, options.memory),
        "hash": lambda folder: hash_columns(folder, options.wide),
        "train": lambda folder: train_mlp(folder, 1.0),
    }
    if options.job:
        wall_start, cpu_start = time.perf_counter(), time.process_time()
        result = jobs[options.job](Path(options.folder))
        seconds = {"seconds": time.perf_counter() - wall_start, "processor": time.process_time() - cpu_start}
        print(json.dumps(result | seconds | {"peak": measure_peak_mb()}))
        return
    with tempfile.TemporaryDirectory(prefix="leaven-bench-") as name:
        write_log(Path(name), options.events)
        write_wide(Path(name), options.wide)
        print(f"{options.events:,} events; memory limit of the database {options.memory}.\n")
        print("| job | seconds (CPU) | peak memory, MB |\n|---|---|---|")
        for job in jobs:
            command = [sys.executable, "-m", "bench.features", "--job", job, "--folder", name, *repeat_options(options)]
            result = json.loads(subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout)
            print(
                f"| {result['what']} | {result['seconds']:.0f} ({result['processor']:.0f}) | {result['peak']:,.0f} |",
                flush=True,
            )


def repeat_options(options: argparse.Namespace) -> list[str]:
    """Return the command line options that a job's process needs."""
    return ["--positives", str(options.positives), "--memory", options.memory, "--wide", str(options.wide)]


if __name__ == "__main__":
    main()
