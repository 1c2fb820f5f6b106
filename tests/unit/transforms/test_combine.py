"""Combinations of transforms."""

import numpy as np
import pytest

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.errors import SpecError
from leaven.transforms.sequence.compose import Chain
from leaven.transforms.sequence.crop import Crop
from leaven.transforms.sequence.masking import Drop, Mask
from leaven.transforms.sequence.random_choice import OneOf
from leaven.transforms.sequence.reorder import Reverse
from leaven.transforms.sequence.windows import Windows


def changed(wish, rows: Histories, step: int = 3) -> Histories:
    return wish.fit(rows)(rows, rng.derive_row_keys(step, rows.row_ids), np.ones(len(rows), np.float32))


def many(rows: int = 3000) -> Histories:
    return Histories.from_lists([list(range(1, 11))] * rows, n_items=10)


def test_a_chain_applies_its_members_in_order() -> None:
    rows = Histories.from_lists([[1, 2, 3, 4]], n_items=4)
    half, back = Crop(keep_range=(0.5, 0.5), keep_last=True), Reverse(keep_last=False)
    assert changed(Chain((half, back)), rows).items.tolist() == [4, 3]
    assert changed(Chain((back, half)), rows).items.tolist() == [2, 1]


def test_the_draws_of_a_member_do_not_depend_on_other_members() -> None:
    rows = many()
    one = changed(Chain((Reverse(p=0.0), Mask())), rows)
    other = changed(Chain((Reverse(share_range=(0.2, 0.9), p=0.0), Mask())), rows)
    assert one.items.tolist() == other.items.tolist()


def test_the_fields_of_a_member_do_not_change_rows_of_other_members() -> None:
    rows = many()
    one = changed(OneOf((Crop(keep_range=(0.2, 0.4)), Mask())), rows)
    other = changed(OneOf((Crop(keep_range=(0.8, 0.9), keep_last=True), Mask())), rows)
    masked = [i for i in range(len(rows)) if one.lengths[i] == 10]
    assert len(masked) > 1000
    assert all(one.row_items(i).tolist() == other.row_items(i).tolist() for i in masked)


def test_windows_in_a_chain_get_derived_keys() -> None:
    rows = Histories.from_lists([list(range(1, 41))], n_items=40)
    new = changed(Chain((Windows(rule="slide", max_events=20), Mask(share_range=(0.5, 0.5)))), rows)
    assert len(new) == 21
    hidden = {tuple(new.row_items(i) == rows.mask_id) for i in range(len(new))}
    assert len(hidden) == 21
    assert (new.parents == rows.row_ids[0]).all()


def test_one_of_draws_by_weight_and_keeps_the_order_of_rows() -> None:
    rows = many()
    wish = OneOf((Crop(keep_range=(0.5, 0.5)), Mask(share_range=(0.5, 0.5)), Reverse()), (2.0, 1.0, 1.0))
    new = changed(wish, rows)
    assert new.row_ids.tolist() == rows.row_ids.tolist()
    masked = np.add.reduceat(new.items == rows.mask_id, new.starts[:-1]) > 0
    assert (new.lengths == 5).mean() == pytest.approx(0.5, abs=0.03)
    assert masked.mean() == pytest.approx(0.25, abs=0.03)


def test_a_row_has_a_reason_where_every_member_has_one() -> None:
    rows = Histories.from_lists([[1], [1, 2], [1, 2, 3]], n_items=3)
    reasons = OneOf((Drop(), Mask())).fit(rows).reasons(rows)
    assert np.any(list(reasons.values()), axis=0).tolist() == [True, False, False]


@pytest.mark.parametrize("wrong", [(), (Crop,), Crop(), ("crop",)])
def test_members_must_be_transforms(wrong) -> None:
    with pytest.raises(SpecError, match=r"chain\.transforms"):
        Chain(wrong)


def test_weights_need_one_value_for_each_member() -> None:
    with pytest.raises(SpecError, match=r"one_of\.weights"):
        OneOf((Crop(), Mask()), (1.0,))
