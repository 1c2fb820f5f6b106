"""Tests of text and attribute encoders."""

from dataclasses import replace

import numpy as np
import pytest

from leaven.datasets.catalog import Catalog
from leaven.encoders import Attributes, SentenceEncoder, TfIdf
from leaven.encoders.item_inputs import extract_terms
from leaven.errors import DataError, SpecError

TITLES = [
    "rose hand cream",
    "rose body cream",
    "steel kitchen knife",
    "steel bread knife",
    "",
    "玫瑰护手霜",
    "玫瑰身体乳",
]
ITEMS = Catalog([str(n) for n in range(len(TITLES))], {"title": TITLES})


def cosine(vectors: np.ndarray, one: int, other: int) -> float:
    return float(vectors[one] @ vectors[other])


def test_items_with_common_rare_words_are_close() -> None:
    vectors = TfIdf(width=6).fit(ITEMS)(ITEMS)
    assert cosine(vectors, 0, 1) > 0.3 > 0.01 > abs(cosine(vectors, 0, 2))
    assert cosine(vectors, 2, 3) > 0.3
    np.testing.assert_allclose(np.linalg.norm(vectors[:4], axis=1), 1, rtol=1e-6)


def test_an_item_without_text_has_a_zero_vector() -> None:
    assert not TfIdf().fit(ITEMS)(ITEMS)[4].any()


def test_chinese_text_is_segmented_into_words() -> None:
    pytest.importorskip("rjieba")
    assert "玫瑰" in list(extract_terms("玫瑰护手霜", (1, 1), (0, 0)))
    vectors = TfIdf(width=6, character_ngrams=(0, 0)).fit(ITEMS)(ITEMS)
    assert cosine(vectors, 5, 6) > 0.5
    assert abs(cosine(vectors, 5, 0)) < 0.01


def test_with_full_rank_cosines_equal_those_of_tfidf() -> None:
    fitted = TfIdf(width=100, character_ngrams=(0, 0)).fit(ITEMS)
    table = fitted.compute_tfidf(ITEMS).toarray()
    np.testing.assert_allclose(fitted(ITEMS) @ fitted(ITEMS).T, table @ table.T, atol=1e-6)


def test_character_ngrams_match_misspelled_words() -> None:
    fitted = TfIdf(width=6).fit(ITEMS)
    misspelt = replace(ITEMS, texts={"title": ["rose hand craem", *TITLES[1:]]})
    assert float(fitted(misspelt)[0] @ fitted(ITEMS)[0]) > 0.6


def test_an_unknown_column_raises_an_error() -> None:
    two = Catalog(["a", "b", "c"], {"title": ["x", "y", "z"], "more": ["soap bar", "soap dish", "lamp"]})
    assert cosine(TfIdf(columns=("more",)).fit(two)(two), 0, 1) > 0.2
    with pytest.raises(DataError, match="titel"):
        TfIdf(columns=("titel",)).fit(two)


def test_text_without_shared_terms_raises_an_error() -> None:
    with pytest.raises(DataError, match="least_items"):
        TfIdf().fit(Catalog(["a"], {"title": ["soap"]}))
    with pytest.raises(SpecError, match="neither"):
        TfIdf(word_ngrams=(0, 0), character_ngrams=(0, 0))


def priced(price: list[float], category: list[int]) -> Catalog:
    names = ["home", "bath"]
    return Catalog(["a", "b", "c", "d"], {}, np.array([0, *category], np.int32), names, np.array([np.nan, *price]))


def test_the_price_is_relative_to_the_mean_of_its_category() -> None:
    items = priced([1.0, 100.0, 10.0, np.nan], [1, 1, 2, 2])
    vectors = Attributes(price_weight=1.0).fit(items)(items)
    logs = np.log([1.0, 100.0, 10.0])
    far = np.log(10.0) / logs.std()
    np.testing.assert_allclose(vectors[:, -1], [-far, far, 0, 0], rtol=1e-5)
    assert cosine(vectors[:, :-1], 0, 1) == pytest.approx(1, abs=1e-5)
    assert abs(cosine(vectors[:, :-1], 0, 2)) < 1e-6


def test_labels_are_distinguished_by_column() -> None:
    items = Catalog(["a", "b", "c"], {"labels": ["soap|rose", "rose | gift", "knife"]})
    vectors = Attributes(label_columns=("labels",)).fit(items)(items)
    assert 0.1 < cosine(vectors, 0, 1) < 0.9
    assert abs(cosine(vectors, 0, 2)) < 1e-6


def test_a_new_item_is_encoded_by_known_labels() -> None:
    items = Catalog(["a", "b", "c"], {"labels": ["soap|rose", "rose", "knife"]})
    fitted = Attributes(label_columns=("labels",)).fit(items)
    new = fitted(Catalog(["x", "y"], {"labels": ["rose", "never seen"]}))
    assert float(new[0] @ fitted(items)[1]) == pytest.approx(1, abs=1e-5)
    assert not new[1].any()


def test_a_catalog_without_attributes_raises_an_error() -> None:
    assert not Attributes().can_encode(ITEMS)
    with pytest.raises(DataError, match="category"):
        Attributes().fit(ITEMS)


def test_sentence_vectors_are_independent_of_the_batch(tmp_path) -> None:
    pytest.importorskip("transformers")
    from unit.encoders import tiny

    folder = tiny.write(tmp_path / "model", " ".join(TITLES[:4]).split())
    cached = SentenceEncoder(folder=str(folder), cache=str(tmp_path / "cache"))
    vectors = cached.fit(ITEMS)(ITEMS)
    assert vectors.shape == (len(TITLES), 16)
    assert not vectors[4].any()
    np.testing.assert_allclose(np.linalg.norm(vectors[:4], axis=1), 1, rtol=1e-5)
    alone = SentenceEncoder(folder=str(folder)).fit(ITEMS)(Catalog(["x"], {"title": TITLES[2:3]}))
    np.testing.assert_allclose(alone[0], vectors[2], atol=1e-6)
    kept = sorted((tmp_path / "cache").iterdir())
    assert len(kept) == 1
    again = cached.fit(ITEMS)
    again = replace(again, model=None)  # only the cache can answer
    object.__setattr__(again, "model", type("Shape", (), {"config": cached.fit(ITEMS).model.config}))
    np.testing.assert_array_equal(again(ITEMS), vectors)


def test_a_folder_without_a_model_raises_an_error_with_its_name(tmp_path) -> None:
    pytest.importorskip("transformers")
    with pytest.raises(DataError, match=tmp_path.name):
        SentenceEncoder(folder=str(tmp_path)).fit(ITEMS)
    (tmp_path / "config.json").write_text('{"model_type": "nothing"}')
    with pytest.raises(DataError, match=tmp_path.name):
        SentenceEncoder(folder=str(tmp_path)).fit(ITEMS)
