"""Transforms that choose a member for each row."""

import numpy as np
import pytest

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.errors import SpecError
from leaven.transforms.sequence.compose import Maybe, SomeOf
from leaven.transforms.sequence.crop import Crop
from leaven.transforms.sequence.masking import Drop, Mask
from leaven.transforms.sequence.random_choice import ByLength, TrivialAugment
from leaven.transforms.sequence.reorder import Reverse


def changed(wish, rows: Histories) -> Histories:
    return wish.fit(rows)(rows, rng.derive_row_keys(5, rows.row_ids), np.ones(len(rows), np.float32)).validate()


def many(rows: int = 3000) -> Histories:
    return Histories.from_lists([list(range(1, 11))] * rows, n_items=10)


def test_short_and_long_rows_get_different_transforms() -> None:
    rows = Histories.from_lists([[1, 2, 3], [1, 2, 3, 4, 5, 6], [1, 2, 3]], n_items=6)
    new = changed(ByLength(Reverse(keep_last=False), Crop(keep_range=(0.5, 0.5)), max_short_events=3), rows)
    assert new.row_items(0).tolist() == new.row_items(2).tolist() == [3, 2, 1]
    assert new.lengths.tolist() == [3, 3, 3]


def test_reasons_are_those_of_the_transform_for_the_row() -> None:
    rows = Histories.from_lists([[1], [1, 2], [1, 2, 3, 4]], n_items=4)
    reasons = ByLength(Drop(), Mask(), max_short_events=2).fit(rows).reasons(rows)
    assert reasons["shorter than 3 events"].tolist() == [True, True, False]
    assert reasons["shorter than 2 events"].tolist() == [False, False, False]


def test_some_of_applies_exactly_count_members_in_order() -> None:
    wish = SomeOf((Crop(keep_range=(0.5, 0.5)), Mask(share_range=(0.4, 0.4)), Reverse(keep_last=False)), count=2)
    new = changed(wish, many())
    short = new.lengths == 5
    masked = np.add.reduceat(new.items == 11, new.starts[:-1]) > 0
    seen = np.where(new.items == 11, 0, new.items)
    backward = [bool((np.diff(row[row > 0]) < 0).all()) for row in np.split(seen, new.starts[1:-1])]
    applied = short.astype(int) + masked + np.array(backward)
    assert (applied == 2).all()
    np.testing.assert_allclose([short.mean(), masked.mean(), np.mean(backward)], 2 / 3, atol=0.04)


def test_maybe_changes_a_share_of_p_of_the_rows() -> None:
    new = changed(Maybe(Reverse(), p=0.3), many())
    assert (new.items.reshape(-1, 10)[:, 0] != 1).mean() == pytest.approx(0.3, abs=0.03)


def test_trivial_augment_draws_one_transform_and_a_strength() -> None:
    new = changed(TrivialAugment((Crop(keep_range=(0.0, 0.0)), Reverse(share_range=(1.0, 1.0)))), many())
    cropped = new.lengths < 10
    assert cropped.mean() == pytest.approx(0.5, abs=0.07)
    assert set(new.lengths.tolist()) == set(range(2, 11))


def test_count_cannot_exceed_the_number_of_members() -> None:
    with pytest.raises(SpecError, match=r"some_of\.count"):
        SomeOf((Crop(),), count=2)
