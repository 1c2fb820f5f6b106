"""Rows are read in any form, and invalid comparisons raise errors."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bench.defects import HistoryLaw, TableLaw

from leaven.datasets.histories import Histories, concat_histories
from leaven.errors import DataError, SpecError
from leaven.modalities.tabular import TabularRows
from leaven.quality.loading import read_inputs

REAL, HELD, NEW = (HistoryLaw().rows(60, key) for key in (1, 2, 3))
TABLES = tuple(TableLaw().rows(60, key) for key in (1, 2, 3))


def written(rows: Histories, path: Path, prefix: str = "i") -> Path:
    frame = rows.to_pandas()
    frame["item"], frame["time"] = prefix + frame["item"], rows.times
    frame[["user", "item", "time"]].to_csv(path, index=False)
    return path


def test_logs_share_one_catalog_by_original_ids(tmp_path: Path) -> None:
    files = [written(rows, tmp_path / f"{name}.csv") for name, rows in (("r", REAL), ("h", HELD), ("n", NEW))]
    found = read_inputs(*files)
    assert found.modality == "sequence"
    assert found.real.n_items == found.held_out.n_items == found.new.n_items
    ids = sorted({f"i{item}" for rows in (REAL, HELD, NEW) for item in rows.items})
    assert found.new.n_items == len(ids)
    mine = {int(key): found.new.row_items(row).tolist() for row, key in enumerate(found.new.row_ids)}
    theirs = {tuple(ids.index(f"i{item}") + 1 for item in NEW.row_items(row)) for row in range(len(NEW))}
    assert {tuple(row) for row in mine.values()} == theirs


def test_synthetic_rows_of_a_mixed_parquet_file_are_the_new_rows(tmp_path: Path) -> None:
    made = replace(NEW, origin=np.ones(len(NEW), np.int16))
    for name, rows in (("r", REAL), ("h", HELD), ("n", concat_histories([REAL, made]))):
        rows.write_file(tmp_path / f"{name}.parquet")
    found = read_inputs(tmp_path / "r.parquet", tmp_path / "h.parquet", tmp_path / "n.parquet")
    assert len(found.new) == len(NEW)
    assert found.notes["real_rows_left_out_of_new"] == len(REAL)


def test_other_catalogs_raise_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="one catalog"):
        read_inputs(REAL, HELD, replace(NEW, n_items=NEW.n_items + 5))
    files = [written(rows, tmp_path / f"{name}.csv") for name, rows in (("r", REAL), ("h", HELD))]
    with pytest.raises(DataError, match="100% of the new events"):
        read_inputs(*files, written(NEW, tmp_path / "n.csv", prefix="other"))


def test_a_log_with_stored_histories_raises_an_error(tmp_path: Path) -> None:
    REAL.write_file(tmp_path / "r.parquet")
    with pytest.raises(DataError, match="the same form"):
        read_inputs(tmp_path / "r.parquet", HELD, written(NEW, tmp_path / "n.csv"), "sequence")


@pytest.mark.parametrize(("real", "held", "new"), [(REAL, HELD, NEW), TABLES])
def test_held_out_training_rows_raise_an_error_with_their_number(real, held, new) -> None:
    some = np.arange(15)
    mixed = (
        concat_histories([held, real.take(some)])
        if isinstance(held, Histories)
        else TabularRows({n: np.concatenate([c, real.columns[n][:15]]) for n, c in held.columns.items()})
    )
    with pytest.raises(DataError, match=r"15 of 75 held-out rows \(20%\)"):
        read_inputs(real, mixed, new)


def test_rows_that_are_equal_by_chance_are_no_overlap() -> None:
    """Of two columns with two values each, unseen lines equal training lines without any leak."""
    chance = np.random.default_rng(1)
    tables = [TabularRows({n: chance.choice(["a", "b"], 50) for n in ("x", "y")}) for _ in range(3)]
    found = read_inputs(*tables)
    assert found.notes["held_out_rows_equal_to_a_training_row"] == 50


def test_empty_rows_are_left_out_and_counted() -> None:
    empty = Histories.from_lists([[], [1, 2]], n_items=NEW.n_items)
    found = read_inputs(REAL, HELD, empty)
    assert len(found.new) == 1
    assert found.notes["empty_rows_new"] == 1


def test_tables_are_read_equally_from_csv_frames_and_mappings(tmp_path: Path) -> None:
    frame = pd.DataFrame(dict(TABLES[0].columns))
    frame.to_csv(tmp_path / "real.csv", index=False)
    for source in (tmp_path / "real.csv", frame, dict(TABLES[0].columns)):
        found = read_inputs(source, TABLES[1], TABLES[2], "tabular")
        assert list(found.real.columns) == list(TABLES[0].columns)
        np.testing.assert_allclose(found.real.columns["x0"], TABLES[0].columns["x0"])
        assert found.real.columns["shop"].tolist() == TABLES[0].columns["shop"].tolist()


def test_other_columns_raise_an_error_that_names_them() -> None:
    other = TabularRows({("price" if name == "x0" else name): column for name, column in TABLES[2].columns.items()})
    with pytest.raises(DataError, match="none called x0; also price"):
        read_inputs(TABLES[0], TABLES[1], other)


def test_a_text_among_numbers_and_infinite_numbers_raise_errors() -> None:
    words = TabularRows({**TABLES[2].columns, "x0": np.array(["1.5", "many", ""] * 20)})
    with pytest.raises(DataError, match="20 values that are no numbers, such as 'many'"):
        read_inputs(TABLES[0], TABLES[1], words)
    endless = {**TABLES[2].columns, "x0": np.full(60, np.inf)}
    with pytest.raises(DataError, match="60 infinite ones"):
        read_inputs(TABLES[0], TABLES[1], endless)


def test_a_missing_file_and_an_unknown_kind_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no-such"):
        read_inputs(tmp_path / "no-such.csv", TABLES[1], TABLES[2], "tabular")
    with pytest.raises(SpecError, match="sequence or text or image or tabular"):
        read_inputs(REAL, HELD, NEW, "poem")
