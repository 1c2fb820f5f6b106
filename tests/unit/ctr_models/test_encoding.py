"""Imputation and encoding of labeled rows."""

import json

import numpy as np
import pytest

from leaven.ctr_models.encoding import FeatureEncoding, check_two_classes, harden_labels, select_training_rows
from leaven.ctr_models.imputation import Imputation
from leaven.datasets.samples import Samples
from leaven.errors import DataError, FitError, SpecError
from leaven.protocols import TrainingContext

ROWS = Samples.from_lists(
    {"price": [1.0, None, 4.0, 7.0], "age": [20.0, 30.0, 40.0, 50.0], "shop": ["a", "b", "a", None]}, label=[1, 0, 0, 1]
)


@pytest.mark.parametrize(
    ("rule", "value"), [("median", 4.0), ("mean", 4.0), ("zero", 0.0), ("smallest", 1.0), ("largest", 7.0)]
)
def test_missing_numbers_get_the_value_of_the_rule(rule, value: float) -> None:
    filled = Imputation(rule).fit(ROWS)(ROWS)
    assert filled.numeric_column("price").tolist() == [1.0, value, 4.0, 7.0]
    assert filled.numeric_column("price_is_missing").tolist() == [0, 1, 0, 0]
    assert "age_is_missing" not in filled.numeric  # nothing was missing in training


def test_values_come_from_training_and_a_column_may_have_a_rule_of_its_own() -> None:
    fitted = Imputation("median", columns={"age": "largest"}, indicators=False).fit(ROWS)
    other = Samples.from_lists({"price": [None], "age": [None], "shop": ["a"]}, label=[1])
    assert fitted(other).numbers.tolist() == [[4.0, 50.0]]


def test_a_column_without_any_number_is_filled_with_0() -> None:
    empty = Samples.from_lists({"price": [np.nan, np.nan]}, label=[0, 1])
    assert Imputation().fit(empty)(empty).numeric_column("price").tolist() == [0.0, 0.0]


def test_unknown_rules_and_columns_are_refused() -> None:
    with pytest.raises(SpecError, match="median"):
        Imputation("mediann")
    with pytest.raises(SpecError, match="age"):
        Imputation(columns={"agee": "mean"}).fit(ROWS)


def test_encoded_numbers_have_mean_0_and_deviation_1_and_are_clipped() -> None:
    encoding = FeatureEncoding.fit(ROWS)
    numbers = encoding.encode_numbers(ROWS)
    assert numbers.dtype == np.float32
    assert numbers.shape == (4, encoding.width) == (4, 3)
    np.testing.assert_allclose(numbers.mean(axis=0), 0.0, atol=1e-6)
    np.testing.assert_allclose(numbers.std(axis=0), 1.0, atol=1e-6)
    far = Samples.from_lists({"price": [1e9], "age": [-1e9], "shop": ["a"]}, label=[1])
    assert encoding.encode_numbers(far)[0, :2].tolist() == [8.0, -8.0]


def test_skewed_numbers_are_put_on_a_logarithmic_scale() -> None:
    skewed = Samples.from_lists({"x": [1.0] * 99 + [1e6]}, label=[0, 1] * 50)
    encoding = FeatureEncoding.fit(skewed)
    assert encoding.logged.tolist() == [True]
    assert encoding.center[0] == pytest.approx(np.log1p(skewed.numbers[:, 0]).mean())


def test_categories_are_matched_by_name_and_rare_ones_are_unknown() -> None:
    encoding = FeatureEncoding.fit(ROWS, min_rows=2)
    assert encoding.levels["shop"] == ("a",)
    other = Samples.from_lists(
        {"shop": ["b", "a", "z", None], "price": [1.0] * 4, "age": [2.0] * 4}, label=[0, 1, 0, 1]
    )
    assert encoding.encode_categories(other).ravel().tolist() == [0, 1, 0, 0]


def test_the_most_frequent_levels_stay() -> None:
    shops = ["a"] * 3 + ["b"] * 2 + ["c"]
    rows = Samples.from_lists({"shop": shops}, label=[0, 1, 0, 1, 0, 1])
    assert FeatureEncoding.fit(rows, max_levels=2).levels["shop"] == ("a", "b")


def test_columns_without_information_are_dropped_with_a_reason() -> None:
    columns = {"x": [1.0, 2.0], "same": [3.0, 3.0], "none": [None, None], "shop": ["a", "a"]}
    encoding = FeatureEncoding.fit(Samples.from_lists(columns, label=[0, 1]))
    assert encoding.numeric == ("x",)
    assert encoding.dropped_columns["same"] == encoding.dropped_columns["shop"] == "constant"
    assert encoding.dropped_columns["none"] == "all missing"
    with pytest.raises(FitError, match="a column that varies"):
        FeatureEncoding.fit(Samples.from_lists({"same": [3.0, 3.0]}, label=[0, 1]))


def test_an_encoding_survives_json() -> None:
    encoding = FeatureEncoding.fit(ROWS)
    again = FeatureEncoding.from_json(json.loads(json.dumps(encoding.to_json())))
    np.testing.assert_array_equal(again.encode_numbers(ROWS), encoding.encode_numbers(ROWS))
    np.testing.assert_array_equal(again.encode_categories(ROWS), encoding.encode_categories(ROWS))


def test_a_missing_column_is_an_error_that_names_it() -> None:
    encoding = FeatureEncoding.fit(ROWS)
    with pytest.raises(DataError, match="age"):
        encoding.encode_numbers(Samples.from_lists({"price": [1.0], "shop": ["a"]}, label=[1]))


def test_soft_labels_become_two_rows_that_share_the_weight() -> None:
    rows = Samples.from_lists({"x": [0.0, 1.0, 2.0]}, label=[1.0, 0.25, 0.0])
    hard = harden_labels(rows)
    shares = np.zeros((3, 2))
    np.add.at(shares, (hard.row, hard.label), hard.weight)
    np.testing.assert_allclose(shares, [[0, 1], [0.75, 0.25], [1, 0]])
    assert (hard.weight > 0).all()


def test_rows_of_one_class_cannot_be_fitted() -> None:
    one = Samples.from_lists({"x": [0.0, 1.0, 2.0]}, label=[1, 1, 1])
    with pytest.raises(FitError, match="both classes"):
        check_two_classes(one)
    with pytest.raises(FitError, match="both classes"):
        select_training_rows(one, TrainingContext(key=1))


def test_changing_rows_are_taken_half_way_through_the_training() -> None:
    asked: list[tuple[int, float]] = []

    def load_rows(epoch: int, progress: float) -> Samples:
        asked.append((epoch, progress))
        return ROWS

    assert select_training_rows(ROWS, TrainingContext(key=1, rows_for_epoch=load_rows)) is ROWS
    assert asked == [(0, 0.5)]
