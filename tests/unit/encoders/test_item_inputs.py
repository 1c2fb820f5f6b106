"""Texts, n-grams and cached vectors of items."""

from pathlib import Path

import numpy as np
import pytest

from leaven.datasets.catalog import Catalog
from leaven.encoders.item_inputs import (
    extract_terms,
    has_images,
    hash_model,
    join_columns,
    load_or_compute,
    normalize_vectors,
)
from leaven.errors import DataError

ITEMS = Catalog(["a", "b"], {"title": ["soap", ""], "brand": ["Nova", "Rill"], "note": ["", ""]})


def test_non_empty_columns_are_joined_in_the_given_order() -> None:
    assert join_columns(ITEMS, ["title", "brand"]) == ["soap | Nova", "Rill"]
    assert join_columns(ITEMS, ["brand", "title"]) == ["Nova | soap", "Rill"]
    assert join_columns(ITEMS, ["note"]) == ["", ""]
    assert join_columns(ITEMS, []) == ["", ""]
    with pytest.raises(DataError, match="title"):
        join_columns(ITEMS, ["titel"])


@pytest.mark.parametrize(
    ("words", "characters", "terms"),
    [
        ((1, 1), (0, 0), ["red", "mug"]),
        ((2, 2), (0, 0), ["red mug"]),
        ((1, 2), (0, 0), ["red", "mug", "red mug"]),
        ((0, 0), (4, 4), ["#<red", "#red>", "#<mug", "#mug>"]),
        ((3, 3), (0, 0), []),
    ],
)
def test_terms_are_ngrams_of_words_and_of_characters(words, characters, terms: list[str]) -> None:
    assert list(extract_terms("Red mug!", words, characters)) == terms


def test_vectors_are_computed_once_for_an_identity(tmp_path: Path) -> None:
    calls: list[int] = []

    def compute() -> np.ndarray:
        calls.append(1)
        return np.full((2, 3), len(calls), np.float32)

    first = load_or_compute(str(tmp_path / "cache"), b"model and images", compute)
    again = load_or_compute(str(tmp_path / "cache"), b"model and images", compute)
    other = load_or_compute(str(tmp_path / "cache"), b"other images", compute)
    assert len(calls) == 2
    np.testing.assert_array_equal(first, again)
    assert other[0, 0] == 2
    assert len(list((tmp_path / "cache").iterdir())) == 2
    load_or_compute("", b"model and images", compute)
    assert len(calls) == 3  # without a folder nothing is kept


def test_the_hash_of_a_model_covers_its_weights_and_not_its_readme(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "config.json").write_text("{}")
    before = hash_model(tmp_path)
    (tmp_path / "README.md").write_text("words")
    assert hash_model(tmp_path) == before
    (tmp_path / "model.safetensors").write_bytes(b"other weights")
    assert hash_model(tmp_path) != before
    assert hash_model(tmp_path / "config.json") != hash_model(tmp_path / "model.safetensors")


def test_vectors_have_norm_1_and_zeros_stay() -> None:
    vectors = normalize_vectors(np.array([[3.0, 4.0], [0.0, 0.0]], np.float32))
    np.testing.assert_allclose(vectors, [[0.6, 0.8], [0.0, 0.0]], rtol=1e-6)
    assert vectors.dtype == np.float32


def test_a_catalog_without_files_has_no_images() -> None:
    assert not has_images(ITEMS)
    assert not has_images(Catalog(["a"], {}, image_paths=[""]))
    assert has_images(Catalog(["a", "b"], {}, image_paths=["", "b.png"]))
