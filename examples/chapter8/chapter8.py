"""Trains and evaluates click-through rate models from an event log, with and without tabular augmentation.

    python examples/chapter8/chapter8.py                                   # a simulated shop
    python examples/chapter8/chapter8.py --retail online_retail.csv.gz     # UCI Online Retail, CC BY 4.0,
                                                                           # archive.ics.uci.edu/dataset/352

Needs `pip install 'leaven[ctr]'`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from leaven import rng
from leaven.augmentation import Plan, Step, build_epoch_rows, expand
from leaven.cleaning import CleaningConfig, clean_events
from leaven.ctr_features import SamplingConfig, find_issues, sample_by_time
from leaven.ctr_models.boosting import Boosting
from leaven.ctr_models.logistic import Logistic
from leaven.ctr_models.neural import DcnV2, Mlp
from leaven.ctr_models.popularity import PopularItem
from leaven.datasets.events import Events
from leaven.datasets.samples import Samples
from leaven.filters.rules import Rules
from leaven.generators.tabular.copula import Copula
from leaven.generators.tabular.marginals import Marginals
from leaven.generators.tabular.order_agnostic import OrderAgnostic
from leaven.ingest import CatalogSource, read_events
from leaven.metrics.ctr import ctr_metrics
from leaven.protocols import TrainingContext
from leaven.simulator import Simulator
from leaven.stats.ctr_comparison import CtrEffect, compare_ctr
from leaven.transforms.tabular.cell_noise import FeatureMask, SwapNoise
from leaven.transforms.tabular.cell_noise import NumericNoise
from leaven.transforms.tabular.row_mixup import RowMixup
from leaven.transforms.tabular.row_mixup import RepeatRows

PRICES = ("item_price", "user_usual_price", "user_spent_per_visit")
RULES = ("item_price > 0", "item_events >= item_events_30d", "pair_category_share <= 1")
MAIN_METRICS = ("AUC", "user AUC", "AP", "log loss", "F1")
DRAWS = 100  # resamples of the users
MIN_TEXTS = 20  # articles with the same last word that form a category


def main() -> None:
    """Run all steps; print every figure of docs/ctr.md."""
    options = parse_arguments()
    events = read_retail(options.retail) if options.retail else simulate_shop(options.users)
    start = time.perf_counter()
    train, valid, test = sample_by_time(
        events, SamplingConfig(ratio=4, max_positives=options.positives), key=options.seed
    )
    print(f"\n1. Samples, split by time ({time.perf_counter() - start:.0f} s)")
    for name, rows in (("train", train), ("valid", valid), ("test", test)):
        facts = {key: value for key, value in rows.facts.items() if key != "missing"}
        print(f"   {name:6} {len(rows):>8,} rows · " + " · ".join(f"{k} {v:,}" for k, v in facts.items()))
    gaps = sorted(train.facts["missing"].items(), key=lambda one: -one[1])[:4]
    print("   most missing: " + ", ".join(f"{name} {count:,}" for name, count in gaps))
    for issue in find_issues(train):
        print(f"   issue: {issue.message}")
    print_models(train, valid, test, options)
    print_augmentation(train, valid, test, options)


def parse_arguments() -> argparse.Namespace:
    """Return the command line options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--retail", default="", help="path of online_retail.csv.gz; without it, the simulated shop")
    parser.add_argument("--users", type=int, default=500, help="users of the simulated shop")
    parser.add_argument("--positives", type=int, default=2500, help="maximum positives per split")
    parser.add_argument("--seeds", type=int, default=2, help="trainings per variant")
    parser.add_argument(
        "--epochs", type=float, default=4, help="passes over the real rows; all variants take the same steps"
    )
    parser.add_argument("--batch", type=int, default=128, help="rows per step (the source: 32)")
    parser.add_argument("--seed", type=int, default=7)
    return parser.parse_args()


def simulate_shop(users: int) -> Events:
    """Return the events of a simulated shop."""
    log = Simulator(users=users, items=250, days=365, seed=3).build_world().build_log()
    columns = {"user": "user_id", "item": "item_id", "time": "timestamp", "quantity": "quantity", "price": "price"}
    listed = {"item": "item_id", "category": "category", "brand": "brand", "price": "price", "born": "born"}
    return read_events(log.interactions, columns, CatalogSource(log.items, columns=listed))


def read_retail(path: str) -> Events:
    """Return cleaned retail invoices; the category of an article is the last word of its text if it is frequent."""
    columns = {"user": "CustomerID", "item": "StockCode", "time": "InvoiceDate", "quantity": "Quantity"}
    columns |= {"price": "UnitPrice", "order": "InvoiceNo", "text": "Description"}
    events = clean_events(read_events(path, columns), CleaningConfig()).events
    texts = events.connection.execute(f"SELECT item, max(text) FROM {events.table} GROUP BY item").fetchall()
    last = {item: (text or "").split()[-1] if (text or "").split() else "" for item, text in texts}
    words, counts = np.unique(list(last.values()), return_counts=True)
    frequent = set(words[counts >= MIN_TEXTS]) - {""}
    category = [word if word in frequent else "OTHER" for word in last.values()]
    table = pa.table({"item": list(last), "category": category})
    events.connection.register("leaven_categories", table)
    events.connection.execute("CREATE OR REPLACE TEMP TABLE categories AS SELECT * FROM leaven_categories")
    events.connection.unregister("leaven_categories")
    return Events(events.connection, events.table, events.columns, "categories", events.facts)


