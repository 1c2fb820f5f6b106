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
    assert helps.content_weight > 0
    assert useless.content_weight == 0


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
