"""Measures fidelity and usefulness of synthetic tables for each tabular generator.

    python -m bench.tables [--tables cancer diabetes synthetic retail] [--rows 3000] [--kinds order_agnostic diffusion]

Three tables of scikit-learn, one of them simulated, and samples of the retail log if LEAVEN_DATA has it. One third of
the rows trains the generators, one third is held out to evaluate them, one third tests a model trained on real rows or
on the same number of synthetic rows. Every generator has the same rows, default fields and one seed.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from leaven import rng
from leaven.datasets.samples import Samples
from leaven.protocols import TrainingContext
from leaven.quality import evaluate_quality
from leaven.registry import create_config

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "marginals": ("marginals", {}),
    "copula": ("copula", {}),
    "smote": ("smote", {}),
    "vae, as written": ("vae", {"learned_variance": False}),
    "vae, learned variance": ("vae", {}),
    "gan, as written": ("gan", {"loss": "minimax"}),
    "gan, wgan-gp": ("gan", {}),
    "order_agnostic": ("order_agnostic", {}),
    "diffusion": ("diffusion", {}),
}
LEGEND = """The figure in brackets is that of real rows: held-out rows for the two classifiers (boosted trees; a linear
model over squares and products), marginals and pairs; real training rows for the model. Seconds are CPU time of fitting
and of sampling twice the number of rows."""
METRICS = ("classifier_auc", "marginals", "pairs")


def load_cancer() -> Samples:
    """Return 569 tumors with 30 numeric columns."""
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    return build_samples(data.data, data.target, data.feature_names)


def load_diabetes_table() -> Samples:
    """Return 442 patients with 9 numeric columns and a category; label: progression above the median."""
    from sklearn.datasets import load_diabetes

    data = load_diabetes(scaled=False)
    return build_samples(data.data, data.target > np.median(data.target), data.feature_names, categorical=(1,))


def simulate_clusters() -> Samples:
    """Return 6,000 rows of scikit-learn clusters with eight numeric columns and four of five categories each."""
    from sklearn.datasets import make_classification

    shape = {"n_samples": 6000, "n_features": 12, "n_informative": 8, "n_redundant": 2, "n_clusters_per_class": 3}
    numbers, label = make_classification(**shape, class_sep=1.2, random_state=7, shuffle=False)
    for index in (0, 3, 6, 9):
        edges = np.quantile(numbers[:, index], [0.5, 0.75, 0.9, 0.98])
        numbers[:, index] = np.digitize(numbers[:, index], edges)
    return build_samples(numbers, label, [f"x{index}" for index in range(12)], categorical=(0, 3, 6, 9))


def load_retail() -> Samples | None:
    """Return samples of the retail log as in chapter 8; None without the file."""
    from leaven.cleaning import CleaningConfig, clean_events
    from leaven.ctr_features import SamplingConfig, sample_by_time
    from leaven.ingest import read_events

    path = Path(os.environ.get("LEAVEN_DATA", "../shared/data")) / "online_retail.csv.gz"
    if not path.exists():
        return None
    columns = {"user": "CustomerID", "item": "StockCode", "time": "InvoiceDate", "quantity": "Quantity"}
    columns |= {"price": "UnitPrice", "order": "InvoiceNo"}
    events = clean_events(read_events(str(path), columns), CleaningConfig(min_user_events=5, min_item_events=5)).events
    return sample_by_time(events, SamplingConfig(ratio=4, max_positives=2000), key=7)[0]


def build_samples(numbers: Any, label: Any, columns: Any, categorical: tuple[int, ...] = ()) -> Samples:
    """Return the rows of a matrix; `categorical` are the indices of categorical columns."""
    cells = {
        str(column): np.array([f"v{int(v)}" for v in numbers[:, index]], object)
        if index in categorical
        else numbers[:, index]
        for index, column in enumerate(columns)
    }
    return Samples.from_columns(
        cells, np.asarray(label, np.float32), rng.mix_bits(np.arange(1, len(label) + 1, dtype=np.uint64))
    )


TABLES: dict[str, Callable[[], Samples | None]] = {
    "cancer": load_cancer,
    "diabetes": load_diabetes_table,
    "synthetic": simulate_clusters,
    "retail": load_retail,
}


@dataclass(frozen=True)
class Thirds:
    """Disjoint random parts of a table."""

    train: Samples
    held_out: Samples
    test: Samples


def split_thirds(rows: Samples, max_rows: int) -> Thirds:
    """Return three random parts of equal size, at most `max_rows` rows each."""
    order = rng.make_generator(rng.derive_key(7, "thirds")).permutation(len(rows))
    size = min(len(rows) // 3, max_rows)
    train, held_out, test = (rows.take(order[part * size : (part + 1) * size]) for part in range(3))
    return Thirds(train, held_out, test)


def measure_usefulness(train: Samples, test: Samples) -> float:
    """Return the AUC on real rows of a boosting model trained on these rows; NaN for a single class."""
    from sklearn.metrics import roc_auc_score

    config = create_config("ctr_models", "boosting", {"rounds": 80, "min_rows": 10})
    try:
        model = config.fit(train, TrainingContext(key=1))
    except Exception as error:
        if "class" not in str(error):
            raise
        return float("nan")  # a generator may produce a single class
    return float(roc_auc_score(test.label > 0.5, model.predict(test)))


def measure_separability(real: Samples, new: Samples) -> float:
    """Return the two-fold AUC of boosted trees that classify real and synthetic rows: 0.5 for equal distributions.

    The metric `classifier_auc` is linear in squares and products and cannot detect dependence of three columns.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score

    rows = real.concat_with([new])
    cells = np.column_stack([rows.numbers, rows.codes, rows.label])
    is_synthetic = np.repeat([0, 1], [len(real), len(new)])
    fold = rng.make_generator(rng.derive_key(7, "folds")).permutation(len(is_synthetic)) % 2
    aucs = []
    for part in (0, 1):
        trees = HistGradientBoostingClassifier(max_iter=60, min_samples_leaf=10, random_state=1)
        probability = trees.fit(cells[fold != part], is_synthetic[fold != part]).predict_proba(cells[fold == part])[
            :, 1
        ]
        aucs.append(roc_auc_score(is_synthetic[fold == part], probability))
    return float(np.mean(aucs))


