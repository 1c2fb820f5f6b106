"""Repetition and resampling of histories."""

import numpy as np
import pytest

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.errors import SpecError
from leaven.transforms.sequence.resampling import Repeat, RepeatPad, Resample


def changed(wish, rows: Histories, strength: float = 1.0) -> Histories:
    new = wish.fit(rows)(rows, rng.derive_row_keys(5, rows.row_ids), np.full(len(rows), strength, np.float32))
    return new.validate()


def test_a_repeat_is_the_row_itself() -> None:
    rows = Histories.from_lists([[1, 2], []], n_items=2)
    assert changed(Repeat(), rows) is rows
    assert Repeat().fit(rows).reasons(rows) == {}


def test_whole_copies_fill_the_padding_with_the_mask_between_them() -> None:
    rows = Histories.from_lists([[1, 2], [1, 2, 3], [1, 2, 3, 4, 5]], n_items=5)
    new = changed(RepeatPad(max_events=8), rows)
    assert [new.row_items(i).tolist() for i in range(3)] == [
        [1, 2, 6, 1, 2, 6, 1, 2],
        [1, 2, 3, 6, 1, 2, 3],
        [1, 2, 3, 4, 5],
    ]
    plain = changed(RepeatPad(max_events=8, add_separator=False), rows)
    assert [plain.row_items(i).tolist() for i in range(3)] == [[1, 2] * 4, [1, 2, 3] * 2, [1, 2, 3, 4, 5]]


def test_copies_come_before_the_history_with_the_same_gaps() -> None:
    rows = Histories.from_lists([[1, 2, 3]], n_items=3, times=[[100, 110, 140]])
    new = changed(RepeatPad(max_events=6, add_separator=False), rows)
    assert new.times.tolist() == [40, 50, 80, 100, 110, 140]  # one mean wait of 20 before the history begins


def test_random_copies_are_a_share_of_those_that_fit() -> None:
    rows = Histories.from_lists([[1, 2]] * 3000, n_items=2)
    new = changed(RepeatPad(max_events=20, share_range=(0.0, 1.0), add_separator=False), rows)
    assert set(new.lengths.tolist()) == set(range(2, 21, 2))
    assert (new.lengths / 2 - 1).mean() == pytest.approx(9 / 2, abs=0.15)


def test_rows_without_room_have_a_reason() -> None:
    rows = Histories.from_lists([[], [1, 2], [1, 2, 1]], n_items=2)
    reasons = RepeatPad(max_events=5).fit(rows).reasons(rows)
    assert reasons["no room for a copy in 5 events"].tolist() == [False, False, True]
    assert reasons["shorter than 1 events"].tolist() == [True, False, False]


def test_resampling_keeps_the_ends_and_the_order() -> None:
    rows = Histories.from_lists([[1, 2, 3, 4, 5]], n_items=5, times=[[0, 10, 20, 30, 40]])
    fewer = changed(Resample(size_range=(3, 3), unit="events"), rows)
    assert (fewer.items.tolist(), fewer.times.tolist()) == ([1, 3, 5], [0, 20, 40])
    more = changed(Resample(size_range=(9, 9), unit="events"), rows)
    assert more.times.tolist() == list(range(0, 41, 5))
    assert more.items.tolist() == [1, 2, 2, 3, 3, 4, 4, 5, 5]


def test_half_the_strength_is_half_the_change_of_size() -> None:
    rows = Histories.from_lists([[1, 2, 3, 4, 5]], n_items=5)
    assert changed(Resample(size_range=(9, 9), unit="events"), rows, strength=0.5).lengths.tolist() == [7]


def test_a_wrong_field_is_named() -> None:
    with pytest.raises(SpecError, match=r"resample\.unit"):
        Resample(unit="seconds")
    with pytest.raises(SpecError, match=r"repeat_pad\.max_events"):
        RepeatPad(max_events=0)
