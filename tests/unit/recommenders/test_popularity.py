"""Tests of popularity counts."""

from dataclasses import replace

import numpy as np
import pytest

from leaven.datasets.histories import Histories
from leaven.errors import SpecError
from leaven.protocols import TrainingContext
from leaven.recommenders.popularity import Popularity, compute_item_weights

DAY = 86_400
NOW = TrainingContext(key=1)


def prefixes(row: list[int], n_items: int) -> Histories:
    """Each prefix of two or more events as a row whose last event alone is a target."""
    rows = Histories.from_lists([row[:end] for end in range(2, len(row) + 1)], n_items)
    return replace(rows, n_targets=np.ones(len(rows), np.int32))


def test_each_event_has_the_weight_of_its_row() -> None:
    train = Histories.from_lists([[1, 2, 2], [2, 3], [3]], n_items=4)
    train = replace(train, weight=np.array([1, 0.5, 2], np.float32))
    assert compute_item_weights(train).tolist() == [0, 1, 2 + 0.5, 0.5 + 2, 0]


def test_the_weight_of_an_event_halves_per_half_life() -> None:
    train = Histories.from_lists([[1, 2], [3]], 3, times=[[0, 10 * DAY], [20 * DAY]])
    assert compute_item_weights(train, half_life_days=10).tolist() == [0, 1 / 4, 1 / 2, 1]


def test_decay_starts_at_the_last_event_with_a_weight() -> None:
    train = Histories.from_lists([[1, 2], [3]], 3, times=[[0, 10 * DAY], [20 * DAY]])
    train = replace(train, weight=np.array([1, 0], np.float32))
    assert compute_item_weights(train, half_life_days=10).tolist() == [0, 1 / 2, 1, 0]


def test_a_row_and_its_prefixes_have_the_same_total_weight() -> None:
    row = [4, 1, 2, 1, 3]
    assert (
        compute_item_weights(prefixes(row, 4)).tolist() == compute_item_weights(Histories.from_lists([row], 4)).tolist()
    )


def test_a_row_whose_last_event_alone_is_a_target_counts_that_event() -> None:
    train = replace(Histories.from_lists([[1, 2, 3]], 3), n_targets=np.ones(1, np.int32))
    assert compute_item_weights(train).tolist() == [0, 0, 0, 1]


def test_the_mask_has_no_weight() -> None:
    assert compute_item_weights(Histories.from_lists([[1, 4, 2]], n_items=3)).tolist() == [0, 1, 1, 0]


def test_sums_of_fractions_do_not_depend_on_the_order_of_the_rows() -> None:
    chance = np.random.default_rng(1)
    train = Histories.from_lists([chance.integers(1, 4, 5).tolist() for _ in range(500)], 3)
    train = replace(train, weight=chance.random(500).astype(np.float32))
    again = train.take(chance.permutation(500))
    assert compute_item_weights(train).tobytes() == compute_item_weights(again).tobytes()


def test_ties_are_ranked_by_id_and_items_without_events_come_last() -> None:
    train = Histories.from_lists([[5, 3], [2, 5], [3, 2]], n_items=6)
    ranked = Popularity().fit(train, NOW).recommend(Histories.from_lists([[]], 6), 6)
    assert ranked.items.tolist() == [[2, 3, 5, 1, 4, 6]]
    assert ranked.scores.tolist() == [[2, 2, 2, 0, 0, 0]]


def test_seen_items_are_excluded_instead_of_scored_zero() -> None:
    """A known error of other libraries: seen items with score 0 tie with items without events."""
    train = Histories.from_lists([[1, 2], [1, 2]], n_items=4)
    ranked = Popularity().fit(train, NOW).recommend(Histories.from_lists([[1, 2]], 4), 4)
    assert ranked.items.tolist() == [[3, 4, 0, 0]]
    assert ranked.scores.tolist() == [[0, 0, -np.inf, -np.inf]]


def test_the_half_life_is_saved(tmp_path) -> None:
    fitted = Popularity(half_life_days=2.5).fit(Histories.from_lists([[1, 2]], 2), NOW)
    fitted.save(tmp_path)
    assert Popularity.load(tmp_path).config == Popularity(half_life_days=2.5)


@pytest.mark.parametrize("days", [0.0, -1.0, float("nan")])
def test_an_invalid_half_life_raises_an_error(days) -> None:
    with pytest.raises(SpecError, match="half_life_days"):
        Popularity(half_life_days=days)
