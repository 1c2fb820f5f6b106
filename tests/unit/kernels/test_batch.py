"""Draws shared by the row kernels."""

import numpy as np
from tests.unit.kernels.batches import small_batch

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.kernels.batch import allocate_source, draw_count, interpolate_range, is_changed

KEYS = rng.derive_row_keys(1, np.arange(4_000, dtype=np.uint64))


def test_rows_change_with_the_given_probability() -> None:
    rows = small_batch([[1, 2, 3]] * 2_000)
    assert abs(np.mean([is_changed(rows, row, 3, 0.3) for row in range(2_000)]) - 0.3) < 0.04


def test_short_rows_and_rows_without_strength_never_change() -> None:
    assert not is_changed(small_batch([[1, 2]]), 0, 3, 1.0)
    assert not is_changed(small_batch([[1, 2, 3]], strength=0.0), 0, 3, 1.0)


def test_counts_are_rounded_stochastically_and_limited() -> None:
    counts = np.array([draw_count(key, 2.25, 9) for key in KEYS])
    assert set(counts.tolist()) == {2, 3}
    assert abs(counts.mean() - 2.25) < 0.03
    assert draw_count(KEYS[0], 7.0, 4) == 4


def test_a_range_is_interpolated() -> None:
    assert [interpolate_range((2.0, 6.0), u) for u in (0.0, 0.25, 1.0)] == [2.0, 3.0, 6.0]


def test_sources_are_stored_only_with_extra_columns() -> None:
    assert len(allocate_source(Histories.from_lists([[1, 2]], n_items=3), 5)) == 0
