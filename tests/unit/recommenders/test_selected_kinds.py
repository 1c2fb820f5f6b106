"""Recommenders that read events of some kinds only."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from leaven.datasets.histories import HeldOut, Histories
from leaven.errors import DataError, FitError, SpecError
from leaven.protocols import TrainingContext
from leaven.recommenders.item_knn import ItemKnn
from leaven.recommenders.rank_fusion import RankFusion
from leaven.recommenders.selected_kinds import FittedSelectedKinds, SelectedKinds, select_kinds
from leaven.recommenders.time_linear import TimeLinear

NOISE, BUY = 0, 1


def noisy_cycle(users: int = 400, items: int = 30) -> Histories:
    """Users who buy the next item of a cycle, with an accidental view of any item after each purchase."""
    rng = np.random.default_rng(1)
    first = rng.integers(0, items, users)
    bought = (first[:, None] + np.arange(5)) % items + 1
    viewed = rng.integers(1, items + 1, bought.shape)
    rows = np.stack([bought, viewed], axis=2).reshape(users, -1)
    histories = Histories.from_lists(rows.tolist(), items)
    return replace(histories, extra={"kind": np.tile([BUY, NOISE], histories.n_events // 2).astype(np.int32)})


def share_of_hits(config, train: Histories) -> float:
    fitted = config.fit(train, TrainingContext(key=1))
    purchases = select_kinds(train, (BUY,))
    answer = purchases.items[purchases.starts[1:] - 1] % train.n_items + 1
    return float((fitted.recommend(train, 1).items[:, 0] == answer).mean())


def test_accidental_views_are_left_out_of_training_and_of_requests() -> None:
    train = noisy_cycle()
    assert share_of_hits(SelectedKinds(ItemKnn(), (BUY,)), train) > share_of_hits(ItemKnn(), train) + 0.2


def test_it_equals_the_recommender_on_the_selected_events() -> None:
    train = noisy_cycle()
    alone = ItemKnn().fit(select_kinds(train, (BUY,)), TrainingContext(key=1))
    expected = alone.recommend(select_kinds(train, (BUY,)), 5).items
    found = SelectedKinds(ItemKnn(), (BUY,)).fit(train, TrainingContext(key=1)).recommend(train, 5).items
    np.testing.assert_array_equal(found, expected)


def test_all_kinds_need_no_column() -> None:
    train = replace(noisy_cycle(), extra={})
    found = SelectedKinds(ItemKnn()).fit(train, TrainingContext(key=1)).recommend(train, 5).items
    np.testing.assert_array_equal(found, ItemKnn().fit(train, TrainingContext(key=1)).recommend(train, 5).items)


def test_validation_histories_are_selected_too() -> None:
    train = noisy_cycle()
    target = np.ones(len(train), np.int32)
    held_out = HeldOut(train, target, np.full(len(train), 99), np.arange(len(train) + 1))
    base = RankFusion(ItemKnn(), TimeLinear())
    fitted = SelectedKinds(base, (BUY,)).fit(train, TrainingContext(key=1, validation=held_out))
    purchases = replace(held_out, histories=select_kinds(train, (BUY,)))
    alone = base.fit(select_kinds(train, (BUY,)), TrainingContext(key=1, validation=purchases))
    assert fitted.facts["blend_weight"] == alone.facts["blend_weight"]


def test_what_was_saved_recommends_the_same(tmp_path) -> None:
    train = noisy_cycle()
    fitted = SelectedKinds(ItemKnn(), (BUY,)).fit(train, TrainingContext(key=1))
    fitted.save(tmp_path)
    again = SelectedKinds.load(tmp_path)
    assert isinstance(again, FittedSelectedKinds)
    np.testing.assert_array_equal(again.recommend(train, 3).items, fitted.recommend(train, 3).items)


def test_wrong_kinds_are_errors(tmp_path) -> None:
    with pytest.raises(SpecError, match="kinds"):
        SelectedKinds(ItemKnn(), (-1,))
    with pytest.raises(FitError, match="kinds"):
        SelectedKinds(ItemKnn(), (7,)).fit(noisy_cycle(), TrainingContext(key=1))
    with pytest.raises(DataError, match="kind"):
        SelectedKinds(ItemKnn(), (1,)).fit(replace(noisy_cycle(), extra={}), TrainingContext(key=1))
    with pytest.raises(DataError, match="selected_kinds"):
        SelectedKinds.load(tmp_path)
