"""Tests of item-kNN against its formulas."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leaven.datasets.histories import HeldOut, Histories
from leaven.errors import SpecError
from leaven.metrics.ranking.list_metrics import Ndcg
from leaven.protocols import TrainingContext
from leaven.recommenders.item_knn import FittedItemKnn, ItemKnn

N_ITEMS = 7
NOW = TrainingContext(key=1)
PLAIN = ItemKnn(lag_power=1, backward_weight=0.5, confidence_shrinkage=0, source_power=0, target_power=0, shrinkage=0)


def table(fitted: FittedItemKnn) -> np.ndarray:
    """float32 (n_items + 1, n_items + 1): similarity from row to column."""
    dense = np.zeros((len(fitted.item_weights), len(fitted.item_weights)), np.float32)
    for item in range(len(fitted.item_weights)):
        pairs = slice(fitted.starts[item], fitted.starts[item + 1])
        dense[item, fitted.items[pairs]] = fitted.similarity[pairs]
    return dense


def by_hand(wish: ItemKnn, train: Histories) -> np.ndarray:
    """The same table by the formula, one pair of events after the other."""
    sums = np.zeros((train.n_items + 1, train.n_items + 1))
    weight = np.zeros(train.n_items + 1)
    for row in range(len(train)):
        items = train.row_items(row)
        for later in range(len(items)):
            weight[items[later]] += train.weight[row]
            for before in range(max(later - wish.max_lag, 0), later):
                share = train.weight[row] * (later - before) ** -wish.lag_power
                sums[items[before], items[later]] += share
                sums[items[later], items[before]] += share * wish.backward_weight
    damp = weight + wish.shrinkage
    with np.errstate(divide="ignore", invalid="ignore"):
        sums = np.where(sums > 0, sums * sums / (sums + wish.confidence_shrinkage), 0)
        found = sums * damp[:, None] ** -wish.source_power * damp**-wish.target_power
    return np.where(sums > 0, found, 0)


def scored_by_hand(fitted: FittedItemKnn, past: np.ndarray) -> np.ndarray:
    wish, dense = fitted.config, table(fitted).astype(float)
    recent = past[::-1][: wish.max_events]
    scores = wish.popularity_weight * fitted.item_weights / fitted.item_weights.max()
    for back, item in enumerate(recent):
        scores = scores + (back + 1.0) ** -wish.recency_power * dense[item]
    return scores


def drawn(seed: int, rows: int = 60) -> Histories:
    chance = np.random.default_rng(seed)
    lists = [chance.integers(1, N_ITEMS + 1, chance.integers(0, 9)).tolist() for _ in range(rows)]
    weight = chance.random(rows).astype(np.float32)
    return replace(Histories.from_lists([*lists, [1, 2]], N_ITEMS), weight=np.append(weight, np.float32(1)))


def test_pair_weights_follow_distance_and_direction() -> None:
    found = table(PLAIN.fit(Histories.from_lists([[1, 2, 3]], 3), NOW))
    assert found[1].tolist() == [0, 0, 1, 1 / 2]
    assert found[2].tolist() == [0, 1 / 2, 0, 1]
    assert found[3].tolist() == [0, 1 / 4, 1 / 2, 0]


def test_backward_weight_zero_removes_backward_pairs() -> None:
    found = table(replace(PLAIN, backward_weight=0.0).fit(Histories.from_lists([[1, 2, 3], [1, 3]], 3), NOW))
    assert (np.tril(found) == 0).all()
    assert found[1, 3] == np.float32(1 / 2 + 1)


def test_pairs_further_apart_than_max_lag_do_not_count() -> None:
    found = table(replace(PLAIN, max_lag=1).fit(Histories.from_lists([[1, 2, 3]], 3), NOW))
    assert found[1, 3] == found[3, 1] == 0
    assert found[1, 2] == 1


@pytest.mark.parametrize("wish", [ItemKnn(), PLAIN, ItemKnn(max_lag=2, shrinkage=0.0, backward_weight=1.0)])
def test_similarities_match_the_formula(wish) -> None:
    train = drawn(4)
    np.testing.assert_allclose(table(wish.fit(train, NOW)), by_hand(wish, train), rtol=1e-5)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(1, N_ITEMS), max_size=9),
    st.integers(1, N_ITEMS + 2),
    st.booleans(),
    st.integers(1, 9),
    st.integers(1, N_ITEMS),
)
def test_lists_are_sorted_by_the_score_formula(past, k, repeats, max_events, keep) -> None:
    fitted = ItemKnn(max_events=max_events, max_neighbors=keep).fit(drawn(5), NOW)
    ranked = fitted.recommend(Histories.from_lists([past], N_ITEMS), k, allow_repeats=repeats)
    scores = scored_by_hand(fitted, np.array(past, int))
    left = [item for item in range(1, N_ITEMS + 1) if repeats or item not in past]
    best = sorted(-scores[item] for item in left)[:k]
    np.testing.assert_allclose(-ranked.scores[0, : len(best)], best, rtol=1e-5)
    offered = ranked.items[0, : len(best)]
    np.testing.assert_allclose(ranked.scores[0, : len(best)], scores[offered], rtol=1e-5)
    assert set(offered.tolist()) <= set(left)
    assert (ranked.items[0, len(best) :] == 0).all()


def test_a_row_and_its_prefixes_give_the_same_similarities() -> None:
    row = [4, 1, 2, 1, 3, 6, 2]
    cut = Histories.from_lists([row[:end] for end in range(2, len(row) + 1)], N_ITEMS)
    cut = replace(cut, n_targets=np.ones(len(cut), np.int32))
    one, two = ItemKnn().fit(Histories.from_lists([row], N_ITEMS), NOW), ItemKnn().fit(cut, NOW)
    assert table(one).tobytes() == table(two).tobytes()


def test_a_row_of_weight_two_counts_like_the_row_twice() -> None:
    rows = [[1, 2, 3], [3, 1]]
    heavy = replace(Histories.from_lists(rows, N_ITEMS), weight=np.array([1, 2], np.float32))
    one, two = ItemKnn().fit(heavy, NOW), ItemKnn().fit(Histories.from_lists([*rows, rows[1]], N_ITEMS), NOW)
    assert table(one).tobytes() == table(two).tobytes()


def test_a_row_of_weight_zero_has_no_effect() -> None:
    rows = Histories.from_lists([[1, 2, 3], [3, 1], [5, 6, 7]], N_ITEMS)
    quiet = replace(rows, weight=np.array([1, 1, 0], np.float32))
    one, two = ItemKnn().fit(quiet, NOW), ItemKnn().fit(rows.slice(0, 2), NOW)
    assert table(one).tobytes() == table(two).tobytes()
    assert one.item_weights.tolist() == two.item_weights.tolist()


def test_neither_the_order_of_rows_nor_the_number_of_threads_changes_a_byte(monkeypatch) -> None:
    train = drawn(6, rows=300)
    shuffled = train.take(np.random.default_rng(2).permutation(len(train)))
    monkeypatch.setattr("leaven.recommenders.item_knn._ITEMS_PER_TASK", 2)
    monkeypatch.setattr("leaven.recommenders.item_knn._USERS_PER_TASK", 7)
    seen = set()
    for threads, rows in (("1", train), ("3", train), ("2", shuffled)):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        fitted = ItemKnn().fit(rows, NOW)
        ranked = fitted.recommend(train, 5)
        arrays = (fitted.starts, fitted.items, fitted.similarity, ranked.items, ranked.scores)
        seen.add(b"".join(array.tobytes() for array in arrays))
    assert len(seen) == 1


def test_only_the_nearest_neighbors_are_stored_with_ties_by_id() -> None:
    train = Histories.from_lists([[1, 5], [1, 3], [1, 4], [1, 4]], N_ITEMS)
    fitted = replace(PLAIN, max_neighbors=2).fit(train, NOW)
    assert fitted.items[fitted.starts[1] : fitted.starts[2]].tolist() == [4, 3]
    assert (np.diff(fitted.starts) <= 2).all()


def test_the_mask_occupies_a_position_but_has_no_score() -> None:
    mask = N_ITEMS + 1
    train = Histories.from_lists([[1, 2], [1, 2], [3, 4], [3, mask, 5]], N_ITEMS)
    fitted = ItemKnn().fit(train, NOW)
    assert (fitted.items <= N_ITEMS).all()
    with_mask, without = (fitted.recommend(Histories.from_lists([row], N_ITEMS), 3) for row in ([1, mask], [1]))
    assert with_mask.items.tolist() == without.items.tolist()
    assert with_mask.scores[0, 0] < without.scores[0, 0]


def test_items_without_neighbors_are_ranked_by_popularity_then_id() -> None:
    train = Histories.from_lists([[1, 2], [6, 5], [5]], N_ITEMS)
    ranked = ItemKnn().fit(train, NOW).recommend(Histories.from_lists([[1]], N_ITEMS), N_ITEMS)
    assert ranked.items.tolist() == [[2, 5, 6, 3, 4, 7, 0]]


def test_ties_are_ranked_by_id() -> None:
    train = Histories.from_lists([[1, 7], [1, 3], [1, 5]], N_ITEMS)
    for rows in (train, train.take([2, 0, 1])):
        assert ItemKnn().fit(rows, NOW).recommend(Histories.from_lists([[1]], N_ITEMS), 2).items.tolist() == [[3, 5]]


@pytest.mark.parametrize(
    ("field", "value"),
    [("max_events", 0), ("backward_weight", -0.1), ("popularity_weight", 0.0), ("confidence_shrinkage", float("nan"))],
)
def test_a_field_out_of_range_raises_an_error_with_its_name(field, value) -> None:
    with pytest.raises(SpecError, match=field):
        ItemKnn(**{field: value})


@pytest.mark.data
def test_beauty_is_ranked_better_than_a_published_transformer_with_binary_loss() -> None:
    """Leave-one-out, full ranking, seen items excluded; .0318 stands for SASRec on these files."""
    path = Path(os.environ.get("LEAVEN_DATA", "../shared/data")) / "sequences/Beauty.txt"
    if not path.exists():
        pytest.skip(f"no {path}: set LEAVEN_DATA")
    rows = [[int(item) for item in line.split()[1:]] for line in path.read_text().splitlines()]
    n_items = max(map(max, rows))
    train, known = (
        Histories.from_lists([row[:-2] for row in rows], n_items),
        Histories.from_lists([row[:-1] for row in rows], n_items),
    )
    last = np.array([row[-1] for row in rows], np.int32)
    held_out = HeldOut(known, last, np.zeros(len(rows), np.int64), np.arange(len(rows) + 1))
    ranked = ItemKnn().fit(train, NOW).recommend(known, 10)
    assert Ndcg(10)(ranked, held_out, train).mean() > 0.05
