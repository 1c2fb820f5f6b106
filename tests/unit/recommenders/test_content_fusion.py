"""Tests of content fusion against its formula."""

from dataclasses import replace

import numpy as np
import pytest

from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import HeldOut, Histories
from leaven.encoders.tfidf import TfIdf
from leaven.errors import DataError, SpecError
from leaven.protocols import TrainingContext
from leaven.recommenders.content_fusion import ContentFusion
from leaven.recommenders.popularity import Popularity

TITLES = ["red soap", "blue lamp", "green rope", "red soap dish", "blue lamp shade", ""]
"""Items 4, 5 and 6 have no events; 4 is like 1, 5 is like 2."""


def train(rows: int = 10) -> Histories:
    histories = Histories.from_lists([[1, 2, 3], [2, 3], [3, 1]] * rows, len(TITLES))
    return replace(histories, catalog=Catalog([str(item) for item in range(len(TITLES))], {"title": TITLES}))


def users_whose_next_item_is(target: int, last: int) -> HeldOut:
    histories = Histories.from_lists([[last]] * 20, len(TITLES))
    return HeldOut(histories, np.full(20, target, np.int32), np.zeros(20, np.int64), np.arange(21))


def test_cold_items_similar_to_the_last_item_enter_the_list() -> None:
    config = ContentFusion(Popularity(), TfIdf(), content_weight=10.0, rarity_power=1.0)
    fitted = config.fit(train(), TrainingContext(key=1))
    users = Histories.from_lists([[1], [2], [3]], len(TITLES))
    lists = fitted.recommend(users, 1).items[:, 0].tolist()
    assert lists[:2] == [4, 5]
    assert lists[2] in (1, 2)  # nothing is like item 3


def test_with_weight_zero_lists_are_those_of_the_base_recommender() -> None:
    fitted = ContentFusion(Popularity(), content_weight=0.0).fit(train(), TrainingContext(key=1))
    users = Histories.from_lists([[1], [2, 3], []], len(TITLES))
    base = Popularity().fit(train(), TrainingContext(key=1))
    assert (fitted.recommend(users, 6).items == base.recommend(users, 6).items).all()


def test_the_weight_is_chosen_on_validation_users() -> None:
    helps = ContentFusion(Popularity()).fit(
        train(), TrainingContext(key=1, validation=users_whose_next_item_is(target=4, last=1))
    )
    useless = ContentFusion(Popularity()).fit(
        train(), TrainingContext(key=1, validation=users_whose_next_item_is(target=3, last=1))
    )
    assert helps.weights.content_weight > 0
    assert useless.weights.content_weight == 0


def test_the_score_is_the_formula() -> None:
    weights = {"content_weight": 0.5, "neighbor_weight": 0.25, "rarity_power": 0.5, "recent_weight": 2.0}
    fitted = ContentFusion(Popularity(), **weights).fit(train(), TrainingContext(key=1))
    users = Histories.from_lists([[1]], len(TITLES))
    found = fitted.recommend(users, 6)
    score = dict(zip(found.items[0].tolist(), found.scores[0].tolist(), strict=True))
    cosines = fitted.similar.toarray()
    counts = np.array([20, 20, 20, 0, 0, 0])
    base = np.array([1.0, 1.0, 1.0, 0, 0, 0]) * 20 / fitted.base_scale  # with the user's own items
    means = (cosines @ base) / (0.5 + cosines.sum(axis=1)) / fitted.neighbor_scale
    content = cosines[0] * 0.5 + 0.25 * means
    recent = np.where(counts > 0, 2.0, 0.0)
    for item in (4, 5):  # the base recommender scores them 0
        assert score[item] == pytest.approx(content[item - 1] + recent[item - 1], abs=1e-5)


def test_recent_popularity_ranks_what_sells_now() -> None:
    day = 86_400
    rows = [[1, 2], [1, 2], [1, 2], [3, 4]]
    times = [[0, 0], [0, 0], [0, 0], [900 * day, 900 * day]]
    histories = Histories.from_lists(rows, len(TITLES), times=times)
    histories = replace(histories, catalog=train().catalog)
    fitted = ContentFusion(Popularity(), recent_weight=50.0).fit(histories, TrainingContext(key=1))
    assert set(fitted.recommend(Histories.from_lists([[]], len(TITLES)), 2).items[0].tolist()) == {3, 4}


def test_seen_cold_items_are_left_out_unless_repeats_are_allowed() -> None:
    fitted = ContentFusion(Popularity(), content_weight=10.0).fit(train(), TrainingContext(key=1))
    users = Histories.from_lists([[4, 1]], len(TITLES))
    assert 4 not in fitted.recommend(users, 6).items[0]
    assert 4 in fitted.recommend(users, 6, allow_repeats=True).items[0]


def test_a_log_without_texts_and_impossible_values_are_errors() -> None:
    with pytest.raises(DataError, match="text"):
        ContentFusion().fit(replace(train(), catalog=None), TrainingContext(key=1))
    with pytest.raises(SpecError):
        ContentFusion(content_weight=-1.0)
    with pytest.raises(SpecError):
        ContentFusion(depth=0)
