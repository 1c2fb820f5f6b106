"""How long do labelled rows and their features take from a large log, and how much memory?

    python -m bench.features [--events 20000000] [--positives 100000]

A made log with long tails (20 events a user, 200 an item), with prices and a catalogue of 400 categories, lies in
Parquet. A process of its own reads it, draws positives and negatives of three parts by time, describes every row as of
its moment and writes the parts; the database may hold --memory. Another reads a wide table of 5,000 sparse columns,
hashed into 64; in a third the MLP learns one epoch from rows that stay in files.
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

from bench.reading import peak_megabytes
from leaven import rng

CATEGORIES, SPARSE, BLOCK = 400, 5_000, 1 << 20
COLUMNS = {"user": "user", "item": "item", "time": "time", "price": "price", "quantity": "quantity"}


def write_log(folder: Path, events: int) -> None:
    """events.parquet and items.parquet."""
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
            when = 1_300_000_000 + draw.integers(0, 60_000_000, count)
            cells = [words[0].take(pa.array(user)), words[1].take(pa.array(item)), when]
            cells += [np.round(price[item] * draw.uniform(0.8, 1.1, count), 2), draw.integers(1, 4, count).astype("i4")]
            writer.write_table(pa.table([pa.array(one) for one in cells], schema=schema))


def described(folder: Path, positives: int, memory: str) -> dict[str, Any]:
    """Labelled rows of three parts, written to files."""
    from leaven.ctr_features import SamplingConfig, sample_by_time
    from leaven.ingest import CatalogSource, read_events
    from leaven.ingest.reader import open_database

    began = time.perf_counter()
    source = CatalogSource(
        str(folder / "items.parquet"), columns={"item": "item", "category": "category", "price": "price"}
    )
    events = read_events(str(folder / "events.parquet"), COLUMNS, source, connection=open_database(memory))
    read_in = time.perf_counter() - began
    parts = sample_by_time(events, SamplingConfig(max_positives=positives), key=7)
    for name, rows in zip(("train", "valid", "test"), parts, strict=True):
        rows.to_parquet(folder / f"{name}.parquet")
    columns = len(parts[0].numeric) + len(parts[0].categorical)
    return {"what": f"{columns} features of {sum(map(len, parts)):,} rows ({read_in:.0f} s of it to read)"}


def hashed(folder: Path, rows: int) -> dict[str, Any]:
    """A ready table of 5,000 sparse columns, read into 64 numbers."""
    from leaven.ctr_features import LabeledTable, read_labeled_table

    found = read_labeled_table(LabeledTable(str(folder / "wide.parquet"), "label", hashed=("f*",), buckets=64))
    return {"what": f"{len(found):,} rows of {SPARSE:,} sparse columns, hashed into {len(found.numeric)}"}


def write_wide(folder: Path, rows: int) -> None:
    """wide.parquet: a hundredth of the cells is filled."""
    draw, block = rng.make_generator(rng.derive_key(7, "bench", "wide")), 5_000
    schema = pa.schema([("label", pa.int8()), *((f"f{place:04d}", pa.float32()) for place in range(SPARSE))])
    with pq.ParquetWriter(folder / "wide.parquet", schema, compression="zstd") as writer:
        for first in range(0, rows, block):
            count = min(block, rows - first)
            cells = [pa.array(draw.integers(0, 2, count).astype(np.int8))]
            for _ in range(SPARSE):
                column = np.where(draw.random(count) < 0.01, draw.random(count), 0.0).astype(np.float32)
                cells.append(pa.array(column))
            writer.write_table(pa.table(cells, schema=schema))


def trained(folder: Path, epochs: float) -> dict[str, Any]:
    """The MLP on the training rows, which stay in their file."""
    from leaven.ctr_models.neural import Mlp
    from leaven.datasets.sample_files import SampleFiles
    from leaven.protocols import TrainingContext

    files = SampleFiles.from_paths(folder / "train.parquet")
    model = Mlp(hidden=(64, 32), batch_size=1024, epochs=epochs).fit(files, TrainingContext(key=7))
    return {"what": f"MLP, {model.facts['steps']:,} steps on {len(files):,} rows in files"}


def main(arguments: list[str] | None = None) -> None:
    """A line a job, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000_000)
    parser.add_argument("--positives", type=int, default=100_000, help="of each part")
    parser.add_argument("--memory", default="2GB", help="of the database")
    parser.add_argument("--wide", type=int, default=20_000, help="rows of the table of sparse columns")
    parser.add_argument("--job", default="", help=argparse.SUPPRESS)
    parser.add_argument("--folder", default="", help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    jobs: dict[str, Callable[[Path], dict[str, Any]]] = {
        "described": lambda folder: described(folder, asked.positives, asked.memory),
        "hashed": lambda folder: hashed(folder, asked.wide),
        "trained": lambda folder: trained(folder, 1.0),
    }
    if asked.job:
        began, spent = time.perf_counter(), time.process_time()
        said = jobs[asked.job](Path(asked.folder))
        took = {"seconds": time.perf_counter() - began, "processor": time.process_time() - spent}
        print(json.dumps(said | took | {"peak": peak_megabytes()}))
        return
    with tempfile.TemporaryDirectory(prefix="leaven-bench-") as name:
        write_log(Path(name), asked.events)
        write_wide(Path(name), asked.wide)
        print(f"{asked.events:,} events; the database may hold {asked.memory}.\n")
        print("| what | seconds (processor) | peak memory, MB |\n|---|---|---|")
        for job in jobs:
            command = [sys.executable, "-m", "bench.features", "--job", job, "--folder", name, *_same(asked)]
            told = json.loads(subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout)
            print(
                f"| {told['what']} | {told['seconds']:.0f} ({told['processor']:.0f}) | {told['peak']:,.0f} |",
                flush=True,
            )


def _same(asked: argparse.Namespace) -> list[str]:
    return ["--positives", str(asked.positives), "--memory", asked.memory, "--wide", str(asked.wide)]


if __name__ == "__main__":
    main()
