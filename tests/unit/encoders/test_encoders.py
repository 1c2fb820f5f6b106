"""Vectors of items: by hand where they can be worked out, and alike where items are."""

from dataclasses import replace

import numpy as np
import pytest

from leaven.datasets.catalog import Catalog
from leaven.encoders import Attributes, Sentences, TfIdf
from leaven.encoders.item_text import terms
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


def test_items_that_share_rare_words_are_near_and_others_far() -> None:
    vectors = TfIdf(width=6).fit(ITEMS)(ITEMS)
    assert cosine(vectors, 0, 1) > 0.3 > 0.01 > abs(cosine(vectors, 0, 2))
    assert cosine(vectors, 2, 3) > 0.3
    np.testing.assert_allclose(np.linalg.norm(vectors[:4], axis=1), 1, rtol=1e-6)


def test_an_item_without_words_is_a_row_of_zeros() -> None:
    assert not TfIdf().fit(ITEMS)(ITEMS)[4].any()


def test_chinese_words_are_cut_and_shared() -> None:
    pytest.importorskip("rjieba")
    assert "玫瑰" in list(terms("玫瑰护手霜", (1, 1), (0, 0)))
    vectors = TfIdf(width=6, characters=(0, 0)).fit(ITEMS)(ITEMS)
    assert cosine(vectors, 5, 6) > 0.5
    assert abs(cosine(vectors, 5, 0)) < 0.01


def test_with_all_directions_cosines_are_those_of_the_tfidf_table() -> None:
    fitted = TfIdf(width=100, characters=(0, 0)).fit(ITEMS)
    table = fitted.table(ITEMS).toarray()
    np.testing.assert_allclose(fitted(ITEMS) @ fitted(ITEMS).T, table @ table.T, atol=1e-6)


def test_a_misspelt_word_is_still_near_by_its_characters() -> None:
    fitted = TfIdf(width=6).fit(ITEMS)
    misspelt = replace(ITEMS, words={"title": ["rose hand craem", *TITLES[1:]]})
    assert float(fitted(misspelt)[0] @ fitted(ITEMS)[0]) > 0.6


def test_columns_can_be_named_and_a_missing_one_is_an_error() -> None:
    two = Catalog(["a", "b", "c"], {"title": ["x", "y", "z"], "more": ["soap bar", "soap dish", "lamp"]})
    assert cosine(TfIdf(columns=("more",)).fit(two)(two), 0, 1) > 0.2
    with pytest.raises(DataError, match="titel"):
        TfIdf(columns=("titel",)).fit(two)


def test_words_that_nobody_shares_are_refused_with_a_reason() -> None:
    with pytest.raises(DataError, match="least_items"):
        TfIdf().fit(Catalog(["a"], {"title": ["soap"]}))
    with pytest.raises(SpecError, match="neither"):
        TfIdf(words=(0, 0), characters=(0, 0))


def priced(price: list[float], category: list[int]) -> Catalog:
    names = ["home", "bath"]
    return Catalog(["a", "b", "c", "d"], {}, np.array([0, *category], np.int32), names, np.array([np.nan, *price]))


def test_the_price_is_told_against_the_mean_of_its_category() -> None:
    items = priced([1.0, 100.0, 10.0, np.nan], [1, 1, 2, 2])
    vectors = Attributes(price=1.0).fit(items)(items)
    logs = np.log([1.0, 100.0, 10.0])
    far = np.log(10.0) / logs.std()
    np.testing.assert_allclose(vectors[:, -1], [-far, far, 0, 0], rtol=1e-5)
    assert cosine(vectors[:, :-1], 0, 1) == pytest.approx(1, abs=1e-5)
    assert abs(cosine(vectors[:, :-1], 0, 2)) < 1e-6


def test_labels_of_a_column_are_told_apart() -> None:
    items = Catalog(["a", "b", "c"], {"labels": ["soap|rose", "rose | gift", "knife"]})
    vectors = Attributes(labels=("labels",)).fit(items)(items)
    assert 0.1 < cosine(vectors, 0, 1) < 0.9
    assert abs(cosine(vectors, 0, 2)) < 1e-6


def test_a_new_item_is_placed_by_the_labels_that_were_learned() -> None:
    items = Catalog(["a", "b", "c"], {"labels": ["soap|rose", "rose", "knife"]})
    fitted = Attributes(labels=("labels",)).fit(items)
    new = fitted(Catalog(["x", "y"], {"labels": ["rose", "never seen"]}))
    assert float(new[0] @ fitted(items)[1]) == pytest.approx(1, abs=1e-5)
    assert not new[1].any()


def test_a_catalogue_without_attributes_is_refused() -> None:
    assert not Attributes().knows(ITEMS)
    with pytest.raises(DataError, match="category"):
        Attributes().fit(ITEMS)


def test_a_sentence_encoder_of_a_folder_gives_the_same_bytes_in_any_company(tmp_path) -> None:
    pytest.importorskip("transformers")
    from unit.encoders import tiny

    folder = tiny.write(tmp_path / "model", " ".join(TITLES[:4]).split())
    cached = Sentences(folder=str(folder), cache=str(tmp_path / "cache"))
    vectors = cached.fit(ITEMS)(ITEMS)
    assert vectors.shape == (len(TITLES), 16)
    assert not vectors[4].any()
    np.testing.assert_allclose(np.linalg.norm(vectors[:4], axis=1), 1, rtol=1e-5)
    alone = Sentences(folder=str(folder)).fit(ITEMS)(Catalog(["x"], {"title": TITLES[2:3]}))
    np.testing.assert_allclose(alone[0], vectors[2], atol=1e-6)
    kept = sorted((tmp_path / "cache").iterdir())
    assert len(kept) == 1
    again = cached.fit(ITEMS)
    again = replace(again, model=None)  # only the cache can answer
    object.__setattr__(again, "model", type("Shape", (), {"config": cached.fit(ITEMS).model.config}))
    np.testing.assert_array_equal(again(ITEMS), vectors)


def test_a_folder_without_a_model_is_named(tmp_path) -> None:
    pytest.importorskip("transformers")
    with pytest.raises(DataError, match=tmp_path.name):
        Sentences(folder=str(tmp_path)).fit(ITEMS)
    (tmp_path / "config.json").write_text('{"model_type": "nothing"}')
    with pytest.raises(DataError, match=tmp_path.name):
        Sentences(folder=str(tmp_path)).fit(ITEMS)
