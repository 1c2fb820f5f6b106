"""Tests of the linear item–item models against their formulas."""

from dataclasses import replace

import numpy as np
import pytest

from leaven.datasets.histories import Histories, concat_histories
from leaven.errors import DataError, FitError, SpecError
from leaven.protocols import TrainingContext
from leaven.recommenders.ease import Ease
from leaven.recommenders.linear_item_model import HistoryWeighting, LinearItemModel, fill_best
from leaven.recommenders.popularity import Popularity, RecentPopularity
from leaven.recommenders.rank_fusion import RankFusion
from leaven.recommenders.sparse_linear import SparseLinear
from leaven.recommenders.time_linear import TimeLinear

N_ITEMS = 7
NOW = TrainingContext(key=1)
DAY = 86_400


def drawn(seed: int, rows: int = 80) -> Histories:
    """Rows of 1 to 6 items, in which every two items occur together, with weights 0.5 to 2."""
    generator = np.random.default_rng(seed)
    lists = [generator.integers(1, N_ITEMS + 1, int(generator.integers(2, 7))).tolist() for _ in range(rows)]
    times = [np.sort(generator.integers(0, 300 * DAY, len(row))).tolist() for row in lists]
    histories = Histories.from_lists(lists, N_ITEMS, times=times)
    return replace(histories, weight=generator.uniform(0.5, 2, rows).astype(np.float32))


def dense_weights(model: LinearItemModel) -> np.ndarray:
    """Weights from source to target, (n_items, n_items)."""
    if model.dense_items is None:
        return model.weights.toarray()
    full = np.zeros((N_ITEMS, N_ITEMS))
    full[np.ix_(model.dense_items - 1, model.dense_items - 1)] = model.weights
    return full


def gram_by_hand(train: Histories, row_weights: np.ndarray) -> np.ndarray:
    gram = np.zeros((N_ITEMS, N_ITEMS))
    for row, weight in enumerate(row_weights):
        present = np.zeros(N_ITEMS)
        present[train.row_items(row) - 1] = 1
        gram += weight * np.outer(present, present)
    return gram


def ease_by_hand(gram: np.ndarray, penalty: np.ndarray) -> np.ndarray:
    """Column by column: the regression of an item on all others."""
    weights = np.zeros_like(gram)
    for item in range(len(gram)):
        others = np.arange(len(gram)) != item
        matrix = gram[np.ix_(others, others)] + np.diag(penalty[others])
        weights[others, item] = np.linalg.solve(matrix, gram[others, item])
    return weights


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_ease_equals_the_regression_of_each_item_on_all_others(dropout) -> None:
    train = drawn(1)
    gram = gram_by_hand(train, train.weight)
    expected = ease_by_hand(gram, 3 + dropout / (1 - dropout) * np.diag(gram))
    model = Ease(regularization=3, dropout=dropout).fit(train, NOW)
    assert np.allclose(dense_weights(model), expected, atol=1e-5)


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_sparse_weights_equal_ease_if_every_item_is_a_neighbor(dropout) -> None:
    train = drawn(2)
    settings = {"regularization": 3.0, "dropout": dropout}
    sparse = SparseLinear(**settings, max_neighbors=N_ITEMS).fit(train, NOW)
    assert np.allclose(dense_weights(sparse), dense_weights(Ease(**settings).fit(train, NOW)), atol=1e-5)


def test_no_item_has_more_neighbors_than_allowed() -> None:
    weights = dense_weights(SparseLinear(max_neighbors=2).fit(drawn(3), NOW))
    assert ((weights != 0).sum(axis=0) == 2).all()


def test_half_lives_of_rows_multiply_their_weights() -> None:
    train = drawn(4)
    last = train.times[train.starts[1:] - 1]
    row_weights = train.weight * 2.0 ** ((last - last.max()) / (30 * DAY))
    expected = ease_by_hand(gram_by_hand(train, row_weights), np.full(N_ITEMS, 3.0))
    assert np.allclose(dense_weights(Ease(regularization=3, half_life_days=30).fit(train, NOW)), expected, atol=1e-5)


def test_the_weights_of_time_windows_follow_the_formula() -> None:
    train = drawn(5)
    config = TimeLinear(
        regularization=2, lag_power=0.5, time_scale_days=60, backward_weight=0.25, max_neighbors=N_ITEMS
    )
    gram, products = np.zeros((N_ITEMS, N_ITEMS)), np.zeros((N_ITEMS, N_ITEMS))
    for row in range(len(train)):
        events = range(int(train.starts[row]), int(train.starts[row + 1]))
        for target in events:
            for sources, factor in ((range(events[0], target), 1.0), (range(target + 1, events[-1] + 1), 0.25)):
                window = np.zeros(N_ITEMS)
                for source in sources:
                    days = abs(int(train.times[target] - train.times[source])) / DAY
                    window[train.items[source] - 1] += abs(target - source) ** -0.5 * np.exp(-days / 60)
                gram += train.weight[row] * factor * np.outer(window, window)
                products[:, train.items[target] - 1] += train.weight[row] * factor * window
    expected = np.linalg.solve(gram + 2 * np.eye(N_ITEMS), products)
    assert np.allclose(dense_weights(config.fit(train, NOW)), expected, atol=1e-5)


def test_windows_without_a_training_target_do_not_count() -> None:
    train = Histories.from_lists([[1, 2, 3]] * 3, N_ITEMS)
    shortened = replace(train, n_targets=np.ones(3, np.int32))
    weights = dense_weights(TimeLinear(backward_weight=0).fit(shortened, NOW))
    assert weights[0, 1] == 0
    assert weights[0, 2] > 0


