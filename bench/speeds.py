"""Measures rows per second of every sequence operator.

    python -m bench.speeds

Histories of Amazon Beauty in the folder LEAVEN_DATA, repeated to 200,000 rows with times, titles and categories; every
operator has its default fields and one thread. Fitting is not included; CPU seconds, the best of three rounds after one
that compiles. `make docs` copies the figures to docs/operators.md.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from numba import config

from bench.operators import repeat_rows
from leaven import registry
from leaven.datasets.histories import Histories
from leaven.ingest import CatalogSource, build_histories, read_catalog, read_events
from leaven.ingest.source_config import LogSource

FOLDER = Path(os.environ.get("LEAVEN_DATA", "../shared/data")) / "beauty"
ROWS, ROUNDS = 200_000, 3
FIELDS = {"cold_items": {"max_cold_events": 6}}  # for operators whose defaults change none of these rows
COLUMNS = {"item": "item_id", "category": "attributes"}


def load_histories() -> Histories:
    """Return every history of the log, with the catalog."""
    if not FOLDER.exists():
        raise SystemExit(f"{FOLDER} is missing: set LEAVEN_DATA to the folder of public data")
    log = build_histories(read_events(LogSource(str(FOLDER / "interactions.csv"))))
    items = CatalogSource(str(FOLDER / "items.csv"), COLUMNS, ("title",))
    return replace(log.histories, catalog=read_catalog(items, log.item_ids))


def measure_speed(kind: str, train: Histories, rows: Histories) -> tuple[float, float]:
    """Return rows per second and events per second of an operator at full strength."""
    fitted = registry.create_config("transforms", kind, FIELDS.get(kind)).fit(train)
    strength = np.ones(len(rows), np.float32)
    fitted(rows, rows.row_ids, strength)
    seconds = []
    for _ in range(ROUNDS):
        start = time.process_time()
        fitted(rows, rows.row_ids, strength)
        seconds.append(time.process_time() - start)
    return len(rows) / min(seconds), rows.n_events / min(seconds)


def main() -> None:
    """Print one line per operator."""
    config.NUMBA_NUM_THREADS = 1
    train = load_histories()
    rows = repeat_rows(train, ROWS)
    print(f"{len(rows):,} rows, {rows.n_events:,} events, one thread.\n")
    print("| operator | million rows per second | million events per second |\n|---|---|---|")
    for kind in (kind for kind in registry.list_kinds("transforms") if kind != "repeat"):  # it changes no row
        speeds = " | ".join(f"{value / 1e6:.2f}" for value in measure_speed(kind, train, rows))
        print(f"| {kind} | {speeds} |", flush=True)


if __name__ == "__main__":
    main()
