"""Apportionment of copies by systematic sampling."""

import numpy as np
import pytest

from leaven.kernels.apportionment import apportion_copies

IDS = np.arange(1, 6, dtype=np.uint64)
WEIGHTS = np.array([0.0, 1.0, 1.5, 2.5, 5.0])


def test_copies_add_up_and_stay_within_one_of_the_exact_share() -> None:
    for key in range(20):
        copies = apportion_copies(WEIGHTS, 7, IDS, key)
        assert copies.sum() == 7
        assert (np.abs(copies - 0.7 * WEIGHTS) < 1).all()


def test_the_mean_over_keys_is_the_exact_share() -> None:
    mean = np.mean([apportion_copies(WEIGHTS, 7, IDS, key) for key in range(2_000)], axis=0)
    np.testing.assert_allclose(mean, 0.7 * WEIGHTS, atol=0.05)


def test_a_limit_moves_the_excess_to_other_rows() -> None:
    copies = apportion_copies(np.array([1.0, 1.0, 8.0]), 8, IDS[:3], 1, max_copies=4)
    assert copies.tolist() == [2, 2, 4]


def test_equal_weights_with_an_even_total_need_no_draw() -> None:
    assert apportion_copies(np.ones(3), 6, IDS[:3], 1).tolist() == [2, 2, 2]


def test_the_order_of_the_rows_does_not_matter() -> None:
    order = np.array([3, 0, 4, 2, 1])
    assert (
        apportion_copies(WEIGHTS[order], 7, IDS[order], 3).tolist()
        == apportion_copies(WEIGHTS, 7, IDS, 3)[order].tolist()
    )


@pytest.mark.parametrize("total", [0, 3])
def test_no_rows_get_no_copies(total: int) -> None:
    assert len(apportion_copies(np.zeros(0), total, IDS[:0], 1)) == 0
