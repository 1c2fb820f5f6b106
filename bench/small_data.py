"""Measures the lift of tabular augmentation for an MLP on few rows: `python -m bench.small_data`.

With 1, 5, 20 and 100 % of the training rows; test users, steps and initial weights are the same for all variants of a
share. Uses the simulated shop, or with --retail UCI Online Retail in the folder LEAVEN_DATA.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np

from leaven import rng
from leaven.augmentation import Plan, Step, build_epoch_rows, expand
from leaven.ctr_features import SamplingConfig, sample_by_time
from leaven.ctr_models.neural import Mlp
from leaven.datasets.samples import Samples
from leaven.generators.tabular.copula import Copula
from leaven.metrics.ctr.ctr_metrics import Auc
from leaven.protocols import TrainingContext
from leaven.stats import ComparisonConfig, compare_variants
from leaven.strategies.copy_counts import Uniform
from leaven.transforms.tabular.cell_noise import FeatureMask, NumericNoise, SwapNoise
from leaven.transforms.tabular.row_mixup import RepeatRows, RowMixup

ROOT = Path(__file__).parent.parent
DATA = Path(os.environ.get("LEAVEN_DATA", ROOT / "../shared/data"))
SHARES, MIN_ROWS = (0.01, 0.05, 0.2, 1.0), 5
PRICES = ("item_price", "user_usual_price", "user_spent_per_visit")
FRESH: dict[str, Any] = {"mode": "in_place", "when": "each_epoch"}


def build_plans(train: Samples) -> dict[str, Plan]:
    """Return the compared plans; duplicated and synthetic rows are twice the real ones."""
    prices = tuple(name for name in PRICES if name in train.numeric)
    return {
        "baseline": Plan(),
        "repeat": Plan([Step(RepeatRows(), copies=Uniform(2))]),
        "noise": Plan([Step(NumericNoise(alpha=0.3, log_columns=prices), **FRESH)]),
        "swap noise": Plan([Step(SwapNoise(share=0.2), **FRESH)]),
        "masks": Plan([Step(FeatureMask(share=0.2), **FRESH)]),
        "mixup": Plan([Step(RowMixup(), **FRESH)]),
        "copula": Plan([Step(Copula(), copies=Uniform(2))]),
    }


def main(arguments: list[str] | None = None) -> None:
    """Print a table with one line per share and variant."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--retail", action="store_true")
    parser.add_argument("--users", type=int, default=500, help="users of the simulated shop")
    parser.add_argument("--positives", type=int, default=1500, help="maximum positives per split")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--steps", type=int, default=200, help="steps of every training; the best weights on validation are used"
    )
    options = parser.parse_args(arguments)
    train, valid, test = sample_by_time(read_log(options), SamplingConfig(max_positives=options.positives), key=7)
    print(
        f"{len(train):,} training rows, {len(test):,} test rows of {len(np.unique(test.user_ids)):,} users; AUC, ",
        end="",
    )
    print(f"{options.seeds} trainings of {options.steps} steps per variant.\n")
    print("| rows | variant | AUC | lift | 95 % interval | verdict |\n|---|---|---|---|---|---|")
    for share in SHARES:
        some = sample_share(train, share)
        values = {name: measure_users(some, valid, test, plan, options) for name, plan in build_plans(some).items()}
        comparison = compare_variants(values, ComparisonConfig("auc", min_effect=0.005, key=7))
        print(f"| {len(some):,} ({share:.0%}) | baseline | {comparison.means['baseline']:.4f} | | | |", flush=True)
        for one in comparison.effects:
            interval = f"{100 * one.low:+.1f} % to {100 * one.high:+.1f} %"
            print(
                f"| | {one.variant} | {one.mean:.4f} | {100 * one.lift:+.1f} % | {interval} | {one.verdict} |",
                flush=True,
            )


def sample_share(rows: Samples, share: float) -> Samples:
    """Return a random share of each class, at least five rows; larger shares contain the smaller ones."""
    draws = rng.draw_uniform(rng.derive_row_keys(rng.derive_key(7, "share"), rows.row_ids), 0)
    is_selected = np.zeros(len(rows), bool)
    for in_class in (rows.label > 0.5, rows.label <= 0.5):
        index = np.flatnonzero(in_class)
        count = max(round(share * len(index)), MIN_ROWS)
        is_selected[index[np.argsort(draws[index], kind="stable")[:count]]] = True
    return rows.take(is_selected)


def measure_users(train: Samples, valid: Samples, test: Samples, plan: Plan, options: argparse.Namespace) -> Any:
    """Return values whose mean is the AUC, float64 (seeds, users)."""
    rows, values = expand(train, plan, 7), []
    for seed in range(options.seeds):
        epochs = build_epoch_rows(train, rows, plan, 7, seed)
        refresh = None if epochs.is_constant else epochs
        model = Mlp(batch_size=128).fit(
            rows, TrainingContext(rng.derive_key(7, "train", seed), options.steps, valid, refresh)
        )
        values.append(Auc().of_users(test.label.astype(float), model.predict(test), test.user_ids))
    return np.stack(values)


def read_log(options: argparse.Namespace) -> Any:
    """Return the events of the simulated shop or of UCI Online Retail."""
    from leaven.cleaning import CleaningConfig, clean_events
    from leaven.ingest import CatalogSource, read_events
    from leaven.simulator import Simulator

    if options.retail:
        columns = {"user": "CustomerID", "item": "StockCode", "time": "InvoiceDate", "quantity": "Quantity"}
        columns |= {"price": "UnitPrice", "order": "InvoiceNo", "text": "Description"}
        return clean_events(read_events(DATA / "online_retail.csv.gz", columns), CleaningConfig()).events
    log = Simulator(users=options.users, items=250, days=365, seed=3).build_world().build_log()
    columns = {"user": "user_id", "item": "item_id", "time": "timestamp", "quantity": "quantity", "price": "price"}
    listed = {"item": "item_id", "category": "category", "brand": "brand", "price": "price", "born": "born"}
    return read_events(log.interactions, columns, CatalogSource(log.items, columns=listed))


if __name__ == "__main__":
    main()
