"""Which augmentation of the table helps the textbook's MLP when rows are few? `python -m bench.small_data`.

With 1, 5, 20 and 100 % of the training rows; test users, steps and the start of a training are the same for all arms of
a share. On the simulated shop, or with --retail on UCI Online Retail (through LEAVEN_DATA).
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
from leaven.transforms.tabular.cell_noise import FeatureMask, SwapNoise
from leaven.transforms.tabular.numeric_noise import NumericNoise
from leaven.transforms.tabular.row_mixup import RowMixup
from leaven.transforms.tabular.row_repeat import RepeatRows

ROOT = Path(__file__).parent.parent
DATA = Path(os.environ.get("LEAVEN_DATA", ROOT / "../shared/data"))
SHARES, FEWEST = (0.01, 0.05, 0.2, 1.0), 5
PRICES = ("item_price", "user_usual_price", "user_spent_per_visit")
FRESH: dict[str, Any] = {"mode": "replace", "when": "each_epoch"}


def arms(train: Samples) -> dict[str, Plan]:
    """The plans under trial; copies and made rows are twice the real ones."""
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
    """Print a table, one line a share and arm."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--retail", action="store_true")
    parser.add_argument("--users", type=int, default=500, help="of the simulated shop")
    parser.add_argument("--positives", type=int, default=1500, help="of each part at most")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=200, help="of every training; the best weights on validation stay")
    asked = parser.parse_args(arguments)
    train, valid, test = sample_by_time(_events(asked), SamplingConfig(max_positives=asked.positives), key=7)
    print(
        f"{len(train):,} training rows, {len(test):,} test rows of {len(np.unique(test.user_ids)):,} users; AUC, ",
        end="",
    )
    print(f"{asked.seeds} trainings of {asked.steps} steps an arm.\n")
    print("| rows | arm | AUC | lift | 95 % interval | verdict |\n|---|---|---|---|---|---|")
    for share in SHARES:
        some = a_share(train, share)
        values = {name: _values(some, valid, test, plan, asked) for name, plan in arms(some).items()}
        found = compare_variants(values, ComparisonConfig("auc", min_effect=0.005, key=7))
        print(f"| {len(some):,} ({share:.0%}) | baseline | {found.means['baseline']:.4f} | | | |", flush=True)
        for one in found.effects:
            ends = f"{100 * one.low:+.1f} % to {100 * one.high:+.1f} %"
            print(f"| | {one.arm} | {one.mean:.4f} | {100 * one.lift:+.1f} % | {ends} | {one.verdict} |", flush=True)


def a_share(rows: Samples, share: float) -> Samples:
    """That share of each class by lot, five of each at least; larger shares hold the smaller ones."""
    lot = rng.draw_uniform(rng.derive_row_keys(rng.derive_key(7, "share"), rows.row_ids), 0)
    kept = np.zeros(len(rows), bool)
    for mine in (rows.label > 0.5, rows.label <= 0.5):
        places = np.flatnonzero(mine)
        kept[places[np.argsort(lot[places], kind="stable")[: max(round(share * len(places)), FEWEST)]]] = True
    return rows.take(kept)


def _values(train: Samples, valid: Samples, test: Samples, plan: Plan, asked: argparse.Namespace) -> Any:
    """float64 (seeds, users): whose mean is the AUC."""
    rows, found = expand(train, plan, 7), []
    for seed in range(asked.seeds):
        epochs = build_epoch_rows(train, rows, plan, 7, seed)
        refresh = None if epochs.is_constant else epochs
        model = Mlp(batch_size=128).fit(
            rows, TrainingContext(rng.derive_key(7, "train", seed), asked.steps, valid, refresh)
        )
        found.append(Auc().of_users(test.label.astype(float), model.predict(test), test.user_ids))
    return np.stack(found)


def _events(asked: argparse.Namespace) -> Any:
    from leaven.cleaning import CleaningConfig, clean_events
    from leaven.ingest import CatalogSource, read_events
    from leaven.simulator import Simulator

    if asked.retail:
        columns = {"user": "CustomerID", "item": "StockCode", "time": "InvoiceDate", "quantity": "Quantity"}
        columns |= {"price": "UnitPrice", "order": "InvoiceNo", "text": "Description"}
        return clean_events(read_events(DATA / "online_retail.csv.gz", columns), CleaningConfig()).events
    log = Simulator(users=asked.users, items=250, days=365, seed=3).build_world().build_log()
    columns = {"user": "user_id", "item": "item_id", "time": "timestamp", "quantity": "quantity", "price": "price"}
    listed = {"item": "item_id", "category": "category", "brand": "brand", "price": "price", "born": "born"}
    return read_events(log.interactions, columns, CatalogSource(log.items, columns=listed))


if __name__ == "__main__":
    main()
