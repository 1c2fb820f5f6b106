"""Item neighbors on rows with known sums."""

import numpy as np
import pytest

from leaven.kernels.item_neighbors import PairWeights, find_neighbors, index_events

ITEMS, STARTS = np.array([1, 2, 3, 2, 3], np.int32), np.array([0, 3, 5])


def neighbors(first_target: tuple[int, int] = (1, 4), doubt: float = 0.0, keep: int = 5):
    rows = index_events(ITEMS, STARTS, np.array([1.0, 2.0]), np.array(first_target), 3)
    lags = np.array([0.0, 1.0, 0.5])
    law = PairWeights(lags, 0.25 * lags, np.array([0, 1.0, 1.0, 2.0]), np.ones(4), doubt)
    counts, ids, values = find_neighbors(rows, law, 1, 4, keep)
    ends = np.cumsum(counts)
    return [
        dict(zip(ids[end - n : end].tolist(), values[end - n : end].tolist(), strict=True))
        for n, end in zip(counts, ends, strict=True)
    ]


def test_the_events_of_every_item_are_indexed() -> None:
    rows = index_events(ITEMS, STARTS, np.ones(2), np.array([1, 4]), 3)
    assert rows.item_starts.tolist() == [0, 0, 1, 3, 5]
    assert rows.item_events.tolist() == [0, 1, 3, 2, 4]
    assert rows.item_event_rows.tolist() == [0, 0, 1, 0, 1]


def test_pairs_are_weighted_by_lag_direction_row_and_item() -> None:
    assert neighbors() == [{2: 1.0, 3: 0.5}, {3: 3.0, 1: 0.25}, {2: 1.5, 1: 0.25}]


def test_pairs_without_a_target_do_not_count() -> None:
    assert neighbors(first_target=(2, 4))[0] == {3: 0.5}


def test_small_sums_are_shrunk_and_the_list_is_cut() -> None:
    assert neighbors(doubt=1.0, keep=1)[1] == {3: pytest.approx(3 * 3 / 4)}
