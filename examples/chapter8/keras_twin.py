"""Trains the MLP of chapter 8 in Keras on a table expanded by leaven, with tf.data.

    leaven run examples/clicks.toml --out runs/clicks
    python examples/chapter8/keras_twin.py runs/clicks --variant mixup --variant "copula, even classes"

Needs `pip install 'leaven[keras]'`, or only TensorFlow and pyarrow: rows, weights and names are in the Parquet files.
Steps that draw new rows in every epoch are not in files; such a variant trains on the real rows here.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf

MIN_ROWS, EMBEDDING, MAX_DEVIATION = 5, 8, 8.0
Columns = dict[str, np.ndarray]


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Train one net per variant and print its figures on the test rows; return variant -> AUC."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a run of task clicks")
    parser.add_argument("--variant", action="append", default=[], help="repeatable; the baseline always runs")
    parser.add_argument(
        "--epochs", type=float, default=3, help="passes over the real rows; all variants take the same steps"
    )
    parser.add_argument("--batch", type=int, default=128, help="rows per step (the source: 32)")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args(arguments)
    data = options.run / "data"
    encoding = Encoding(data / "train.parquet")
    steps = max(int(options.epochs * encoding.rows / options.batch), 1)
    aucs = {}
    for variant in ["baseline", *options.variant]:
        files = [data / "train.parquet"] if variant == "baseline" else list_files(options.run, variant)
        tf.keras.utils.set_random_seed(options.seed)
        net = build_mlp(encoding)
        net.fit(
            build_dataset(encoding, files, options.batch, options.seed), steps_per_epoch=steps, shuffle=False, verbose=0
        )
        figures = evaluate_net(net, encoding, data / "valid.parquet", data / "test.parquet")
        print(f"{variant:24}" + "  ".join(f"{name} {value:.4f}" for name, value in figures.items()), flush=True)
        aucs[variant] = figures["AUC"]
    return aucs


def list_files(run: Path, variant: str) -> list[Path]:
    """Return the row files of a variant: real rows first, then those of each step."""
    folder = "-".join(part for part in "".join(one if one.isalnum() else " " for one in variant).split())
    files = sorted((run / "variants" / folder / "expanded").glob("*.parquet"))
    if not files:
        raise SystemExit(
            f"{run}: no rows of variant {variant!r}; available: {sorted(p.name for p in (run / 'arms').iterdir())}"
        )
    return files


class Encoding:
    """Encoding fitted to the real training rows: scales of numeric columns, levels of categorical ones."""

    def __init__(self, path: Path) -> None:
        train = pq.read_table(path)
        schema = json.loads(train.schema.metadata[b"leaven.samples"])
        self.rows, self.numeric, self.categorical = len(train), schema["numeric"], schema["categorical"]
        self.scales, self.levels = {}, {}
        for name in self.numeric:
            cells = train.column(name).to_numpy()
            values = cells[~np.isnan(cells)]
            spread = values.std() if len(values) else 0.0
            skewed = spread > 0 and abs((((values - values.mean()) / spread) ** 3).mean()) > 2
            transformed = np.sign(values) * np.log1p(np.abs(values)) if skewed else values
            self.scales[name] = (
                skewed,
                transformed.mean() if len(transformed) else 0.0,
                (transformed.std() if len(transformed) else 0.0) or 1.0,
            )
        for name in self.categorical:
            names, counts = np.unique(
                train.column(name).cast(pa.string()).drop_null().to_numpy(False), return_counts=True
            )
            self.levels[name] = names[counts >= MIN_ROWS].astype(str).tolist()

    def __call__(self, rows: pa.RecordBatch) -> tuple[Columns, np.ndarray, np.ndarray]:
        """Return features, label and weight of rows: missing numbers become the mean, missing names unknown."""
        numbers = np.zeros((len(rows), 2 * len(self.numeric)), np.float32)
        for index, name in enumerate(self.numeric):
            skewed, center, scale = self.scales[name]
            cells = rows.column(name).to_numpy(False).astype(np.float64)
            transformed = np.sign(cells) * np.log1p(np.abs(cells)) if skewed else cells
            numbers[:, 2 * index] = np.clip(
                np.nan_to_num((transformed - center) / scale), -MAX_DEVIATION, MAX_DEVIATION
            )
            numbers[:, 2 * index + 1] = np.isnan(cells)
        features = {"numbers": numbers}
        for name in self.categorical:
            texts = rows.column(name).cast(pa.string()).fill_null("").to_numpy(False)
            features[name] = texts.astype(bytes).astype(object)
        label, weight = (rows.column(f"leaven_{name}").to_numpy(False) for name in ("label", "weight"))
        return features, label, weight

    @property
    def signature(self) -> Any:
        """Return types and shapes for tf.data."""
        features = {"numbers": tf.TensorSpec((None, 2 * len(self.numeric)), tf.float32)}
        features |= {name: tf.TensorSpec((None,), tf.string) for name in self.categorical}
        return features, tf.TensorSpec((None,), tf.float32), tf.TensorSpec((None,), tf.float32)


def build_dataset(encoding: Encoding, files: list[Path], batch: int, seed: int = 0) -> tf.data.Dataset:
    """Return the rows of the files, repeated without end and shuffled in a buffer of 65,536 rows."""

    def iterate_batches() -> Iterator[Any]:
        for path in files:
            for rows in pq.ParquetFile(path).iter_batches(8192):
                yield encoding(rows)

    rows = tf.data.Dataset.from_generator(iterate_batches, output_signature=encoding.signature).unbatch()
    return rows.shuffle(65_536, seed=seed).repeat().batch(batch).prefetch(2)


def build_mlp(encoding: Encoding) -> tf.keras.Model:
    """Return the net 512-256-128-1, ReLU, sigmoid, binary cross-entropy, Adam; categories as embeddings."""
    inputs = {"numbers": tf.keras.Input((2 * len(encoding.numeric),), name="numbers")}
    parts = [inputs["numbers"]]
    for name, levels in encoding.levels.items():
        inputs[name] = tf.keras.Input((), dtype=tf.string, name=name)
        codes = tf.keras.layers.StringLookup(vocabulary=levels)(inputs[name])
        parts.append(tf.keras.layers.Embedding(len(levels) + 1, EMBEDDING)(codes))
    hidden = tf.keras.layers.Concatenate()(parts)
    for width in (512, 256, 128):
        hidden = tf.keras.layers.Dense(width, activation="relu")(hidden)
    net = tf.keras.Model(inputs, tf.keras.layers.Dense(1, activation="sigmoid")(hidden))
    net.compile(optimizer=tf.keras.optimizers.Adam(1e-3), loss="binary_crossentropy")
    return net


def evaluate_net(net: tf.keras.Model, encoding: Encoding, valid: Path, test: Path) -> dict[str, float]:
    """Return AUC; accuracy, recall and F1 at .5; F1 at the threshold with the best validation F1."""
    (label, probability), (valid_label, valid_probability) = (predict(net, encoding, path) for path in (test, valid))
    cuts = np.unique(np.round(valid_probability, 3))
    cut = max(cuts.tolist(), key=lambda one: compute_f1(valid_label, valid_probability >= one))
    predicted = probability >= 0.5
    figures = {"AUC": compute_auc(label, probability), "accuracy": float((predicted == (label > 0.5)).mean())}
    figures |= {"recall": float(predicted[label > 0.5].mean()), "F1 at .5": compute_f1(label, predicted)}
    return figures | {f"F1 at {cut:.3f}": compute_f1(label, probability >= cut)}


def predict(net: tf.keras.Model, encoding: Encoding, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return label and probability of the rows of a file."""
    labels, probabilities = [], []
    for rows in pq.ParquetFile(path).iter_batches(8192):
        features, label, _ = encoding(rows)
        labels.append(label)
        probabilities.append(
            net({name: tf.constant(one) for name, one in features.items()}, training=False).numpy()[:, 0]
        )
    return np.concatenate(labels), np.concatenate(probabilities)


def compute_auc(label: np.ndarray, probability: np.ndarray) -> float:
    """Return the probability that a positive row ranks above a negative one; ties count half."""
    _, index, size = np.unique(probability, return_inverse=True, return_counts=True)
    rank = (np.cumsum(size) - (size - 1) / 2)[index]
    positive = label > 0.5
    count = int(positive.sum())
    return float((rank[positive].sum() - count * (count + 1) / 2) / (count * (len(label) - count)))


def compute_f1(label: np.ndarray, predicted: np.ndarray) -> float:
    """Return the harmonic mean of precision and recall."""
    total = int(predicted.sum()) + int((label > 0.5).sum())
    return 2 * float((predicted & (label > 0.5)).sum()) / total if total else 0.0


if __name__ == "__main__":
    main()
