"""Masking, dropping, cropping and reordering against known results."""

from dataclasses import replace

import numpy as np
import pytest

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.errors import SpecError
from leaven.transforms.sequence.crop import Crop, Truncate
from leaven.transforms.sequence.masking import Drop, Mask
from leaven.transforms.sequence.reorder import Reorder, Rotate, Swap

ROWS, LENGTH = 4000, 10


def many() -> Histories:
    """4,000 rows of the items 1..10."""
    return Histories.from_lists([list(range(1, LENGTH + 1))] * ROWS, n_items=LENGTH)


def changed(wish, rows: Histories, strength: float = 1.0) -> Histories:
    return wish.fit(rows)(rows, rng.derive_row_keys(3, rows.row_ids), np.full(len(rows), strength, np.float32))


@pytest.mark.parametrize("strength", [0.25, 1.0])
def test_mask_and_drop_change_the_requested_share(strength) -> None:
    rows = many()
    masked = changed(Mask(share_range=(0.1, 0.3)), rows, strength)
    dropped = changed(Drop(share_range=(0.1, 0.3)), rows, strength)
    assert (masked.items == rows.mask_id).mean() == pytest.approx(0.2 * strength, abs=0.005)
    assert 1 - dropped.n_events / rows.n_events == pytest.approx(0.2 * strength, abs=0.005)


def test_every_event_but_the_last_is_masked_equally_often() -> None:
    masked = changed(Mask(share_range=(0.3, 0.3)), many()).items.reshape(ROWS, LENGTH)
    hidden = (masked == LENGTH + 1).mean(axis=0)
    assert hidden[-1] == 0
    np.testing.assert_allclose(hidden[:-1], 3 / 9, atol=0.03)


def test_the_last_event_is_never_masked() -> None:
    rows = Histories.from_lists([[1], [1, 2], [1, 2, 3]], n_items=3)
    assert changed(Mask(share_range=(1.0, 1.0)), rows).items.tolist() == [1, 4, 2, 4, 4, 3]


def test_positions_weigh_events_as_named() -> None:
    rows = Histories.from_lists([[1, 2, 2, 3]] * ROWS, n_items=3, times=[[0, 10, 100_000, 100_001]] * ROWS)
    share = {}
    for positions in ("uniform", "popularity", "recency", "gap"):
        masked = changed(Mask(share_range=(0.25, 0.25), positions=positions), rows)
        share[positions] = (masked.items.reshape(ROWS, 4) == 4).mean(axis=0)
    np.testing.assert_allclose(share["uniform"][:3], 1 / 3, atol=0.03)
    np.testing.assert_allclose(share["popularity"][:3], [1 / 5, 2 / 5, 2 / 5], atol=0.03)
    np.testing.assert_allclose(share["recency"][:3], [1 / 6, 2 / 6, 3 / 6], atol=0.03)
    assert share["gap"][2] > 0.99


def test_crop_keeps_one_window_at_any_position() -> None:
    rows = many()
    cropped = changed(Crop(keep_range=(0.5, 0.5)), rows)
    assert (cropped.lengths == 5).all()
    windows = cropped.items.reshape(ROWS, 5)
    assert (np.diff(windows, axis=1) == 1).all()
    np.testing.assert_allclose(np.bincount(windows[:, 0])[1:], ROWS / 6, rtol=0.15)


def test_crop_by_events_and_by_seconds() -> None:
    rows = Histories.from_lists([[1, 2, 3, 4, 5]], n_items=5, times=[[0, 10, 20, 1000, 1010]])
    last_three = changed(Crop(keep_range=(3, 3), unit="events", keep_last=True), rows)
    assert last_three.items.tolist() == [3, 4, 5]
    minute = changed(Crop(keep_range=(60, 60), unit="seconds", keep_last=True), rows)
    assert minute.items.tolist() == [4, 5]
    anywhere = replace(many(), times=many().times + 1_600_000_000)
    seconds = changed(Crop(keep_range=(3, 3), unit="seconds"), anywhere)
    assert (seconds.lengths == 4).all()


