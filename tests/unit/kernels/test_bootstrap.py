"""Bootstrap kernels compared with exact results."""

import numba
import numpy as np
import pytest

from leaven import rng
from leaven.kernels.bootstrap import count_extreme_flips, resample_sums

KEY = np.uint64(rng.derive_key(7, "test"))


def test_draws_take_as_many_users_as_there_are() -> None:
    for users in (1, 2, 5, 64, 65):
        assert (resample_sums(np.ones((users, 1)), 50, KEY) == users).all()


def test_every_user_is_drawn_equally_often() -> None:
    counts = resample_sums(np.eye(5), 20_000, KEY)
    np.testing.assert_allclose(counts.mean(axis=0), 1.0, atol=0.03)
    np.testing.assert_allclose(counts.var(axis=0), 1 - 1 / 5, atol=0.03)  # binomial (5, 1/5)


def test_one_draw_takes_all_columns_of_a_user() -> None:
    column = np.arange(9.0)
    sums = resample_sums(np.column_stack([column, 2 * column]), 100, KEY)
    assert (sums[:, 1] == 2 * sums[:, 0]).all()


def test_the_number_of_threads_changes_nothing() -> None:
    table = np.sqrt(np.arange(40.0)).reshape(20, 2)
    before = numba.get_num_threads()
    whole = resample_sums(table, 200, KEY)
    try:
        numba.set_num_threads(1)
        assert (resample_sums(table, 200, KEY) == whole).all()
    finally:
        numba.set_num_threads(before)


def test_few_users_give_the_exact_p_value() -> None:
    # +1 +1 +1 +1: of 16 assignments of signs, two are as extreme
    share = count_extreme_flips(np.ones(4), 40_000, KEY) / 40_000
    assert share == pytest.approx(2 / 16, abs=0.006)


def test_more_than_64_users_are_flipped_independently() -> None:
    # 130 users, only the last two with a difference: half of the assignments are as extreme
    differences = np.zeros(130)
    differences[[70, 129]] = 1.0
    assert count_extreme_flips(differences, 40_000, KEY) / 40_000 == pytest.approx(1 / 2, abs=0.01)
