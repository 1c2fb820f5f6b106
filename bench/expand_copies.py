"""Rows per second of `leaven.expand` in memory: 40 crops of each history, one thread.

    python -m bench.expand_copies Beauty.txt    # one history a line: user, then items

Prints rows, processor seconds (the best of three), rows per second and a hash of the rows, which may never change.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import time
from pathlib import Path

os.environ.update(NUMBA_NUM_THREADS="1", OMP_NUM_THREADS="1")  # before NumPy is loaded

import numpy as np

import leaven
from leaven.datasets.histories import Histories
from leaven.strategies.copy_counts import Uniform
from leaven.transforms.sequence.crop import Crop

COPIES = 40


def load_histories(path: Path) -> Histories:
    """The histories of a text file, with times 0, 1, 2 …"""
    rows = [[int(item) for item in line.split()[1:]] for line in path.read_text(encoding="utf-8").splitlines()]
    return Histories.from_lists(rows, n_items=max(map(max, rows)))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    rows = load_histories(parser.parse_args().path)
    plan = leaven.Plan([leaven.Step(Crop(), copies=Uniform(COPIES))])
    leaven.expand(rows.slice(0, 100), plan, seed=7)  # compiles
    seconds = []
    for _ in range(3):
        begin = time.process_time()
        expanded = leaven.expand(rows, plan, seed=7)
        seconds.append(time.process_time() - begin)
    digest = hashlib.sha256()
    for column in (expanded.items, expanded.times, expanded.starts, expanded.row_ids, expanded.parents):
        digest.update(np.ascontiguousarray(column).tobytes())
    rate = (len(expanded) - len(rows)) / min(seconds)
    print(f"{len(expanded):,} rows, {min(seconds):.3f} s, {rate / 1e6:.2f} million rows/s, {digest.hexdigest()[:16]}")


if __name__ == "__main__":
    main()