def print_models(train: Samples, valid: Samples, test: Samples, options: argparse.Namespace) -> None:
    """Print step 2: the models on the real rows."""
    print("\n2. Models on the real rows")
    configs: dict[str, Any] = {
        "popularity": PopularItem(),
        "logistic": Logistic(),
        "boosting": Boosting(rounds=200),
        "mlp": Mlp(batch_size=options.batch, epochs=options.epochs),
        "dcn_v2": DcnV2(epochs=options.epochs),
    }
    predictions, cuts = {}, {}
    for name, config in configs.items():
        start = time.perf_counter()
        model = config.fit(train, TrainingContext(key=rng.derive_key(options.seed, name), validation=valid))
        predictions[name] = [model.predict(test)]
        cuts[name] = ctr_metrics.find_best_threshold(valid.label.astype(np.float64), model.predict(valid))
        print(f"   {name:11} {time.perf_counter() - start:6.1f} s", flush=True)
    print_table(compare_ctr(predictions, test, build_metrics(cuts), "logistic", options.seed, DRAWS), "logistic")


def print_augmentation(train: Samples, valid: Samples, test: Samples, options: argparse.Namespace) -> None:
    """Print step 3: the MLP of the source on augmented and expanded tables, at equal steps."""
    print("\n3. The MLP with and without table augmentation and expansion, equal steps")
    prices = tuple(name for name in PRICES if name in train.numeric)
    rules = (Rules(tuple(rule for rule in RULES if set(rule.split()) & set(train.numeric))),)
    fresh: dict[str, Any] = {"mode": "in_place", "when": "each_epoch"}
    variants: dict[str, list[Step]] = {
        "baseline": [],
        "repeat": [Step(RepeatRows())],
        "noise": [Step(NumericNoise(alpha=0.1, log_columns=prices), filters=rules, **fresh)],
        "swap noise": [Step(SwapNoise(share=0.1), **fresh)],
        "mask": [Step(FeatureMask(share=0.1), **fresh)],
        "mixup": [Step(RowMixup(), **fresh)],
        "marginals": [Step(Marginals(), filters=rules)],
        "copula": [Step(Copula(), filters=rules)],
        "any order": [Step(OrderAgnostic(epochs=options.epochs), filters=rules)],
    }
    steps = round(options.epochs * len(train) / options.batch)
    predictions: dict[str, list[Any]] = {}
    cuts = {}
    for name, plan_steps in variants.items():
        start, plan = time.perf_counter(), Plan(plan_steps)
        expanded = expand(train, plan, options.seed)
        epochs = build_epoch_rows(train, expanded, plan, options.seed)
        predictions[name] = []
        for seed in range(options.seeds):
            fresh_rows = None if epochs.is_constant else epochs
            training = TrainingContext(rng.derive_key(options.seed, "train", seed), steps, valid, fresh_rows)
            model = Mlp(batch_size=options.batch).fit(expanded, training)
            predictions[name].append(model.predict(test))
        cuts[name] = ctr_metrics.find_best_threshold(valid.label.astype(np.float64), model.predict(valid))
        print(
            f"   {name:11} {time.perf_counter() - start:6.1f} s  {len(expanded) - len(train):,} synthetic rows",
            flush=True,
        )
    main_metrics = {name: metric for name, metric in build_metrics(cuts).items() if name in MAIN_METRICS}
    print_table(compare_ctr(predictions, test, main_metrics, "baseline", options.seed, DRAWS), "baseline")


def build_metrics(cuts: Mapping[str, float]) -> dict[str, Any]:
    """Return every metric; F1, precision and recall use the threshold of each variant selected on validation."""
    named: dict[str, Any] = {
        "AUC": ctr_metrics.Auc(),
        "user AUC": ctr_metrics.UserAuc(),
        "AP": ctr_metrics.CtrAveragePrecision(),
    }
    named |= {
        "log loss": ctr_metrics.LogLoss(),
        "calib.": ctr_metrics.CalibrationError(),
        "accuracy": ctr_metrics.Accuracy(),
    }
    named["F1 at .5"] = ctr_metrics.F1()
    kinds = {"F1": ctr_metrics.F1, "precision": ctr_metrics.CtrPrecision, "recall": ctr_metrics.CtrRecall}
    return named | {
        name: {variant: kind(threshold=cut) for variant, cut in cuts.items()} for name, kind in kinds.items()
    }


def print_table(effects: list[CtrEffect], against: str) -> None:
    """Print one line per variant; ▲ better and ▼ worse than `against` if the 95 % interval over users excludes 0."""
    names = list(dict.fromkeys(effect.metric for effect in effects))
    print(f"\n   {'':11}" + "".join(f"{name:>11}" for name in names) + f"   (▲ ▼: against {against})")
    for variant in dict.fromkeys(effect.variant for effect in effects):
        own = {effect.metric: effect for effect in effects if effect.variant == variant}
        marks = {name: "▲" if one.better else "▼" if one.worse else " " for name, one in own.items()}
        print(f"   {variant:11}" + "".join(f"{own[name].value:>10.4f}{marks[name]}" for name in names))
    aucs = [effect for effect in effects if effect.metric == "AUC" and effect.variant != against]
    for one in aucs:
        print(f"   {one.variant:11} AUC {one.difference:+.4f}, 95 % interval {one.low:+.4f} to {one.high:+.4f}")


if __name__ == "__main__":
    main()
