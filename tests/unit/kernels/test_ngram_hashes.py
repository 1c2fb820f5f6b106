"""Hashes of item multisets and n-grams."""

import numpy as np

from leaven.kernels.ngram_hashes import hash_item_multisets, hash_ngrams

ITEMS = np.array([1, 2, 2, 2, 1, 2, 1, 2, 1, 2], np.int32)
STARTS = np.array([0, 3, 6, 8, 10])  # [1, 2, 2], [2, 1, 2], [1, 2], [1, 2]


def test_multisets_ignore_order_but_not_counts() -> None:
    hashes = hash_item_multisets(ITEMS, STARTS)
    assert hashes[0] == hashes[1]
    assert hashes[2] == hashes[3]
    assert hashes[0] != hashes[2]


def test_positions_tell_equal_items_apart() -> None:
    place = np.array([0, 1, 2, 0, 1, 2, 0, 1, 0, 1])
    hashes = hash_item_multisets(ITEMS, STARTS, place)
    assert hashes[0] != hashes[1]
    assert hashes[2] == hashes[3]


def test_ngrams_stay_inside_rows_and_respect_order() -> None:
    hashes, rows = hash_ngrams(ITEMS, STARTS, 2)
    assert rows.tolist() == [0, 0, 1, 1, 2, 3]
    one_two = hashes[0]
    assert (hashes == one_two).tolist() == [True, False, False, True, True, True]
    assert hashes[1] != hashes[2]  # (2, 2) and (2, 1)
    assert len(hash_ngrams(ITEMS, STARTS, 4)[0]) == 0
