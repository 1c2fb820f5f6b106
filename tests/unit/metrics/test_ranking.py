"""Ranking metrics against hand-computed tables."""

import numpy as np
import pytest

from leaven.datasets.histories import HeldOut, Histories
from leaven.errors import DataError, SpecError
from leaven.metrics.ranking.list_metrics import AveragePrecision, HitRate, Mrr, Ndcg, Precision, Recall
from leaven.protocols import RankedItems

TRAIN = Histories.from_lists([[1, 2], [3, 4]], n_items=9)


def lists(*rows: list[int]) -> RankedItems:
    items = np.array(rows, np.int32)
    return RankedItems(items, -np.arange(items.size, dtype=np.float32).reshape(items.shape))


def taken(*rows: list[int], n_items: int = 9) -> HeldOut:
    starts = np.concatenate([[0], np.cumsum([len(r) for r in rows])]).astype(np.int64)
    items = np.array([i for r in rows for i in r], np.int32)
    return HeldOut(Histories.from_lists([[1]] * len(rows), n_items), items, np.zeros(len(items), np.int64), starts)


# user 0: one item taken, listed second. user 1: three taken, listed first and third. user 2: none listed.
RANKED = lists([5, 7, 1], [2, 9, 4], [1, 2, 3])
TAKEN = taken([7], [2, 4, 6], [8])
LOG3, LOG4 = np.log2(3), np.log2(4)


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        (Recall(3), [1, 2 / 3, 0]),
        (Recall(1), [0, 1 / 3, 0]),
        (HitRate(3), [1, 1, 0]),
        (HitRate(1), [0, 1, 0]),
        (Precision(3), [1 / 3, 2 / 3, 0]),
        (Mrr(3), [1 / 2, 1, 0]),
        (Mrr(1), [0, 1, 0]),
        (AveragePrecision(3), [1 / 2, 1 / 3 * (1 + 2 / 3), 0]),
        (AveragePrecision(2), [1 / 2, 1 / 2 * 1, 0]),
        (Ndcg(3), [1 / LOG3, (1 + 1 / LOG4) / (1 + 1 / LOG3 + 1 / LOG4), 0]),
        (Ndcg(2), [1 / LOG3, 1 / (1 + 1 / LOG3), 0]),
        (Ndcg(1), [0, 1, 0]),
    ],
)
def test_values_are_those_of_the_hand_made_table(metric, expected) -> None:
    values = metric(RANKED, TAKEN, TRAIN)
    assert values.dtype == np.float64
    np.testing.assert_allclose(values, expected, rtol=1e-15)


@pytest.mark.parametrize("metric", [Recall(3), Precision(3), Mrr(3), AveragePrecision(3), Ndcg(3), HitRate(3)])
def test_a_repeated_held_out_item_counts_once(metric) -> None:
    once = metric(RANKED, TAKEN, TRAIN)
    assert metric(RANKED, taken([7, 7], [6, 2, 4, 2], [8, 8]), TRAIN).tolist() == once.tolist()


def test_empty_positions_are_no_hits() -> None:
    ranked = lists([7, 0, 0])
    assert Ndcg(3)(ranked, taken([7]), TRAIN).tolist() == [1]
    assert Precision(3)(ranked, taken([7]), TRAIN).tolist() == [1 / 3]


def test_a_catalog_smaller_than_k_is_ranked_in_full() -> None:
    small = taken([2], n_items=2)
    assert Ndcg(10)(lists([1, 2]), small, TRAIN).tolist() == [1 / LOG3]


def test_lists_shorter_than_k_raise_an_error() -> None:
    with pytest.raises(DataError, match="recommend longer lists"):
        Ndcg(5)(RANKED, TAKEN, TRAIN)


def test_a_list_with_a_repeated_item_raises_an_error() -> None:
    with pytest.raises(DataError, match="row 1"):
        Recall(3)(lists([1, 2, 3], [4, 5, 4]), taken([1], [4]), TRAIN)


def test_lists_of_other_users_raise_an_error() -> None:
    with pytest.raises(DataError, match="3 lists"):
        Recall(3)(lists([1, 2, 3]), TAKEN, TRAIN)


def test_a_list_length_of_zero_raises_an_error() -> None:
    with pytest.raises(SpecError, match="1 or more"):
        Recall(0)(RANKED, TAKEN, TRAIN)
