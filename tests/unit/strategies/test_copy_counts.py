"""Strategies give exact totals to the intended rows."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import Histories
from leaven.errors import DataError, SpecError
from leaven.kernels.apportionment import apportion_copies
from leaven.strategies.copy_counts import Balanced, Random, ToTotal, Uniform


def rows_of(*lengths: int) -> Histories:
    return Histories.from_lists(
        [[1] * n for n in lengths], n_items=3, row_ids=rng.derive_user_ids([str(i) for i in range(len(lengths))])
    )


@given(rows=st.integers(0, 50), factor=st.floats(0, 5), key=st.integers(0, 2**63))
def test_uniform_copies_differ_by_at_most_one_and_sum_exactly(rows, factor, key) -> None:
    copies = Uniform(factor)(rows_of(*[2] * rows), key)
    assert copies.sum() == round(factor * rows)
    assert rows == 0 or copies.max() - copies.min() <= 1


def test_a_whole_factor_gives_every_row_the_same() -> None:
    assert Uniform(factor=3)(rows_of(1, 5, 2), key=1).tolist() == [3, 3, 3]


def test_which_rows_get_one_more_depends_on_the_key() -> None:
    rows = rows_of(*[2] * 200)
    assert Uniform(0.5)(rows, 1).tolist() != Uniform(0.5)(rows, 2).tolist()


def test_random_copies_some_rows_often_and_some_never() -> None:
    copies = Random(share=1.0)(rows_of(*[2] * 5000), key=1)
    assert copies.sum() == 5000
    assert abs((copies == 0).mean() - np.exp(-1)) < 0.03  # a Poisson law of mean 1
    assert abs((copies == 1).mean() - np.exp(-1)) < 0.03


def test_a_total_includes_the_real_rows() -> None:
    assert ToTotal(total=10)(rows_of(1, 1, 1, 1), 1).sum() == 6
    assert ToTotal(share=0.75)(rows_of(1, 1, 1, 1), 1).sum() == 12
    assert ToTotal(total=4)(rows_of(1, 1, 1, 1), 1).tolist() == [0, 0, 0, 0]


def test_a_total_below_the_real_rows_is_an_error() -> None:
    with pytest.raises(SpecError, match="at least the 4 real rows, got 3"):
        ToTotal(total=3)(rows_of(1, 1, 1, 1), 1)
    with pytest.raises(DataError, match="at least one row"):
        ToTotal(total=3)(rows_of(), 1)


def test_short_rows_get_copies_by_one_over_their_length() -> None:
    copies = Balanced("short", factor=4)(rows_of(1, 2, 4, 4), key=1)
    assert copies.tolist() == [8, 4, 2, 2]


def test_pull_is_the_exponent_of_the_weight() -> None:
    assert Balanced("short", factor=1, exponent=0)(rows_of(1, 2, 4, 4), key=1).tolist() == [1, 1, 1, 1]
    assert Balanced("short", factor=5.5, exponent=2)(rows_of(1, 2, 4, 4), key=1).tolist() == [16, 4, 1, 1]


def test_tail_rows_weigh_by_the_mean_of_one_over_popularity() -> None:
    rows = Histories.from_lists([[1, 1, 1], [1, 2], [3, 3]], n_items=3)  # popularity 4, 1, 2
    weights = np.array([1 / 4, (1 / 4 + 1) / 2, 1 / 2])
    copies = Balanced("tail", factor=11 * 12 / 3, max_copies=99)(rows, key=1)
    np.testing.assert_allclose(copies / copies.sum(), weights / weights.sum(), atol=1 / 132)


def test_rows_without_cold_items_get_no_copies() -> None:
    rows = Histories.from_lists([[1, 1, 1], [1, 2], [2, 3]], n_items=3)
    copies = Balanced("cold", factor=2, max_cold_events=2)(rows, key=1)
    assert copies.tolist() == [0, 2, 4]
    with pytest.raises(DataError, match=r"balanced.cold.*0 such rows"):
        Balanced("cold", max_cold_events=0)(rows, key=1)


def test_small_categories_get_more_and_a_tie_goes_to_the_smaller_one() -> None:
    rows = Histories.from_lists([[1, 1, 1], [1, 1, 2], [2, 1], [3]], n_items=3)  # events of the categories: 6, 2, 1
    catalog = Catalog(ids=["a", "b", "c"], category=np.array([0, 1, 2, 3], np.int32))
    copies = Balanced("category", factor=11 / 4)(replace(rows, catalog=catalog), key=1)
    assert copies.tolist() == [1, 1, 3, 6]
    with pytest.raises(DataError, match="a catalogue with categories"):
        Balanced("category")(rows, key=1)


def test_no_row_exceeds_the_maximum_and_the_excess_goes_to_others() -> None:
    copies = Balanced("short", factor=5, max_copies=6)(rows_of(1, 10, 10, 10), key=3)
    assert copies[0] == 6
    assert copies.sum() == 20
    with pytest.raises(DataError, match="a smaller factor"):
        Balanced("short", factor=5, max_copies=4)(rows_of(1, 10), key=3)


@given(weights=st.lists(st.floats(0, 1e6), min_size=1, max_size=40), total=st.integers(0, 200), key=st.integers(0, 99))
def test_an_allotment_is_exact_and_within_one_of_every_share(weights, total, key) -> None:
    given_weights = np.array(weights)
    if given_weights.sum() < 1e-6:
        return
    copies = apportion_copies(given_weights, total, rng.derive_user_ids([str(i) for i in range(len(weights))]), key)
    assert copies.sum() == total
    shares = given_weights * (total / given_weights.sum())
    assert (np.abs(copies - shares) < 1 + 1e-6).all()
    assert (copies[given_weights == 0] == 0).all()


def test_an_allotment_is_fair_over_keys() -> None:
    weights, keys = np.array([1.0, 2.0, 3.0, 0.5]), rng.derive_user_ids(list("abcd"))
    mean = np.mean([apportion_copies(weights, 3, keys, key) for key in range(4000)], axis=0)
    np.testing.assert_allclose(mean, 3 * weights / weights.sum(), atol=0.03)


@pytest.mark.parametrize("wrong", [{"towards": "shrot"}, {"factor": -1.0}, {"factor": float("nan")}, {"max_copies": 0}])
def test_an_invalid_config_raises_an_error(wrong) -> None:
    with pytest.raises(SpecError):
        Balanced(**wrong)


def test_a_misspelled_target_raises_an_error_with_the_nearest() -> None:
    with pytest.raises(SpecError, match="did you mean 'short'"):
        Balanced(towards="shrot")  # type: ignore[arg-type]
