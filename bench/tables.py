"""How good are made tables: alike, tied together, and of use to a model that never sees a real row?

    python -m bench.tables [--tables cancer diabetes made retail] [--rows 3000] [--kinds any_order diffusion]

Three public tables that lie inside scikit-learn or are made by it, and samples of the retail log where LEAVEN_DATA has
it. A third of the rows trains the generators, a third is held out to judge them by, a third tests a model
that learned from real rows or from as many made ones. Every generator has the same rows, default fields and one seed.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from collections.abc import Callable
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
    "any_order": ("any_order", {}),
    "diffusion": ("diffusion", {}),
}
LEGEND = """Each figure stands beside the same figure of real rows that nobody made: for what tells made rows apart
(boosted trees; a line over squares and products), marginals and pairs those of held-out rows; for a model, one that
learned from the real training rows. Seconds are the processor's, to learn and to make twice the rows."""
METRICS = ("classifier_auc", "marginals", "pairs")


def cancer() -> Samples:
    """569 tumours, 30 numbers."""
    from sklearn.datasets import load_breast_cancer

    found = load_breast_cancer()
    return _samples(found.data, found.target, found.feature_names)


def diabetes() -> Samples:
    """442 patients, 10 numbers, one of them a category; whether the illness got worse than in the median."""
    from sklearn.datasets import load_diabetes

    found = load_diabetes(scaled=False)
    return _samples(found.data, found.target > np.median(found.target), found.feature_names, names=(1,))


def synthetic() -> Samples:
    """6,000 rows of scikit-learn's clusters: eight numbers, four more cut into five names each."""
    from sklearn.datasets import make_classification

    shape = {"n_samples": 6000, "n_features": 12, "n_informative": 8, "n_redundant": 2, "n_clusters_per_class": 3}
    numbers, label = make_classification(**shape, class_sep=1.2, random_state=7, shuffle=False)
    for place in (0, 3, 6, 9):
        edges = np.quantile(numbers[:, place], [0.5, 0.75, 0.9, 0.98])
        numbers[:, place] = np.digitize(numbers[:, place], edges)
    return _samples(numbers, label, [f"x{place}" for place in range(12)], names=(0, 3, 6, 9))


def retail() -> Samples | None:
    """Samples of the gift shop's log, as in chapter 8; None where the file is not there."""
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


def _samples(numbers: Any, label: Any, columns: Any, names: tuple[int, ...] = ()) -> Samples:
    """Rows of a matrix; columns at `names` are categories."""
    cells = {
        str(column): np.array([f"v{int(v)}" for v in numbers[:, place]], object)
        if place in names
        else numbers[:, place]
        for place, column in enumerate(columns)
    }
    return Samples.from_columns(
        cells, np.asarray(label, np.float32), rng.mix_bits(np.arange(1, len(label) + 1, dtype=np.uint64))
    )


TABLES: dict[str, Callable[[], Samples | None]] = {
    "cancer": cancer,
    "diabetes": diabetes,
    "made": synthetic,
    "retail": retail,
}


def thirds(rows: Samples, most: int) -> tuple[Samples, Samples, Samples]:
    """(train, held out, test), by lot, at most `most` rows each."""
    order = rng.make_generator(rng.derive_key(7, "thirds")).permutation(len(rows))
    size = min(len(rows) // 3, most)
    return tuple(rows.take(order[nth * size : (nth + 1) * size]) for nth in range(3))  # type: ignore[return-value]


def usefulness(train: Samples, test: Samples) -> float:
    """AUC on real rows of boosting that learned from these."""
    from sklearn.metrics import roc_auc_score

    wish = create_config("ctr_models", "boosting", {"rounds": 80, "fewest_rows": 10})
    try:
        model = wish.fit(train, TrainingContext(key=1))
    except Exception as error:  # a generator that makes one class alone
        return float("nan") if "class" in str(error) else _again(error)
    return float(roc_auc_score(test.label > 0.5, model.predict(test)))


def told_apart(real: Samples, new: Samples) -> float:
    """AUC of boosted trees, in two folds, that tell these rows apart: 0.5 not at all.

    The judge's own classifier is a line over squares and products, which is blind to how three columns hang together.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score

    rows = real.concat_with([new])
    cells = np.column_stack([rows.numbers, rows.codes, rows.label])
    made = np.repeat([0, 1], [len(real), len(new)])
    fold = rng.make_generator(rng.derive_key(7, "folds")).permutation(len(made)) % 2
    found = []
    for part in (0, 1):
        trees = HistGradientBoostingClassifier(max_iter=60, min_samples_leaf=10, random_state=1)
        chance = trees.fit(cells[fold != part], made[fold != part]).predict_proba(cells[fold == part])[:, 1]
        found.append(roc_auc_score(made[fold == part], chance))
    return float(np.mean(found))


def _again(error: Exception) -> float:
    raise error


def table(name: str, rows: Samples, most: int, kinds: list[str]) -> None:
    """One table: a line a generator, real rows first."""
    train, held, test = thirds(rows, most)
    print(f"### {name}: {len(train)} rows each, {len(rows.numeric)} numbers, {len(rows.categorical)} categories\n")
    print(
        "| rows made by | trees AUC (real) | line AUC (real) | marginals (real) | pairs (real) | model AUC (real) | s |"
    )
    print("|---|---|---|---|---|---|---|")
    real, apart = usefulness(train, test), told_apart(held, test)
    for title in kinds:
        kind, own = KINDS[title]
        began = time.process_time()
        fitted = create_config("tabular_generators", kind, own).fit(train, key=5)
        new = fitted.sample(rng.mix_bits(np.arange(1, 2 * len(train) + 1, dtype=np.uint64)))
        spent = time.process_time() - began
        verdict = evaluate_quality(train, held, new, "table", metrics=METRICS)
        cells = [f"{verdict[metric].value:.3f} ({verdict[metric].reference:.3f})" for metric in METRICS]
        some = new.take(np.arange(len(train)))
        useful = usefulness(some, test)
        cells = [f"{told_apart(held, some):.3f} ({apart:.3f})", *cells]
        print(f"| {title} | {' | '.join(cells)} | {useful:.3f} ({real:.3f}) | {spent:.0f} |", flush=True)
    print()


def main(arguments: list[str] | None = None) -> None:
    """Print a table of generators for each table of rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", nargs="*", default=list(TABLES), choices=list(TABLES))
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--rows", type=int, default=2000)
    asked = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    for name in asked.tables:
        rows = TABLES[name]()
        if rows is None:
            print(f"{name} is missing: LEAVEN_DATA names the folder of public data", file=sys.stderr)
        else:
            table(name, rows, asked.rows, asked.kinds)
    print(LEGEND)


if __name__ == "__main__":
    main(sys.argv[1:])