def test_scores_are_weighted_by_position_and_age() -> None:
    rows = Histories.from_lists([[1, 2, 3], [4]], N_ITEMS, times=[[0, 10 * DAY, 20 * DAY], [0]])
    weights = HistoryWeighting(recency_power=1, time_scale_days=10).compute_event_weights(rows)
    assert np.allclose(weights, [np.exp(-2) / 3, np.exp(-1) / 2, 1, 1])


def shop(rows: int = 40) -> Histories:
    """Carts (kind 0) before purchases (kind 1): a cart of 1 is followed by a purchase of 2, a cart of 3 by one of 4."""
    lists = [[1, 2], [3, 4]] * rows
    return replace(Histories.from_lists(lists, N_ITEMS), extra={"kind": np.tile([0, 1], 2 * rows).astype(np.int16)})


@pytest.mark.parametrize("config", [Ease, SparseLinear])
def test_items_of_other_kinds_are_sources_but_not_seen_and_get_a_bonus(config) -> None:
    users = replace(Histories.from_lists([[3], [4]], N_ITEMS), extra={"kind": np.array([0, 1], np.int16)})
    settings = {"target_kind": 1, "kind_weights": (1.0, 1.0)}
    without = config(**settings, own_bonus=0).fit(shop(), NOW).recommend(users, 3).items
    assert without[0, 0] == 4
    assert 4 not in without[1]
    assert config(**settings, own_bonus=5).fit(shop(), NOW).recommend(users, 3).items[0, :2].tolist() == [3, 4]


@pytest.mark.parametrize("config", [Ease, SparseLinear])
def test_a_kind_of_weight_zero_is_as_good_as_absent(config) -> None:
    model = config(target_kind=1, kind_weights=(0.0, 1.0), own_bonus=0).fit(shop(), NOW)
    users = replace(Histories.from_lists([[3]], N_ITEMS), extra={"kind": np.zeros(1, np.int16)})
    assert model.recommend(users, 2).items[0].tolist() == [2, 4]  # by popularity among purchases


def test_kinds_that_do_not_occur_or_are_not_known_are_errors() -> None:
    with pytest.raises(FitError, match="kinds"):
        Ease(target_kind=5).fit(shop(), NOW)
    with pytest.raises(DataError, match="kind"):
        Ease(target_kind=1).fit(drawn(1), NOW)
    with pytest.raises(DataError, match="kind_weights"):
        Ease(target_kind=0, kind_weights=(1.0,)).fit(shop(), NOW)


def test_a_catalog_larger_than_the_memory_of_a_dense_solve_is_an_error_that_names_the_sparse_model() -> None:
    with pytest.raises(DataError, match="sparse_linear"):
        Ease(max_memory_gb=1e-8).fit(drawn(1), NOW)


@pytest.mark.parametrize(
    "build",
    [
        lambda: Ease(regularization=0),
        lambda: Ease(dropout=1),
        lambda: Ease(half_life_days=0),
        lambda: SparseLinear(max_neighbors=0),
        lambda: SparseLinear(half_life_days=-1),
        lambda: TimeLinear(time_scale_days=0),
        lambda: TimeLinear(max_lag=0),
        lambda: RecentPopularity(half_life_days=0),
        lambda: RecentPopularity(window_days=0),
        lambda: Ease(target_kind=2, kind_weights=(1.0, 1.0)),
    ],
)
def test_impossible_values_are_errors(build) -> None:
    with pytest.raises(SpecError):
        build()


def test_recent_events_outweigh_more_frequent_old_ones() -> None:
    old = Histories.from_lists([[1, 2]] * 5, N_ITEMS, times=[[0, 1]] * 5)
    new = Histories.from_lists([[3]] * 2, N_ITEMS, times=[[365 * DAY]] * 2, row_ids=[90, 91])
    train = concat_histories([old, new])
    users = Histories.from_lists([[]], N_ITEMS)
    for config in (RecentPopularity(30), RecentPopularity(None, window_days=7)):
        assert config.fit(train, NOW).recommend(users, 3).items[0].tolist() == [3, 1, 2]
    assert Popularity().fit(train, NOW).recommend(users, 3).items[0].tolist() == [1, 2, 3]


@pytest.mark.parametrize("second", [Ease(), SparseLinear(), TimeLinear(), RecentPopularity()])
def test_rank_fusion_takes_every_pair(second, tmp_path) -> None:
    train, users = drawn(6), drawn(7, rows=5)
    fitted = RankFusion(first=SparseLinear(), second=second, second_weight=0.5).fit(train, NOW)
    fitted.save(tmp_path)
    assert (RankFusion.load(tmp_path).recommend(users, 4).items == fitted.recommend(users, 4).items).all()


def test_the_best_items_are_sorted_and_ties_go_to_the_smaller_id() -> None:
    scores = np.array([[0, 2, 1, 2, 1, 1], [-np.inf, -np.inf, 3, -np.inf, -np.inf, -np.inf]], np.float32)
    items, best = np.zeros((2, 4), np.int32), np.full((2, 4), -np.inf, np.float32)
    fill_best(scores, items, best)
    assert items.tolist() == [[2, 4, 3, 5], [3, 0, 0, 0]]
    assert best[0].tolist() == [2, 2, 1, 1]
