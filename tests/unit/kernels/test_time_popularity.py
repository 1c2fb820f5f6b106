"""Popularity near a time."""

import numpy as np
import pytest

from leaven.kernels.time_popularity import compute_share, fit_time_popularity, select_item

# item 1 in the first half, item 2 in the second
ITEMS = np.repeat(np.array([1, 2], np.int32), 500)
TIMES = np.arange(1_000)


def test_a_drift_is_found_and_shares_follow_the_time() -> None:
    fashion = fit_time_popularity(ITEMS, TIMES, 2)
    assert fashion.window < 1_000
    assert fashion.global_share < 0.5
    assert compute_share(fashion, 100, 1, 0) == 1.0
    assert compute_share(fashion, 100, 2, 0) == 0.0
    assert compute_share(fashion, 500, 1, 0) == pytest.approx(0.5, abs=0.02)
    assert select_item(fashion, 900, 0.99) == 2


def test_an_event_is_left_out_of_its_own_share() -> None:
    fashion = fit_time_popularity(ITEMS, TIMES, 2)._replace(window=4)
    assert compute_share(fashion, 100, 1, 1) == 1.0
    assert compute_share(fashion, 500, 2, 1) == pytest.approx(1 / 3)


def test_the_window_stays_inside_the_training_times() -> None:
    fashion = fit_time_popularity(ITEMS, TIMES, 2)
    assert select_item(fashion, -50, 0.0) == 1
    assert select_item(fashion, 5_000, 0.999) == 2