def test_crop_keeps_two_events() -> None:
    assert changed(Crop(keep_range=(0.0, 0.0)), many()).lengths.tolist() == [2] * ROWS


def test_half_the_strength_is_half_the_change() -> None:
    cropped = changed(Crop(keep_range=(0.6, 0.6)), many(), strength=0.5)
    assert (cropped.lengths == 8).all()


def test_truncate_keeps_the_end() -> None:
    rows = Histories.from_lists([[1, 2, 3, 4], [5]], n_items=5)
    cut = changed(Truncate(max_events=2), rows)
    assert cut.items.tolist() == [3, 4, 5]


def test_reorder_changes_one_window_and_keeps_the_last_item() -> None:
    rows = many()
    new = changed(Reorder(share_range=(0.3, 0.3)), rows).items.reshape(ROWS, LENGTH)
    assert (np.sort(new, axis=1) == rows.items.reshape(ROWS, LENGTH)).all()
    moved = new != rows.items.reshape(ROWS, LENGTH)
    assert not moved[:, -1].any()
    first = moved.argmax(axis=1)
    last = LENGTH - 1 - moved[:, ::-1].argmax(axis=1)
    assert (last - first)[moved.any(axis=1)].max() <= 2  # a window of 3


def test_every_order_of_a_window_is_equally_likely() -> None:
    rows = Histories.from_lists([[1, 2, 3, 4]] * 6000, n_items=4)
    new = changed(Reorder(share_range=(1.0, 1.0)), rows).items.reshape(-1, 4)[:, :3]
    _, counts = np.unique(new, axis=0, return_counts=True)
    assert len(counts) == 6
    np.testing.assert_allclose(counts, 1000, rtol=0.12)


def test_rotate_is_a_circular_shift() -> None:
    rows = Histories.from_lists([[1, 2, 3, 4]], n_items=4)
    whole = changed(Rotate(amount_range=(0.25, 0.25), keep_last=False), rows)
    assert whole.items.tolist() == [4, 1, 2, 3]


def test_rows_that_no_order_can_change_have_a_reason() -> None:
    rows = Histories.from_lists([[1, 1, 1, 2], [1, 2, 1], [3, 3], [], [2, 2, 2]], n_items=3)
    for wish in (Reorder(), Rotate(), Swap()):
        reasons = wish.fit(rows).reasons(rows)
        assert reasons["the same item throughout"].tolist() == [True, False, False, False, True]
        assert reasons["shorter than 3 events"].tolist() == [False, False, True, True, False]
        new = changed(wish, rows)
        assert new.row_items(0).tolist() == [1, 1, 1, 2]


def test_swap_exchanges_adjacent_items() -> None:
    rows = many()
    new = changed(Swap(share_range=(0.2, 0.2)), rows).items.reshape(ROWS, LENGTH)
    moved = np.abs(new - rows.items.reshape(ROWS, LENGTH))
    assert moved.sum() == pytest.approx(
        2 * ROWS * 0.9, rel=0.03
    )  # 0.2 of nine events are 1.8, two a swap: 0.9 swaps in the mean


@pytest.mark.parametrize(
    ("make", "where"),
    [
        (lambda: Crop(keep_range=(0.9, 0.6)), "crop.keep_range"),
        (lambda: Crop(keep_range=(0.5, 1.5)), "crop.keep_range"),
        (lambda: Crop(unit="hours"), "crop.unit"),
        (lambda: Mask(share_range=(float("nan"), 0.5)), "mask.share_range"),
        (lambda: Mask(p=1.5), "mask.p"),
        (lambda: Drop(positions="oldest"), "drop.positions"),
        (lambda: Reorder(share_range=(0.1,)), "reorder.share_range"),
        (lambda: Swap(max_distance=0), "swap.max_distance"),
        (lambda: Truncate(max_events=1), "truncate.max_events"),
    ],
)
def test_a_wrong_field_is_named(make, where) -> None:
    with pytest.raises(SpecError, match=where):
        make()
