"""Cold items replace similar items, with the similarity as weight."""

from dataclasses import replace

import numpy as np
import pytest

from leaven import rng
from leaven.augmentation import Plan, Step, expand
from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import Histories
from leaven.encoders import TfIdf
from leaven.errors import DataError
from leaven.transforms.sequence.cold_items import ColdItems

TITLES = ["rose soap", "rose cream", "steel knife", "steel fork", "rose soap bar", "steel knife big", "lamp"]
ITEMS = Catalog([str(n) for n in range(7)], {"title": TITLES})
WORDS = TfIdf(character_ngrams=(0, 0), min_items=1)
ROWS = replace(Histories.from_lists([[3, 1, 4, 2], [2, 4], [1, 1], [2, 3, 4, 1], [4]] * 20, 7), catalog=ITEMS)
WISH = ColdItems(encoder=WORDS, max_cold_events=0, max_neighbors=1)


def made(wish: ColdItems = WISH, rows: Histories = ROWS) -> Histories:
    keys = rng.derive_row_keys(1, rng.mix_bits(np.arange(1, len(rows) + 1, dtype=np.uint64)))
    return wish.fit(rows)(rows, keys, np.ones(len(rows), np.float32))


def test_a_cold_item_replaces_the_most_similar_item_and_ends_the_row() -> None:
    new = made()
    assert new.row_items(0).tolist() == [3, 5]  # item 3 stands first, and is no place for item 6
    assert new.row_items(1).tolist() == [2, 4]
    assert new.row_items(2).tolist() == [1, 5]
    assert {tuple(new.row_items(3 + 5 * n).tolist()) for n in range(20)} == {(2, 6), (2, 3, 4, 5)}
    assert new.n_targets[[0, 1, 2]].tolist() == [1, 1, 1]
    assert 7 not in new.items  # nothing is like the lamp


def test_the_weight_is_the_cosine_times_the_weight_of_the_row() -> None:
    table = WORDS.fit(ITEMS).compute_tfidf(ITEMS).toarray()
    new = made()
    assert new.weight[0] == pytest.approx(table[4] @ table[0], abs=1e-5)
    assert new.weight[1] == 1.0
    grown = expand(ROWS, Plan([Step(WISH, weight=0.5)]), seed=1)
    named = grown.take(grown.origin == 1)
    ends = named.items[named.starts[1:] - 1]
    np.testing.assert_allclose(named.weight[ends == 5], 0.5 * (table[4] @ table[0]), rtol=1e-4)


def test_rows_without_a_similar_cold_item_have_a_reason() -> None:
    reasons = WISH.fit(ROWS).reasons(ROWS)
    assert reasons["no event with a similar cold item"][:5].tolist() == [False, True, False, False, True]
    assert reasons["shorter than 2 events"][:5].tolist() == [False, False, False, False, True]


def test_bounds_of_coldness_and_similarity_are_fields() -> None:
    assert 6 in made().items
    assert 6 not in made(replace(WISH, max_cold_events=40)).items  # the steel knife itself is cold now
    with pytest.raises(DataError, match="min_similarity"):
        made(replace(WISH, min_similarity=1.0))
    with pytest.raises(DataError, match="max_cold_events"):
        made(replace(WISH, max_cold_events=1000))


def test_it_needs_a_catalog_that_the_encoder_can_read() -> None:
    with pytest.raises(DataError, match="items with text"):
        made(WISH, replace(ROWS, catalog=None))
    with pytest.raises(DataError, match="items with text"):
        made(WISH, replace(ROWS, catalog=Catalog([str(n) for n in range(7)])))
