"""Coverage, novelty and popularity metrics on a small catalog."""

import numpy as np
import pytest

from leaven.datasets.histories import HeldOut, Histories, concat_histories
from leaven.metrics.ranking.beyond_accuracy import Coverage, Gini, Novelty, TailShare, count_item_popularity, is_head
from leaven.protocols import RankedItems

# counts: item 1 three times, item 2 twice, item 3 once, items 4 and 5 never
TRAIN = Histories.from_lists([[1, 2, 1], [1, 2, 3]], n_items=5)
NOBODY = HeldOut(TRAIN, np.array([1, 1], np.int32), np.zeros(2, np.int64), np.array([0, 1, 2]))


def lists(*rows: list[int]) -> RankedItems:
    items = np.array(rows, np.int32)
    return RankedItems(items, np.zeros(items.shape, np.float32))


def test_popularity_counts_real_rows_only() -> None:
    made = TRAIN.take([0, 0, 0])
    made.origin[:] = 1
    assert count_item_popularity(concat_histories([TRAIN, made])).tolist() == [0, 3, 2, 1, 0, 0]


def test_novelty_is_the_mean_surprise_with_one_event_added_to_every_item() -> None:
    # 6 events + 5 items = 11: item 1 has 4 of them, item 3 two, item 5 one
    values = Novelty(2)(lists([1, 3], [5, 0]), NOBODY, TRAIN)
    np.testing.assert_allclose(values, [(np.log2(11 / 4) + np.log2(11 / 2)) / 2, np.log2(11 / 1)])


def test_the_tail_is_what_is_not_the_most_popular_fifth() -> None:
    assert is_head(count_item_popularity(TRAIN), 0.2).tolist() == [False, True, False, False, False, False]
    assert TailShare(2)(lists([1, 3], [1, 0]), NOBODY, TRAIN).tolist() == [1 / 2, 0]


def test_items_without_events_are_never_head() -> None:
    assert is_head(np.array([0, 0, 0, 0]), 1.0).sum() == 0


@pytest.mark.parametrize(
    ("rows", "coverage", "gini"),
    [
        (([1, 2], [1, 2]), 2 / 5, 0.6),  # shown 0 0 0 2 2: (2·4 - 6)·2 + (2·5 - 6)·2 over 5·4
        (([1, 1], [1, 1]), None, None),
        (([1, 2], [3, 0]), 3 / 5, 0.4),  # shown 0 0 1 1 1
        (([0, 0], [0, 0]), 0, 0),
    ],
)
def test_coverage_and_gini_describe_all_lists_together(rows, coverage, gini) -> None:
    if coverage is None:
        with pytest.raises(Exception, match="a repeated item"):
            Coverage(2)(lists(*rows), TRAIN)
        return
    assert Coverage(2)(lists(*rows), TRAIN) == pytest.approx(coverage)
    assert Gini(2)(lists(*rows), TRAIN) == pytest.approx(gini)


def test_lists_that_cover_the_catalog_evenly_have_gini_zero() -> None:
    assert Gini(1)(lists([1], [2], [3], [4], [5]), TRAIN) == pytest.approx(0)
