"""Will this customer take this article? From a log to judged click models, with and without a bigger table.

    python examples/chapter8/chapter8.py                                   # a simulated shop
    python examples/chapter8/chapter8.py --retail online_retail.csv.gz     # UCI Online Retail, CC BY 4.0,
                                                                           # archive.ics.uci.edu/dataset/352

Needs `pip install 'leaven[clicks]'`.
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
from leaven.ctr_features import SamplingConfig, sample_by_time, find_issues
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
from leaven.metrics.ctr import ctr_metrics as judge
from leaven.protocols import TrainingContext
from leaven.simulator import Simulator
from leaven.stats.ctr_comparison import CtrEffect, compare_ctr
from leaven.transforms.tabular.cell_noise import FeatureMask, SwapNoise
from leaven.transforms.tabular.numeric_noise import NumericNoise
from leaven.transforms.tabular.row_mixup import RowMixup
from leaven.transforms.tabular.row_repeat import RepeatRows

PRICES = ("item_price", "user_usual_price", "user_spent_per_visit")
RULES = ("item_price > 0", "item_events >= item_events_30d", "pair_category_share <= 1")
FEW = ("AUC", "user AUC", "AP", "log loss", "F1")
DRAWS = 100  # resamples of the users
MIN_TEXTS = 20  # articles that share a last word and so make a category


def main() -> None:
    """Step by step; every figure on the page docs/chapter8.md comes from here."""
    asked = arguments()
    events = retail(asked.retail) if asked.retail else shop(asked.users)
    began = time.perf_counter()
    train, valid, test = sample_by_time(events, SamplingConfig(ratio=4, max_positives=asked.positives), key=asked.seed)
    print(f"\n1. Samples, split by time ({time.perf_counter() - began:.0f} s)")
    for name, rows in (("train", train), ("valid", valid), ("test", test)):
        said = {key: value for key, value in rows.facts.items() if key != "missing"}
        print(f"   {name:6} {len(rows):>8,} rows · " + " · ".join(f"{k} {v:,}" for k, v in said.items()))
    gaps = sorted(train.facts["missing"].items(), key=lambda one: -one[1])[:4]
    print("   most missing: " + ", ".join(f"{name} {count:,}" for name, count in gaps))
    for odd in find_issues(train):
        print(f"   odd: {odd.message}")
    models(train, valid, test, asked)
    tables(train, valid, test, asked)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--retail", default="", help="path of online_retail.csv.gz; without it, the simulated shop")
    parser.add_argument("--users", type=int, default=500, help="of the simulated shop")
    parser.add_argument("--positives", type=int, default=2500, help="of each part at most")
    parser.add_argument("--seeds", type=int, default=2, help="trainings of each arm")
    parser.add_argument(
        "--epochs", type=float, default=4, help="passes over the real rows, the same steps for all arms"
    )
    parser.add_argument("--batch", type=int, default=128, help="rows of a step (the source: 32)")
    parser.add_argument("--seed", type=int, default=7)
    return parser.parse_args()


def shop(users: int) -> Events:
    """A simulated shop: anyone can run it."""
    log = Simulator(users=users, items=250, days=365, seed=3).build_world().build_log()
    columns = {"user": "user_id", "item": "item_id", "time": "timestamp", "quantity": "quantity", "price": "price"}
    listed = {"item": "item_id", "category": "category", "brand": "brand", "price": "price", "born": "born"}
    return read_events(log.interactions, columns, CatalogSource(log.items, columns=listed))


def retail(path: str) -> Events:
    """A gift shop's invoices, cleaned; an article's category is the last word of its text, where enough share it."""
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


def models(train: Samples, valid: Samples, test: Samples, asked: argparse.Namespace) -> None:
    """2. How good are the models without any augmentation?"""
    print("\n2. Models on the real rows")
    wishes: dict[str, Any] = {
        "popularity": PopularItem(),
        "logistic": Logistic(),
        "boosting": Boosting(rounds=200),
        "mlp": Mlp(batch_size=asked.batch, epochs=asked.epochs),
        "cross": DcnV2(epochs=asked.epochs),
    }
    chances, cuts = {}, {}
    for name, wish in wishes.items():
        began = time.perf_counter()
        model = wish.fit(train, TrainingContext(key=rng.derive_key(asked.seed, name), validation=valid))
        chances[name] = [model.predict(test)]
        cuts[name] = judge.find_best_threshold(valid.label.astype(np.float64), model.predict(valid))
        print(f"   {name:11} {time.perf_counter() - began:6.1f} s", flush=True)
    table(compare_ctr(chances, test, metrics(cuts), "logistic", asked.seed, DRAWS), "logistic")


def tables(train: Samples, valid: Samples, test: Samples, asked: argparse.Namespace) -> None:
    """3. Does a changed or bigger table help the source's MLP, at equal steps?"""
    print("\n3. The MLP with and without table augmentation and expansion, equal steps")
    prices = tuple(name for name in PRICES if name in train.numeric)
    rules = (Rules(tuple(rule for rule in RULES if set(rule.split()) & set(train.numeric))),)
    fresh: dict[str, Any] = {"mode": "replace", "when": "each_epoch"}
    arms: dict[str, list[Step]] = {
        "baseline": [],
        "repeat": [Step(RepeatRows())],
        "noise": [Step(NumericNoise(alpha=0.1, log_columns=prices), filters=rules, **fresh)],
        "swap noise": [Step(SwapNoise(share=0.1), **fresh)],
        "mask": [Step(FeatureMask(share=0.1), **fresh)],
        "mixup": [Step(RowMixup(), **fresh)],
        "marginals": [Step(Marginals(), filters=rules)],
        "copula": [Step(Copula(), filters=rules)],
        "any order": [Step(OrderAgnostic(epochs=asked.epochs), filters=rules)],
    }
    steps = round(asked.epochs * len(train) / asked.batch)
    chances: dict[str, list[Any]] = {}
    cuts = {}
    for name, asked_steps in arms.items():
        began, plan = time.perf_counter(), Plan(asked_steps)
        bigger = expand(train, plan, asked.seed)
        epochs = build_epoch_rows(train, bigger, plan, asked.seed)
        chances[name] = []
        for seed in range(asked.seeds):
            fresh_rows = None if epochs.is_constant else epochs
            training = TrainingContext(rng.derive_key(asked.seed, "train", seed), steps, valid, fresh_rows)
            model = Mlp(batch_size=asked.batch).fit(bigger, training)
            chances[name].append(model.predict(test))
        cuts[name] = judge.find_best_threshold(valid.label.astype(np.float64), model.predict(valid))
        print(f"   {name:11} {time.perf_counter() - began:6.1f} s  {len(bigger) - len(train):,} rows made", flush=True)
    few = {name: metric for name, metric in metrics(cuts).items() if name in FEW}
    table(compare_ctr(chances, test, few, "baseline", asked.seed, DRAWS), "baseline")


