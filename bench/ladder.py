"""Measures click-through rate models in order of complexity: popularity, logistic, MLP, DCN-V2, boosted trees.

    python -m bench.ladder [--positives 20000]

UCI Online Retail in the folder LEAVEN_DATA, split by time. Nets and trees use early stopping on validation; test is
evaluated once.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from leaven import rng
from leaven.cleaning import CleaningConfig, clean_events
from leaven.ctr_features import SamplingConfig, sample_by_time
from leaven.ingest import read_events
from leaven.metrics.ctr.ctr_metrics import Auc, CalibrationError, CtrAveragePrecision, LogLoss
from leaven.protocols import TrainingContext
from leaven.registry import create_config
from leaven.stats.ctr_comparison import CtrEffect, compare_ctr

LOG = Path(os.environ.get("LEAVEN_DATA", Path(__file__).parent.parent / "../shared/data")) / "online_retail.csv.gz"
COLUMNS = {"user": "CustomerID", "item": "StockCode", "time": "InvoiceDate", "quantity": "Quantity"}
COLUMNS |= {"price": "UnitPrice", "order": "InvoiceNo", "text": "Description"}
MODELS: dict[str, tuple[dict[str, Any], int]] = {
    "popularity": ({}, 1),
    "logistic": ({}, 1),
    "mlp": ({"batch_size": 128}, 3),
    "dcn_v2": ({}, 3),
    "boosting": ({}, 1),
}
"""Model -> (fields, number of trainings); trees and linear models do not depend on the seed."""
METRICS = {"AUC": Auc(), "AP": CtrAveragePrecision(), "log loss": LogLoss(), "calibration": CalibrationError()}


def main(arguments: list[str] | None = None) -> None:
    """Print one line per model: its metrics, and the differences of AUC and log loss from the MLP."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--positives", type=int, default=20_000, help="maximum positives per split")
    options = parser.parse_args(arguments)
    events = clean_events(read_events(LOG, COLUMNS), CleaningConfig()).events
    train, valid, test = sample_by_time(events, SamplingConfig(ratio=4, max_positives=options.positives), key=7)
    print(f"{len(train):,} training rows, {len(test):,} test rows of {len(np.unique(test.user_ids)):,} users.\n")
    predictions: dict[str, list[Any]] = {}
    seconds = {}
    for name, (fields, trainings) in MODELS.items():
        start, config = time.process_time(), create_config("ctr_models", name, fields)
        fits = (
            config.fit(train, TrainingContext(rng.derive_key(7, "ladder", seed), validation=valid))
            for seed in range(trainings)
        )
        predictions[name] = [fitted.predict(test) for fitted in fits]
        seconds[name] = (time.process_time() - start) / trainings
    effects = {(one.variant, one.metric): one for one in compare_ctr(predictions, test, METRICS, "mlp", 7)}
    print(f"| model | trainings | {' | '.join(METRICS)} | AUC − MLP's | log loss − MLP's | s per training |")
    print(f"|---|---|{'---|' * len(METRICS)}---|---|---|")
    for name in MODELS:
        cells = " | ".join(f"{effects[name, metric].value:.4f}" for metric in METRICS)
        differences = [
            format_difference(effects[name, metric]) if name != "mlp" else "" for metric in ("AUC", "log loss")
        ]
        print(f"| {name} | {len(predictions[name])} | {cells} | {' | '.join(differences)} | {seconds[name]:.0f} |")


def format_difference(effect: CtrEffect) -> str:
    """Return a difference with its interval, marked better, worse or undecided."""
    mark = "▲" if effect.better else "▼" if effect.worse else "–"
    return f"{effect.difference:+.4f} ({effect.low:+.4f} to {effect.high:+.4f}) {mark}"


if __name__ == "__main__":
    main()
