"""Consistency statistics against hand-computed values."""

import numpy as np

from leaven.datasets.histories import Histories
from leaven.metrics.synthetic.consistency import (
    PriceRanges,
    compute_before_sale_share,
    compute_category_agreement,
    compute_reciprocal_ranks,
)
from leaven.metrics.synthetic.memorization import compute_rare_run_share, find_copied_rows
from leaven.protocols import RankedItems

CATEGORY = np.array([0, 1, 1, 2, 2, 0], np.int32)  # item 5 has none


def test_agreement_counts_events_whose_category_came_before() -> None:
    rows = Histories.from_lists([[1, 2, 3, 4], [1, 5, 3], [5, 5], [2]], 5)
    np.testing.assert_allclose(compute_category_agreement(rows, CATEGORY), [2 / 3, 0.0, np.nan, np.nan])


def test_a_price_outside_the_range_of_its_category_is_an_outlier() -> None:
    train = Histories.from_lists([[1, 3]] * 50, 5)
    train = Histories(**{**vars(train), "extra": {"price": np.tile([10.0, 100.0], 50) + np.arange(100) % 5}})
    law = PriceRanges.fit(train, CATEGORY)
    assert law is not None
    rows = Histories.from_lists([[2, 4], [2, 4], [2, 5], [1, 3]], 5)
    paid = np.array([12.0, 102.0, 102.0, 12.0, 12.0, 9999.0, 0.0, 0.0])
    rows = Histories(**{**vars(rows), "extra": {"price": paid}})
    np.testing.assert_allclose(law.compute_outlier_share(rows), [0.0, 1.0, 0.0, np.nan])
    assert PriceRanges.fit(Histories.from_lists([[1]], 5), CATEGORY) is None


def test_an_event_before_the_first_second_of_sale_is_counted() -> None:
    unknown = np.iinfo(np.int64).min
    born = np.array([0, 100, 200, unknown, 0, 0])
    rows = Histories.from_lists([[1, 2], [3, 1], [3]], 5, [[100, 150], [1, 99], [5]])
    np.testing.assert_allclose(compute_before_sale_share(rows, born), [1 / 2, 1.0, np.nan])


class Always:
    """Lists 3, 2, 1 to everybody, and remembers what it was asked."""

    curve = ()

    def recommend(self, histories, k, allow_repeats=False):
        self.asked = [histories.row_items(row).tolist() for row in range(len(histories))]
        return RankedItems(
            np.tile(np.array([3, 2, 1], np.int32)[:k], (len(histories), 1)), np.ones((len(histories), k))
        )


def test_ranks_are_those_of_the_last_item_given_the_others() -> None:
    fitted = Always()
    rows = Histories.from_lists([[1, 2, 3], [4], [5, 1], [1, 4]], 5)
    np.testing.assert_allclose(compute_reciprocal_ranks(rows, fitted, 3), [1.0, np.nan, 1 / 3, 0.0])
    assert fitted.asked == [[1, 2], [5], [1]]


def test_rare_runs_are_counted_by_training_users() -> None:
    training = Histories.from_lists([[1, 2, 3, 1, 2, 3]] + [[2, 3, 4]] * 5, 9)
    rows = Histories.from_lists([[1, 2, 3, 4], [7, 8, 9], [1, 2]], 9)
    np.testing.assert_allclose(compute_rare_run_share(rows, training), [1 / 2, 0.0, np.nan])


def test_copies_name_their_training_row() -> None:
    training = Histories.from_lists([[9, 8, 7], [1, 2, 3, 4, 5, 6]], 9)
    rows = Histories.from_lists([[1, 2, 3, 4, 9], [9, 8, 7], [3, 4, 5], [1, 2, 9, 4, 5]], 9)
    assert find_copied_rows(rows, training).tolist() == [1, 0, -1, -1]
