"""Embeddings of histories, tables, texts and images, and their interpretable features."""

import numpy as np
import pytest

from leaven.datasets.histories import Histories
from leaven.errors import DataError
from leaven.metrics.synthetic.featurizers import (
    HistoryEncoder,
    PrincipalAxes,
    TabularEncoder,
    TextEncoder,
    compute_log_gaps,
    compute_repeat_share,
)
from leaven.metrics.synthetic.protocol import FeaturizedRows, compute_finite_mean


def draw_two_tastes(seed: int, n: int = 120) -> Histories:
    """Histories over items 1..5 or over items 6..10."""
    generator = np.random.default_rng(seed)
    rows = [(generator.integers(1, 6, 6) + 5 * (row % 2)).tolist() for row in range(n)]
    return Histories.from_lists(rows, n_items=10)


def test_items_of_one_taste_have_similar_vectors() -> None:
    encoder = HistoryEncoder.fit(draw_two_tastes(1), key=3, width=4)
    points = encoder.embed(Histories.from_lists([[1, 2], [3, 4], [6, 7], []], n_items=10))
    near, far = np.linalg.norm(points[0] - points[1]), np.linalg.norm(points[0] - points[2])
    assert near < far / 2
    assert not points[3].any()
    assert encoder.embed(draw_two_tastes(1)).std() == pytest.approx(1.0)


def test_the_same_key_gives_the_same_vectors() -> None:
    one, two = (HistoryEncoder.fit(draw_two_tastes(1), key=3).vectors for _ in range(2))
    np.testing.assert_array_equal(one, two)


def test_features_of_histories_have_one_name_each_and_ignore_other_rows() -> None:
    train = draw_two_tastes(1)
    encoder = HistoryEncoder.fit(train, key=3)
    features, names = encoder.compute_features(train)
    assert features.shape == (len(train), len(names))
    assert np.isfinite(features).all()
    alone, _ = encoder.compute_features(train.take(np.array([5])))
    np.testing.assert_allclose(alone[0], features[5], rtol=1e-9, atol=1e-9)


def test_items_that_never_meet_have_no_vectors() -> None:
    with pytest.raises(DataError, match="two items and more"):
        HistoryEncoder.fit(Histories.from_lists([[1], [2]], n_items=3), key=1)


def test_gaps_and_repeats_are_counted_within_rows() -> None:
    rows = Histories.from_lists([[1, 1, 2], [3, 4], [5]], n_items=5, times=[[0, 9, 9], [100, 199], [7]])
    np.testing.assert_allclose(compute_log_gaps(rows), np.log1p([9, 0, 99]))
    np.testing.assert_allclose(compute_repeat_share(rows), [1 / 3, 0, 0])


TABLE = {
    "age": np.array([10.0, 20.0, 30.0, np.nan]),
    "height": np.array([1.0, 2.0, 3.0, 4.0]),
    "color": np.array(["red", "red", "blue", "blue"], object),
    "shop": np.array(["a", "a", "a", "a"], object),
}


def test_table_rows_are_standardized_one_hot_and_marked_where_missing() -> None:
    encoder = TabularEncoder.fit(TABLE)
    assert encoder.constant_columns == ("shop",)
    assert encoder.feature_names == ["age", "age missing", "height", "color = blue", "color = red"]
    points = encoder.embed(TABLE)
    np.testing.assert_allclose(points[:, 0], [-1.22474487, 0.0, 1.22474487, 0.0])
    assert points[:, 1].tolist() == [0, 0, 0, 1]
    assert points[:, 2].mean() == pytest.approx(0.0)
    assert points[:, 2].std() == pytest.approx(1.0)
    assert points[:, 3:].var(axis=0).sum() == pytest.approx(1.0)  # one column counts like one standardized number


def test_an_unknown_category_is_encoded_as_zeros() -> None:
    encoder = TabularEncoder.fit(TABLE)
    row = {"age": np.array([20.0]), "height": np.array([2.5]), "color": np.array(["green"], object)}
    assert encoder.embed(row)[0].tolist() == [0.0, 0.0, 0.0, 0.0, 0.0]


def test_a_table_of_constants_cannot_be_encoded() -> None:
    with pytest.raises(DataError, match="a column that varies"):
        TabularEncoder.fit({"shop": TABLE["shop"]})


def test_principal_axes_keep_all_distances_and_sort_by_variance() -> None:
    generator = np.random.default_rng(1)
    vectors = generator.standard_normal((200, 4)) * [1.0, 5.0, 0.1, 2.0]
    points = PrincipalAxes.fit(vectors, scaled=False).embed(vectors)
    np.testing.assert_allclose(np.linalg.norm(points[0] - points[1]), np.linalg.norm(vectors[0] - vectors[1]))
    assert (np.diff(points.var(axis=0)) < 0).all()
    scaled = PrincipalAxes.fit(vectors, scaled=True).embed(vectors)
    assert scaled.var(axis=0, ddof=1).mean() == pytest.approx(1.0)


def test_texts_with_the_same_words_are_close() -> None:
    texts = Histories.from_lists([[1, 2, 3], [1, 2, 4], [5, 6, 7], [5, 6, 8]] * 3, n_items=9)
    encoder = TextEncoder.fit(texts, key=2, width=4)
    points = encoder.embed(Histories.from_lists([[1, 2], [1, 2, 2], [5, 6], [9]], n_items=9))
    assert np.linalg.norm(points[0] - points[1]) < np.linalg.norm(points[0] - points[2])
    assert not points[3].any()  # no known token
    features, names = encoder.compute_features(Histories.from_lists([[1, 9], []], n_items=9))
    assert names == ["words", "rarity of words", "unknown words"]
    np.testing.assert_allclose(features[:, 2], [0.5, 0.0])
    np.testing.assert_allclose(features[:, 0], np.log1p([2, 0]))


def test_texts_without_common_words_cannot_be_encoded() -> None:
    with pytest.raises(DataError, match="two texts that share a word"):
        TextEncoder.fit(Histories.from_lists([[1], [2]], n_items=2), key=1)


def test_rows_and_their_statistics_are_taken_together() -> None:
    rows = Histories.from_lists([[1], [2, 3], [4]], n_items=4)
    numbers = np.arange(3.0)
    sample = FeaturizedRows(numbers[:, None], numbers[:, None], numbers[:, None], {"nearest": numbers}, rows)
    part = sample.take(np.array([2, 0]))
    assert len(part) == 2
    assert part.points.ravel().tolist() == part.row_statistics["nearest"].tolist() == [2.0, 0.0]
    assert part.histories.items.tolist() == [4, 1]


def test_the_mean_of_finite_values_ignores_missing_ones() -> None:
    assert compute_finite_mean(np.array([1.0, np.nan, 3.0, np.inf])) == 2.0
    assert np.isnan(compute_finite_mean(np.array([np.nan])))
