"""Thousands of sparse columns, and cells of several names, in a few numbers."""

import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from leaven.ctr_features import LabeledTable, read_labeled_table
from leaven.ctr_features.feature_hashing import add_names, hash_features
from leaven.ctr_models.logistic import Logistic
from leaven.errors import DataError, SpecError
from leaven.metrics.ctr.ctr_metrics import Auc
from leaven.protocols import TrainingContext


def sparse(folder: Path, rows: int = 1500, columns: int = 5000) -> Path:
    """Ten columns of a row are not 0; the sign of the first thirty columns decides the label."""
    draw = np.random.default_rng(1)
    cells = np.zeros((columns, rows), np.float32)
    for _ in range(10):
        cells[draw.integers(0, columns, rows), np.arange(rows)] = 1.0
    cells[draw.integers(0, 30, rows), np.arange(rows)] = 1.0
    label = (cells[:15].sum(axis=0) > cells[15:30].sum(axis=0)).astype(int)
    table = {"clicked": label} | {f"f{place}": cells[place] for place in range(columns)}
    pq.write_table(pa.table(table), folder / "wide.parquet")
    return folder / "wide.parquet"


def test_five_thousand_sparse_columns_are_read_in_seconds_and_stay_informative(tmp_path: Path) -> None:
    path = sparse(tmp_path)
    began = time.process_time()
    rows = read_labeled_table(LabeledTable(path, "clicked", hashed=("f*",), buckets=512))
    seconds = time.process_time() - began
    assert rows.numbers.shape == (1500, 512)
    assert seconds < 30
    train, test = rows.take(np.arange(1000)), rows.take(np.arange(1000, 1500))
    model = Logistic(inverse_regularization=0.05).fit(train, TrainingContext(key=1))
    assert Auc()(test.label.astype(float), model.predict(test)) > 0.85


def test_multi_valued_cells_are_signed_sums_of_their_buckets() -> None:
    table = pa.table({"y": [1, 0, 1], "tags": ["red | sale", None, "sale"]})
    rows = read_labeled_table(LabeledTable(table, "y", multi_valued=("tags",), buckets=8))
    bucket, sign = hash_features(["tags=red", "tags=sale"], 8)
    wanted = np.zeros((3, 8))
    wanted[0, bucket[0]] += sign[0]
    wanted[[0, 2], bucket[1]] += sign[1]
    assert rows.numeric == tuple(f"tags_{place}" for place in range(8))
    assert np.array_equal(rows.numbers, wanted)


def test_inner_products_are_unbiased() -> None:
    found = []
    for turn in range(200):
        sums = np.zeros((2, 16))
        shared, own = [f"{turn}-{one}" for one in range(6)], [f"{turn}-own{one}" for one in range(20)]
        add_names(sums, np.zeros(16, np.int64), shared + own[:10])
        add_names(sums, np.ones(16, np.int64), shared + own[10:])
        found.append(float(sums[0] @ sums[1]))
    assert np.mean(found) == pytest.approx(6, abs=1.2)


def test_patterns_without_a_match_and_texts_in_hashed_columns_are_errors() -> None:
    table = pa.table({"y": [1, 0], "f1": ["1", "x"], "f2": ["2", "3"]})
    with pytest.raises(DataError, match=r"'g\*'"):
        read_labeled_table(LabeledTable(table, "y", hashed=("g*",)))
    with pytest.raises(DataError, match="column 'f1'"):
        read_labeled_table(LabeledTable(table, "y", hashed=("f*",)))
    with pytest.raises(SpecError, match="1 bucket"):
        LabeledTable(table, "y", hashed=("f*",), buckets=0)