def metrics(cuts: Mapping[str, float]) -> dict[str, Any]:
    """Every metric; F1 and its parts at each arm's threshold, which was chosen on validation."""
    named: dict[str, Any] = {"AUC": judge.Auc(), "user AUC": judge.UserAuc(), "AP": judge.CtrAveragePrecision()}
    named |= {"log loss": judge.LogLoss(), "calib.": judge.CalibrationError(), "accuracy": judge.Accuracy()}
    named["F1 at .5"] = judge.F1()
    kinds = {"F1": judge.F1, "precision": judge.CtrPrecision, "recall": judge.CtrRecall}
    return named | {name: {arm: kind(threshold=cut) for arm, cut in cuts.items()} for name, kind in kinds.items()}


def table(effects: list[CtrEffect], against: str) -> None:
    """A line an arm; ▲ better and ▼ worse than `against`, where the 95 % interval over users leaves out 0."""
    names = list(dict.fromkeys(effect.metric for effect in effects))
    print(f"\n   {'':11}" + "".join(f"{name:>11}" for name in names) + f"   (▲ ▼: against {against})")
    for arm in dict.fromkeys(effect.arm for effect in effects):
        mine = {effect.metric: effect for effect in effects if effect.arm == arm}
        marks = {name: "▲" if one.better else "▼" if one.worse else " " for name, one in mine.items()}
        print(f"   {arm:11}" + "".join(f"{mine[name].value:>10.4f}{marks[name]}" for name in names))
    aucs = [effect for effect in effects if effect.metric == "AUC" and effect.arm != against]
    for one in aucs:
        print(f"   {one.arm:11} AUC {one.difference:+.4f}, 95 % interval {one.low:+.4f} to {one.high:+.4f}")


if __name__ == "__main__":
    main()
