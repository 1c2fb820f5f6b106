"""Mixup and splice of histories."""

import numpy as np
import pytest

from leaven import rng
from leaven.datasets.histories import Histories, concat_histories
from leaven.errors import SpecError
from leaven.transforms.sequence.mixup import Mixup, Splice


def changed(wish, train: Histories, rows: Histories) -> Histories:
    return wish.fit(train)(rows, rng.derive_row_keys(5, rows.row_ids), np.ones(len(rows), np.float32)).validate()


def test_mixed_events_are_the_donor_s_at_the_same_position() -> None:
    train = Histories.from_lists([[1, 2, 3, 4], [5, 6]], n_items=6)
    new = changed(Mixup(share_range=(1.0, 1.0)), train, train)
    assert new.row_items(0).tolist() == [5, 5, 6, 4]  # half of the row from each half of the donor; the last stays
    assert new.row_items(1).tolist() == [1, 6]


def test_no_row_is_its_own_donor() -> None:
    train = Histories.from_lists([[n] * 4 for n in range(1, 9)], n_items=8)
    many = train.take(np.repeat(np.arange(8), 200))
    new = Mixup(share_range=(0.75, 0.75)).fit(train)(
        many, rng.mix_bits(np.arange(len(many), dtype=np.uint64)), np.ones(len(many), np.float32)
    )
    borrowed = new.items.reshape(-1, 4)[:, 0]
    assert (borrowed != many.items.reshape(-1, 4)[:, 0]).all()
    assert set(borrowed.tolist()) == set(range(1, 9))


def test_a_single_user_has_no_donor() -> None:
    train = Histories.from_lists([[1, 2, 3, 4]], n_items=4)
    for wish in (Mixup(), Splice(), Splice(cut_at="end")):
        assert changed(wish, train, train).items.tolist() == [1, 2, 3, 4]
        assert wish.fit(train).reasons(train)["no other history as donor"].tolist() == [True]


def test_only_real_rows_are_donors() -> None:
    real = Histories.from_lists([[1, 1, 1], [2, 2, 2]], n_items=3)
    made = Histories.from_lists([[3, 3, 3]] * 50, n_items=3)
    made.origin[:] = 1
    rows = real.take(np.zeros(200, np.int64))
    new = Mixup(share_range=(1.0, 1.0)).fit(concat_histories([real, made]))(
        rows, rng.mix_bits(np.arange(200, dtype=np.uint64)), np.ones(200, np.float32)
    )
    assert set(new.items.tolist()) == {1, 2}


def test_a_splice_joins_histories_at_a_shared_item() -> None:
    train = Histories.from_lists([[1, 2, 3, 4], [7, 8, 3, 9]], n_items=9, times=[[100, 200, 300, 400], [5, 10, 30, 40]])
    new = changed(Splice(keep_range=(0.5, 0.5)), train, train)
    assert new.row_items(0).tolist() == [7, 8, 3, 4]
    assert new.times[:4].tolist() == [275, 280, 300, 400]  # the donor's waits before the item, then the own ones
    assert new.row_items(1).tolist() == [1, 2, 3, 9]


def test_without_a_shared_item_a_splice_takes_the_donor_s_last_events() -> None:
    train = Histories.from_lists([[1, 2, 3, 4], [5, 6, 7]], n_items=7, times=[[10, 20, 30, 40], [1, 2, 9]])
    assert changed(Splice(keep_range=(0.5, 0.5)), train, train).items.tolist() == train.items.tolist()
    new = changed(Splice(keep_range=(0.5, 0.5), cut_at="end"), train, train)
    assert new.row_items(0).tolist() == [6, 7, 3, 4]
    assert new.times[:4].tolist() == [23, 30, 30, 40]


def test_long_donors_change_short_histories_only() -> None:
    train = Histories.from_lists([[1, 1], [2, 2], [3, 3], [4, 4], [5] * 8], n_items=5)
    wish = Mixup(share_range=(1.0, 1.0), donors="long")
    new = changed(wish, train, train)
    assert [new.row_items(i).tolist() for i in range(4)] == [[5, n] for n in (1, 2, 3, 4)]
    assert new.row_items(4).tolist() == [5] * 8
    stuck = wish.fit(train).reasons(train)["longer than 2 events: a donor itself"]
    assert stuck.tolist() == [False] * 4 + [True]


def test_a_wrong_value_names_the_nearest() -> None:
    with pytest.raises(SpecError, match="did you mean 'shared_item'"):
        Splice(cut_at="shared_itm")
