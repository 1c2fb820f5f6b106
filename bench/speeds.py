"""How many rows a second does each operator change?

    python -m bench.speeds

Amazon Beauty through LEAVEN_DATA, its histories repeated to 200,000 rows with their times, titles and categories; every
operator with its default fields, on one thread. What it learns is learned before; seconds are the processor's, the best
of three turns after one that compiles. `make docs` puts the figures into docs/operators.md.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from numba import config

from bench.operators import repeated
from leaven import registry
from leaven.datasets.histories import Histories
from leaven.ingest import CatalogSource, build_histories, read_catalog, read_events
from leaven.ingest.source_config import LogSource

FOLDER = Path(os.environ.get("LEAVEN_DATA", "../shared/data")) / "beauty"
ROWS, TURNS = 200_000, 3
FIELDS = {"cold_items": {"cold_events": 6}}  # of operators that do nothing by default on these rows
COLUMNS = {"item": "item_id", "category": "attributes"}


def beauty() -> Histories:
    """Every history of the log, with what is known of its items."""
    if not FOLDER.exists():
        raise SystemExit(f"{FOLDER} is missing: name the folder of the data in LEAVEN_DATA")
    log = build_histories(read_events(LogSource(str(FOLDER / "interactions.csv"))))
    items = CatalogSource(str(FOLDER / "items.csv"), COLUMNS, ("title",))
    return replace(log.histories, catalog=read_catalog(items, log.item_ids))


def speed(kind: str, train: Histories, rows: Histories) -> tuple[float, float]:
    """(rows a second, events a second) of an operator at full strength."""
    fitted = registry.create_config("transforms", kind, FIELDS.get(kind)).fit(train)
    strength = np.ones(len(rows), np.float32)
    fitted(rows, rows.row_ids, strength)
    seconds = []
    for _ in range(TURNS):
        began = time.process_time()
        fitted(rows, rows.row_ids, strength)
        seconds.append(time.process_time() - began)
    return len(rows) / min(seconds), rows.n_events / min(seconds)


def main() -> None:
    """One line an operator."""
    config.NUMBA_NUM_THREADS = 1
    train = beauty()
    rows = repeated(train, ROWS)
    print(f"{len(rows):,} rows, {rows.n_events:,} events, one thread.\n")
    print("| operator | million rows a second | million events a second |\n|---|---|---|")
    for kind in (kind for kind in registry.list_kinds("transforms") if kind != "repeat"):  # its rows stay as they are
        found = " | ".join(f"{value / 1e6:.2f}" for value in speed(kind, train, rows))
        print(f"| {kind} | {found} |", flush=True)


if __name__ == "__main__":
    main()
