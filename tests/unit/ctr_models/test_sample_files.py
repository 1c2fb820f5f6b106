"""A net learns from rows that stay in their files."""

from pathlib import Path

import numpy as np
import pytest

from leaven.ctr_models import neural
from leaven.ctr_models.neural import Mlp
from leaven.datasets import samples
from leaven.datasets.sample_files import RowGroup, SampleFiles
from leaven.datasets.samples import Samples
from leaven.errors import DataError
from leaven.metrics.ctr.ctr_metrics import Auc
from leaven.protocols import TrainingContext


def world(rows: int, seed: int = 0) -> Samples:
    draw = np.random.default_rng(seed)
    x, kind = draw.normal(size=rows), draw.choice(np.array(["a", "b"], object), rows)
    label = (x * np.where(kind == "a", 1, -1) + 0.3 * draw.normal(size=rows) > 0).astype(float)
    keys = np.arange(1, rows + 1, dtype=np.uint64) + np.uint64(1_000_000 * seed)
    return Samples.from_columns({"x": x, "kind": kind}, label, keys)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setattr(samples, "ROW_GROUP_SIZE", 250)
    monkeypatch.setattr(neural, "WINDOW_ROWS", 1000)
    monkeypatch.setattr(neural, "SAMPLED_ROWS", 800)
    for place in range(3):
        world(2000, seed=place).write_file(tmp_path / f"{place:02d}.parquet")
    return tmp_path


def test_training_holds_one_window_in_memory_and_never_all_rows(folder: Path, monkeypatch) -> None:
    most, held = [0], SampleFiles.read_samples

    def read(files: SampleFiles) -> Samples:
        most[0] = max(most[0], len(files))
        return held(files)

    monkeypatch.setattr(SampleFiles, "read_samples", read)
    wish = Mlp(hidden=(32,), batch_size=64, epochs=4)
    model = wish.fit(SampleFiles.from_paths(folder), TrainingContext(key=3, validation=world(300, seed=8)))
    assert 500 <= most[0] <= 1250
    test = world(1000, seed=9)
    assert Auc()(test.label.astype(float), model.predict(test)) > 0.9
    assert 0.97 * 24_000 <= model.facts["targets"] <= 24_000  # windows end with a short batch
    again = wish.fit(SampleFiles.from_paths(folder), TrainingContext(key=3, validation=world(300, seed=8)))
    assert np.array_equal(again.predict(test), model.predict(test))


def test_every_row_occurs_once_per_epoch_in_another_order(folder: Path) -> None:
    files = SampleFiles.from_paths(folder)
    orders = [
        [row for one in files.split_windows(1000, key) for row in one.read_samples().row_ids.tolist()] for key in (1, 2)
    ]
    assert len(files) == 6000
    assert sorted(orders[0]) == sorted(orders[1])
    assert len(set(orders[0])) == 6000
    assert orders[0] != orders[1]
    assert all(isinstance(part, RowGroup) and part.n_rows == 250 for part in files.row_groups)


def test_a_sample_is_spread_evenly_over_all_files(folder: Path) -> None:
    some = SampleFiles.from_paths(folder).sample_rows(800)
    assert 700 <= len(some) <= 800
    assert np.bincount(some.row_ids.astype(np.int64) // 1_000_000).tolist() == [250, 250, 250]


def test_one_window_trains_the_same_model_as_a_table_in_memory(folder: Path, monkeypatch) -> None:
    monkeypatch.setattr(neural, "SAMPLED_ROWS", 10_000)
    rows, wish = world(2000), Mlp(hidden=(8,), batch_size=100, epochs=1)
    rows.write_file(folder / "whole.parquet")
    monkeypatch.setattr(neural, "WINDOW_ROWS", 10_000)
    monkeypatch.setattr(SampleFiles, "split_windows", lambda files, rows, key: [files])
    one = wish.fit(SampleFiles.from_paths(folder / "whole.parquet"), TrainingContext(key=5)).predict(rows)
    assert np.array_equal(one, wish.fit(rows, TrainingContext(key=5)).predict(rows))


def test_a_folder_without_rows_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="files with rows"):
        SampleFiles.from_paths(tmp_path)
    (tmp_path / "x.parquet").write_text("no")
    with pytest.raises(DataError, match=r"x\.parquet"):
        SampleFiles.from_paths(tmp_path)
