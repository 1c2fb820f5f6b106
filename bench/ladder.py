"""Does each click model beat the one before: popularity, a line, the textbook's MLP, a strong net, boosted trees?

    python -m bench.ladder [--positives 20000]

UCI Online Retail through LEAVEN_DATA, split by time. Nets and trees stop where validation is best; test is looked at
once.
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
    "mlp": ({"batch": 128}, 3),
    "cross": ({}, 3),
    "boosting": ({}, 1),
}
"""model -> (its fields, trainings): trees and lines come out the same from any seed"""
METRICS = {"AUC": Auc(), "AP": CtrAveragePrecision(), "log loss": LogLoss(), "calibration": CalibrationError()}


def main(arguments: list[str] | None = None) -> None:
    """A line a model: its figures, and its AUC and log loss against the MLP's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--positives", type=int, default=20_000, help="of each part at most")
    asked = parser.parse_args(arguments)
    events = clean_events(read_events(LOG, COLUMNS), CleaningConfig()).events
    train, valid, test = sample_by_time(events, SamplingConfig(ratio=4, max_positives=asked.positives), key=7)
    print(f"{len(train):,} training rows, {len(test):,} test rows of {len(np.unique(test.user_ids)):,} users.\n")
    chances: dict[str, list[Any]] = {}
    spent = {}
    for name, (fields, trainings) in MODELS.items():
        began, wish = time.process_time(), create_config("ctr_models", name, fields)
        fits = (
            wish.fit(train, TrainingContext(rng.derive_key(7, "ladder", seed), validation=valid))
            for seed in range(trainings)
        )
        chances[name] = [fitted.predict(test) for fitted in fits]
        spent[name] = (time.process_time() - began) / trainings
    found = {(one.arm, one.metric): one for one in compare_ctr(chances, test, METRICS, "mlp", 7)}
    print(f"| model | trainings | {' | '.join(METRICS)} | AUC − MLP's | log loss − MLP's | s each |")
    print(f"|---|---|{'---|' * len(METRICS)}---|---|---|")
    for name in MODELS:
        cells = " | ".join(f"{found[name, metric].value:.4f}" for metric in METRICS)
        against = [_said(found[name, metric]) if name != "mlp" else "" for metric in ("AUC", "log loss")]
        print(f"| {name} | {len(chances[name])} | {cells} | {' | '.join(against)} | {spent[name]:.0f} |")


def _said(effect: CtrEffect) -> str:
    mark = "▲" if effect.better else "▼" if effect.worse else "–"
    return f"{effect.difference:+.4f} ({effect.low:+.4f} to {effect.high:+.4f}) {mark}"


if __name__ == "__main__":
    main()
