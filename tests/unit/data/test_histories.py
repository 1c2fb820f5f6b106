"""Histories: selection, storage, concatenation and invariants."""

from dataclasses import replace

import numpy as np
import pytest

from leaven.datasets.histories import Histories, concat_histories
from leaven.errors import DataError


def three() -> Histories:
    return Histories.from_lists([[1, 2, 3], [2], [3, 1]], n_items=3)


def test_taking_rows_keeps_their_events_in_order() -> None:
    taken = three().take([2, 0])
    assert taken.items.tolist() == [3, 1, 1, 2, 3]
    assert taken.starts.tolist() == [0, 2, 5]
    assert taken.row_ids.tolist() == [3, 1]
    assert taken.n_targets.tolist() == [1, 2]


def test_a_slice_copies_no_event() -> None:
    whole = three()
    part = whole.slice(1, 3)
    assert np.shares_memory(part.items, whole.items)
    assert part.starts.tolist() == [0, 1, 3]


def test_arrow_and_parquet_round_trips_preserve_all_columns(tmp_path) -> None:
    rows = three()
    rows.write_file(tmp_path / "rows.parquet")
    back = Histories.from_parquet(tmp_path / "rows.parquet")
    for name in ("items", "times", "starts", "row_ids", "parents", "origin", "weight", "n_targets"):
        assert getattr(back, name).tolist() == getattr(rows, name).tolist()
        assert getattr(back, name).dtype == getattr(rows, name).dtype
    assert back.n_items == 3


def test_concat_appends_rows() -> None:
    both = concat_histories([three(), three().slice(0, 1)])
    assert len(both) == 4
    assert both.row_items(3).tolist() == [1, 2, 3]
    assert both.validate() is both


def test_concat_with_different_catalogs_is_rejected() -> None:
    with pytest.raises(DataError, match="one catalog"):
        concat_histories([three(), Histories.from_lists([[1]], n_items=9)])


def test_descending_times_are_rejected() -> None:
    with pytest.raises(DataError, match="ascending"):
        Histories.from_lists([[1, 2]], n_items=2, times=[[5, 4]]).validate()


def test_an_id_above_the_mask_id_is_rejected() -> None:
    with pytest.raises(DataError, match="ids in 1"):
        Histories.from_lists([[1, 5]], n_items=3).validate()


def test_target_counts_are_limited_to_the_new_length() -> None:
    rows = three()
    shorter = rows.replace_events(
        starts=np.array([0, 2, 3, 4]),
        items=np.array([2, 3, 2, 3], np.int32),
        times=np.zeros(4, np.int64),
        source=np.array([1, 2, 3, 4]),
    )
    assert shorter.n_targets.tolist() == [1, 0, 0]


def test_a_price_belongs_to_the_item_and_other_columns_to_the_event() -> None:
    rows = Histories.from_lists([[1, 2, 3]], n_items=4)
    rows = replace(rows, extra={"price": np.array([1.5, 2.5, 3.5]), "value": np.array([4.0, 5.0, 3.0])})
    new = rows.replace_events(rows.starts, np.array([1, 4, 3], np.int32), rows.times, np.array([0, 1, -1]))
    np.testing.assert_array_equal(new.extra["price"], [1.5, np.nan, np.nan])
    np.testing.assert_array_equal(new.extra["value"], [4.0, 5.0, np.nan])


def test_distinct_items_are_counted_per_row() -> None:
    rows = Histories.from_lists([[1, 2, 1], [], [3, 3], [5, 4, 3, 2]], n_items=5)
    assert rows.count_distinct_items().tolist() == [2, 0, 1, 4]
    assert rows.slice(2, 4).count_distinct_items().tolist() == [1, 4]


def test_joined_rows_without_a_column_have_missing_values_in_it() -> None:
    rows = replace(three(), extra={"value": np.arange(6.0), "kind": np.zeros(6, np.int16)})
    both = concat_histories([rows, three().slice(1, 2)])
    np.testing.assert_array_equal(both.extra["value"], [0, 1, 2, 3, 4, 5, np.nan])
    assert both.extra["kind"].tolist() == [0, 0, 0, 0, 0, 0, -1]


def test_frames_files_and_decoded_items_have_the_own_ids(tmp_path) -> None:
    import pyarrow.parquet as pq

    from leaven.datasets.catalog import Catalog
    from leaven.datasets.log_names import LogNames

    names = LogNames.from_users([1, 2, 3], ["ann", "bob", "eve"])
    rows = replace(three(), catalog=Catalog(ids=["x", "y", "z"]), names=names)
    assert rows.decode([3, 1]) == ["z", "x"]
    assert rows.to_arrow().select(["user", "item"]).to_pylist()[2] == {"user": "eve", "item": ["z", "x"]}
    assert rows.to_pandas()["item"].tolist() == rows.to_polars()["item"].to_list() == ["x", "y", "z", "y", "z", "x"]
    rows.to_parquet(tmp_path / "own.parquet")
    assert pq.read_table(tmp_path / "own.parquet")["user"].to_pylist() == ["ann"] * 3 + ["bob"] + ["eve"] * 2
    rows.to_parquet(tmp_path / "codes.parquet", ids="internal")
    assert Histories.from_parquet(tmp_path / "codes.parquet").row_ids.tolist() == [1, 2, 3]
    assert pq.read_table(tmp_path / "codes.items.parquet").to_pylist()[2] == {"item_code": 3, "item": "z"}
    assert pq.read_table(tmp_path / "codes.users.parquet").to_pylist()[1] == {"row_id": 2, "user": "bob"}
    with pytest.raises(DataError, match="internal form"):
        Histories.from_parquet(tmp_path / "own.parquet")
