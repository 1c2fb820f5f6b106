"""Tests of rank fusion."""

from dataclasses import dataclass

import numpy as np
import pytest

from leaven.datasets.histories import HeldOut, Histories
from leaven.errors import DataError, SpecError
from leaven.protocols import RankedItems, TrainingContext
from leaven.recommenders.item_knn import ItemKnn
from leaven.recommenders.popularity import Popularity
from leaven.recommenders.rank_fusion import CANDIDATE_WEIGHTS, RankFusion, RankFusionRecommender

N_ITEMS = 6


@dataclass(frozen=True, eq=False)
class Says:
    """A recommender that lists the same items to everybody."""

    items: tuple[int, ...]
    curve: tuple[()] = ()

    def recommend(self, histories: Histories, k: int, allow_repeats: bool = False) -> RankedItems:
        listed = np.array([(*self.items, *[0] * k)[:k]] * len(histories), np.int32)
        return RankedItems(listed, np.where(listed > 0, 1.0, -np.inf).astype(np.float32))


def blended(
    first: tuple[int, ...], second: tuple[int, ...], weight: float, offset: float = 1.0
) -> RankFusionRecommender:
    return RankFusionRecommender(Says(first), Says(second), ("", ""), weight, offset, depth=4)


def asker() -> Histories:
    return Histories.from_lists([[1], [2, 3]], N_ITEMS)


def test_scores_are_sums_of_reciprocal_ranks() -> None:
    found = blended((3, 4, 5), (4, 6), weight=0.5).recommend(asker(), 4)
    # 3: 1/2 · 4: 1/3 + .5/2 · 5: 1/4 · 6: .5/3
    assert found.items.tolist() == [[4, 3, 5, 6]] * 2
    assert found.scores[0] == pytest.approx([1 / 3 + 0.25, 0.5, 0.25, 0.5 / 3])


def test_weight_zero_returns_the_first_list_then_the_second() -> None:
    found = blended((5, 3), (2, 3), weight=0.0).recommend(asker(), 3)
    assert found.items[0, :2].tolist() == [5, 3]


def test_the_fused_list_ends_with_both_lists() -> None:
    found = blended((5,), (5,), weight=1.0).recommend(asker(), 3)
    assert found.items.tolist() == [[5, 0, 0]] * 2
    assert found.scores[0].tolist() == [1.0, -np.inf, -np.inf]


def test_the_weight_with_the_best_validation_score_is_chosen() -> None:
    valid = HeldOut(asker(), np.array([6, 6], np.int32), np.zeros(2, np.int64), np.arange(3))
    only_second_knows = RankFusionRecommender(Says((1, 2, 3, 4)), Says((6,)), ("", ""), 0.5, 0.0, depth=4)
    assert (
        only_second_knows.choose_weight(valid).second_weight == 0.65
    )  # the smallest that lifts item 6 over 1/2, to place two
    only_first_knows = RankFusionRecommender(Says((6, 2)), Says((1, 2)), ("", ""), 0.5, 0.0, depth=4)
    assert only_first_knows.choose_weight(valid).second_weight == CANDIDATE_WEIGHTS[0]


def test_saved_recommenders_of_two_kinds_are_loaded(tmp_path) -> None:
    train = Histories.from_lists([[1, 2, 3], [2, 3, 4], [3, 4, 5], [1, 2, 4]], N_ITEMS)
    wish = RankFusion(first=ItemKnn(), second=Popularity(), second_weight=0.3)
    assert wish.steps(train) is None
    fitted = wish.fit(train, TrainingContext(key=1))
    fitted.save(tmp_path)
    again = RankFusion.load(tmp_path)
    assert again.kinds == ("item_knn", "popularity")
    assert again.facts["blend_weight"] == 0.3
    found, kept = fitted.recommend(asker(), 4), again.recommend(asker(), 4)
    assert (found.items == kept.items).all()
    assert (found.scores == kept.scores).all()
    with pytest.raises(DataError, match=r"no blend\.json"):
        RankFusion.load(tmp_path / "first")


@pytest.mark.parametrize("fields", [{"second_weight": -0.1}, {"offset": -1.0}, {"depth": 0}])
def test_a_field_out_of_range_is_named(fields) -> None:
    with pytest.raises(SpecError, match=f"blend.{next(iter(fields))}"):
        RankFusion(**fields)
