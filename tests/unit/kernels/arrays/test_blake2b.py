"""BLAKE2b digests compared with hashlib."""

import random

import numpy as np

from leaven import rng
from leaven.arrays import blake2b
from leaven.arrays.blake2b import hash_strings


def test_digests_equal_hashlib_for_every_length_of_the_last_block() -> None:
    chance = random.Random(7)
    texts = ["a" * size for size in range(260)]
    texts += ["".join(chance.choice("abc漢é \x00") for _ in range(chance.randint(0, 400))) for _ in range(500)]
    written = [text.encode() for text in texts]
    starts = np.concatenate([[0], np.cumsum([len(one) for one in written])]).astype(np.int64)
    found = hash_strings(starts, np.frombuffer(b"".join(written), np.uint8))
    assert np.array_equal(found, rng.derive_user_ids(texts))


def test_threads_do_not_change_digests_and_no_strings_give_none() -> None:
    texts = [f"u{number}" for number in range(50_000)]
    starts = np.concatenate([[0], np.cumsum([len(text) for text in texts])]).astype(np.int64)
    found = hash_strings(starts, np.frombuffer("".join(texts).encode(), np.uint8))
    assert np.array_equal(found, rng.derive_user_ids(texts))
    assert len(hash_strings(np.zeros(1, np.int64), np.zeros(0, np.uint8))) == 0


def test_the_kernel_and_the_standard_library_give_the_same_digests(monkeypatch) -> None:
    letters = np.frombuffer("".join(f"user {number}" for number in range(300)).encode(), np.uint8)
    starts = np.concatenate([[0], np.sort(np.random.default_rng(1).integers(0, len(letters), 299)), [len(letters)]])
    few = hash_strings(starts.astype(np.int64), letters)
    monkeypatch.setattr(blake2b, "_MAX_UNCOMPILED", 0)
    np.testing.assert_array_equal(hash_strings(starts.astype(np.int64), letters), few)
