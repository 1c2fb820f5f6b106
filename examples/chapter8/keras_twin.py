"""The textbook's MLP in Keras, trained on a table that leaven expanded, through tf.data.

    leaven run examples/clicks.toml --out runs/clicks
    python examples/chapter8/keras_twin.py runs/clicks --arm mixup --arm "copula, even classes"

Needs `pip install 'leaven[keras]'`, or TensorFlow and pyarrow alone: rows, weights and names are in the Parquet files.
Steps that give fresh rows in every epoch are not in files; such an arm learns from the real rows here.
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

FEWEST_ROWS, EMBEDDING, FAR = 5, 8, 8.0
Columns = dict[str, np.ndarray]


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Train one net an arm, print its figures on the test rows; arm -> AUC."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a run of task clicks")
    parser.add_argument("--arm", action="append", default=[], help="may be given often; the baseline always runs")
    parser.add_argument("--epochs", type=float, default=3, help="passes over the real rows; all arms: the same steps")
    parser.add_argument("--batch", type=int, default=128, help="rows of a step (the source: 32)")
    parser.add_argument("--seed", type=int, default=7)
    asked = parser.parse_args(arguments)
    data = asked.run / "data"
    encoding = Encoding(data / "train.parquet")
    steps = max(int(asked.epochs * encoding.rows / asked.batch), 1)
    found = {}
    for arm in ["baseline", *asked.arm]:
        files = [data / "train.parquet"] if arm == "baseline" else expanded(asked.run, arm)
        tf.keras.utils.set_random_seed(asked.seed)
        net = mlp(encoding)
        net.fit(table(encoding, files, asked.batch, asked.seed), steps_per_epoch=steps, shuffle=False, verbose=0)
        figures = judged(net, encoding, data / "valid.parquet", data / "test.parquet")
        print(f"{arm:24}" + "  ".join(f"{name} {value:.4f}" for name, value in figures.items()), flush=True)
        found[arm] = figures["AUC"]
    return found


def expanded(run: Path, arm: str) -> list[Path]:
    """The files of an arm's rows: real ones first, then those of each step."""
    plain = "-".join(part for part in "".join(one if one.isalnum() else " " for one in arm).split())
    files = sorted((run / "arms" / plain / "expanded").glob("*.parquet"))
    if not files:
        raise SystemExit(
            f"{run}: no rows of an arm {arm!r}; there are {sorted(p.name for p in (run / 'arms').iterdir())}"
        )
    return files


class Encoding:
    """What the real training rows say of each column: sizes of numbers, names of categories."""

    def __init__(self, path: Path) -> None:
        train = pq.read_table(path)
        said = json.loads(train.schema.metadata[b"leaven.samples"])
        self.rows, self.numeric, self.categorical = len(train), said["numeric"], said["categorical"]
        self.laws, self.levels = {}, {}
        for name in self.numeric:
            cells = train.column(name).to_numpy()
            known = cells[~np.isnan(cells)]
            spread = known.std() if len(known) else 0.0
            skewed = spread > 0 and abs((((known - known.mean()) / spread) ** 3).mean()) > 2
            sized = np.sign(known) * np.log1p(np.abs(known)) if skewed else known
            self.laws[name] = (skewed, sized.mean() if len(sized) else 0.0, (sized.std() if len(sized) else 0.0) or 1.0)
        for name in self.categorical:
            names, counts = np.unique(
                train.column(name).cast(pa.string()).drop_null().to_numpy(False), return_counts=True
            )
            self.levels[name] = names[counts >= FEWEST_ROWS].astype(str).tolist()

    def __call__(self, rows: pa.RecordBatch) -> tuple[Columns, np.ndarray, np.ndarray]:
        """(features, label, weight) of some rows: missing numbers are the mean, missing names are unknown."""
        numbers = np.zeros((len(rows), 2 * len(self.numeric)), np.float32)
        for place, name in enumerate(self.numeric):
            skewed, centre, scale = self.laws[name]
            cells = rows.column(name).to_numpy(False).astype(np.float64)
            sized = np.sign(cells) * np.log1p(np.abs(cells)) if skewed else cells
            numbers[:, 2 * place] = np.clip(np.nan_to_num((sized - centre) / scale), -FAR, FAR)
            numbers[:, 2 * place + 1] = np.isnan(cells)
        features = {"numbers": numbers}
        for name in self.categorical:
            texts = rows.column(name).cast(pa.string()).fill_null("").to_numpy(False)
            features[name] = texts.astype(bytes).astype(object)
        label, weight = (rows.column(f"leaven_{name}").to_numpy(False) for name in ("label", "weight"))
        return features, label, weight

    @property
    def signature(self) -> Any:
        """Types and shapes for tf.data."""
        features = {"numbers": tf.TensorSpec((None, 2 * len(self.numeric)), tf.float32)}
        features |= {name: tf.TensorSpec((None,), tf.string) for name in self.categorical}
        return features, tf.TensorSpec((None,), tf.float32), tf.TensorSpec((None,), tf.float32)