def print_table(name: str, rows: Samples, max_rows: int, kinds: list[str]) -> None:
    """Print one line per generator."""
    parts = split_thirds(rows, max_rows)
    train, held, test = parts.train, parts.held_out, parts.test
    print(
        f"### {name}: {len(train)} rows per part, {len(rows.numeric)} numeric and "
        f"{len(rows.categorical)} categorical columns\n"
    )
    print(
        "| generator | trees AUC (real) | linear AUC (real) | marginals (real) | pairs (real) | model AUC (real) | s |"
    )
    print("|---|---|---|---|---|---|---|")
    real, separability = measure_usefulness(train, test), measure_separability(held, test)
    for title in kinds:
        kind, fields = KINDS[title]
        start = time.process_time()
        fitted = create_config("tabular_generators", kind, fields).fit(train, key=5)
        new = fitted.sample(rng.mix_bits(np.arange(1, 2 * len(train) + 1, dtype=np.uint64)))
        seconds = time.process_time() - start
        result = evaluate_quality(train, held, new, "tabular", metrics=METRICS)
        cells = [f"{result[metric].value:.3f} ({result[metric].reference:.3f})" for metric in METRICS]
        some = new.take(np.arange(len(train)))
        useful = measure_usefulness(some, test)
        cells = [f"{measure_separability(held, some):.3f} ({separability:.3f})", *cells]
        print(f"| {title} | {' | '.join(cells)} | {useful:.3f} ({real:.3f}) | {seconds:.0f} |", flush=True)
    print()


def main(arguments: list[str] | None = None) -> None:
    """Print a table of generators for each table of rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", nargs="*", default=list(TABLES), choices=list(TABLES))
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--rows", type=int, default=2000)
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    for name in options.tables:
        rows = TABLES[name]()
        if rows is None:
            print(f"{name} is missing: set LEAVEN_DATA to the folder of public data", file=sys.stderr)
        else:
            print_table(name, rows, options.rows, options.kinds)
    print(LEGEND)


if __name__ == "__main__":
    main(sys.argv[1:])
