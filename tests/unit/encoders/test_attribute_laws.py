"""Attribute vectors: labels, prices within categories, and missing values."""

import numpy as np
import pytest

from leaven.datasets.catalog import Catalog
from leaven.encoders import Attributes
from leaven.encoders.tfidf import compute_directions, compute_idf, count_terms, normalize_rows
from leaven.errors import DataError, SpecError


def build_catalog() -> Catalog:
    """Six items of two categories with prices; the last has neither."""
    return Catalog(
        [str(n) for n in range(6)],
        {"brand": ["x", "x", "y", "y", "z", ""], "tags": ["soap|bath", "soap", "knife", "knife|steel", "", ""]},
        category=np.array([0, 1, 1, 2, 2, 2, 0], np.int32),
        categories=("care", "kitchen"),
        price=np.array([np.nan, 1.0, 4.0, 10.0, 40.0, 20.0, np.nan]),
    )


def test_items_with_common_labels_are_closer() -> None:
    vectors = Attributes(label_columns=("tags",), price_weight=0.0).fit(build_catalog())(build_catalog())
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2
    np.testing.assert_allclose(np.linalg.norm(vectors[:5], axis=1), 1.0, rtol=1e-5)
    assert not vectors[5].any()


def test_a_price_is_relative_to_its_category() -> None:
    fitted = Attributes(price_weight=0.5).fit(build_catalog())
    price = fitted(build_catalog())[:, -1]
    assert fitted.width == len(fitted(build_catalog())[0])
    assert price[0] == pytest.approx(-price[1])  # 1 and 4 lie on both sides of their mean, 2
    assert price[0] < 0
    assert price[4] == pytest.approx(0.0, abs=1e-6)  # 20 is the geometric mean of 10, 40 and 20
    assert price[5] == 0.0  # without a price


def test_unknown_labels_and_columns() -> None:
    fitted = Attributes(price_weight=0.0).fit(build_catalog())
    strange = Catalog(["new"], {"brand": ["unheard of"]})
    assert not fitted(strange).any()
    with pytest.raises(DataError, match="tags"):
        Attributes(label_columns=("tag",)).fit(build_catalog())
    with pytest.raises(DataError, match="category, brand, labels or price"):
        Attributes().fit(Catalog(["a"], {"title": ["soap"]}))


@pytest.mark.parametrize("fields", [{"width": 0}, {"separator": ""}, {"price_weight": -1.0}])
def test_impossible_configs_are_refused(fields) -> None:
    with pytest.raises(SpecError):
        Attributes(**fields)


def test_counts_are_logarithmic_and_unknown_terms_are_ignored() -> None:
    index: dict[str, int] = {}
    table = count_terms([["a", "a", "b"], []], index, grow=True)
    assert index == {"a": 0, "b": 1}
    np.testing.assert_allclose(table.toarray(), [[1 + np.log(2), 1.0], [0.0, 0.0]])
    assert count_terms([["b", "z"]], index, grow=False).toarray().tolist() == [[0.0, 1.0]]
    assert "z" not in index


def test_rare_and_common_terms_have_no_weight() -> None:
    index: dict[str, int] = {}
    rows = [["all", "two"], ["all", "two"], ["all", "one"], ["all"], ["all"]]
    weight = compute_idf(count_terms(rows, index, grow=True), 5, max_share=0.5, min_items=2)
    assert weight[index["all"]] == 0.0
    assert weight[index["one"]] == 0.0
    assert weight[index["two"]] == pytest.approx(np.log(5 / 2))


def test_directions_are_those_of_the_exact_decomposition() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    matrix = np.random.default_rng(1).random((300, 230)) @ np.diag(np.linspace(1, 0.01, 230) ** 4)
    left, values = compute_directions(sparse.csr_matrix(matrix), 5)
    exact_left, exact_values, _ = np.linalg.svd(matrix, full_matrices=False)
    np.testing.assert_allclose(values, exact_values[:5], rtol=1e-3)
    np.testing.assert_allclose(np.abs((left * exact_left[:, :5]).sum(axis=0)), 1.0, atol=1e-2)


def test_zero_rows_stay_zero() -> None:
    np.testing.assert_allclose(normalize_rows(np.array([[0.0, 2.0], [0.0, 0.0]])), [[0.0, 1.0], [0.0, 0.0]])