def table(encoding: Encoding, files: list[Path], batch: int, seed: int = 0) -> tf.data.Dataset:
    """The rows of the files for ever, mixed through a window of 65,536; one row group at a time lies in memory."""

    def groups() -> Iterator[Any]:
        for path in files:
            for rows in pq.ParquetFile(path).iter_batches(8192):
                yield encoding(rows)

    rows = tf.data.Dataset.from_generator(groups, output_signature=encoding.signature).unbatch()
    return rows.shuffle(65_536, seed=seed).repeat().batch(batch).prefetch(2)


def mlp(encoding: Encoding) -> tf.keras.Model:
    """512-256-128-1, ReLU, sigmoid, binary cross-entropy, Adam; categories as embeddings."""
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


def judged(net: tf.keras.Model, encoding: Encoding, valid: Path, test: Path) -> dict[str, float]:
    """AUC; accuracy, recall and F1 at .5; F1 at the threshold that was best on the validation rows."""
    (label, chance), (valid_label, valid_chance) = (predicted(net, encoding, path) for path in (test, valid))
    cuts = np.unique(np.round(valid_chance, 3))
    cut = max(cuts.tolist(), key=lambda one: f1(valid_label, valid_chance >= one))
    said = chance >= 0.5
    figures = {"AUC": auc(label, chance), "accuracy": float((said == (label > 0.5)).mean())}
    figures |= {"recall": float(said[label > 0.5].mean()), "F1 at .5": f1(label, said)}
    return figures | {f"F1 at {cut:.3f}": f1(label, chance >= cut)}


def predicted(net: tf.keras.Model, encoding: Encoding, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """(label, chance) of the rows of a file."""
    labels, chances = [], []
    for rows in pq.ParquetFile(path).iter_batches(8192):
        features, label, _ = encoding(rows)
        labels.append(label)
        chances.append(net({name: tf.constant(one) for name, one in features.items()}, training=False).numpy()[:, 0])
    return np.concatenate(labels), np.concatenate(chances)


def auc(label: np.ndarray, chance: np.ndarray) -> float:
    """Chance that a positive row stands above a negative one, ties half."""
    _, place, size = np.unique(chance, return_inverse=True, return_counts=True)
    rank = (np.cumsum(size) - (size - 1) / 2)[place]
    yes = label > 0.5
    count = int(yes.sum())
    return float((rank[yes].sum() - count * (count + 1) / 2) / (count * (len(label) - count)))


def f1(label: np.ndarray, said: np.ndarray) -> float:
    """Harmonic mean of precision and recall."""
    both = int(said.sum()) + int((label > 0.5).sum())
    return 2 * float((said & (label > 0.5)).sum()) / both if both else 0.0


if __name__ == "__main__":
    main()
