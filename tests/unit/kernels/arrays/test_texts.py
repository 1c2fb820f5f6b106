"""Numbering texts: as a dictionary does it, and sorted as their bytes are."""

import itertools
import random

import numpy as np
import pytest

from leaven.arrays.strings import LONGEST, Texts


def laid_out(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """(where each begins, all bytes), as Arrow keeps them."""
    written = [text.encode() for text in texts]
    starts = np.concatenate([[0], np.cumsum([len(one) for one in written])]).astype(np.int32)
    return starts, np.frombuffer(b"".join(written), np.uint8)


def read(starts: np.ndarray, letters: np.ndarray) -> list[str]:
    whole = letters.tobytes()
    return [whole[low:high].decode() for low, high in itertools.pairwise(starts)]


def many(chance: random.Random) -> list[str]:
    """Texts of every length that fits; some differ in their last letter, in a zero at their end, or in length alone."""
    found = ["".join(chance.choice("ab\x00zé漢") for _ in range(chance.randint(0, 5))) for _ in range(2000)]
    found += ["a" * 13 + end for end in ("", "b", "bc", "c", "cb", "é")]
    return found + ["\x00" * size for size in range(LONGEST + 1)] + ["a" * 7 + "\x00" * size for size in range(9)]


@pytest.mark.parametrize("batch", [1, 7, 300, 40_000])
def test_texts_are_numbered_as_they_come_and_sorted_by_their_bytes(batch: int) -> None:
    chance = random.Random(7)
    pool = many(chance)
    lines = [chance.choice(pool) for _ in range(40_000 if batch > 1 else 900)]
    known: dict[str, int] = {}
    expected = [known.setdefault(text, len(known)) for text in lines]
    texts, found = Texts(), []
    for first in range(0, len(lines), batch):
        codes = texts.codes(*laid_out(lines[first : first + batch]))
        assert codes is not None
        assert codes.dtype == np.int32
        found += codes.tolist()
    assert found == expected
    assert len(texts) == len(known)
    ranks, starts, letters = texts.sorted()
    in_order = read(starts, letters)
    assert in_order == sorted(known, key=str.encode)
    assert [in_order[rank] for rank in ranks] == list(known)


def test_texts_of_one_length_are_sorted_too() -> None:
    lines = [f"u{number:07d}" for number in random.Random(7).sample(range(10**6), 5000)]
    texts = Texts()
    texts.codes(*laid_out(lines))
    _, starts, letters = texts.sorted()
    assert read(starts, letters) == sorted(lines)


def test_a_line_without_a_text_has_no_number_and_adds_none() -> None:
    texts, there = Texts(), np.array([True, False, True])
    codes = texts.codes(*laid_out(["b", "", "a"]), there)
    assert codes is not None
    assert codes.tolist() == [0, -1, 1]
    assert len(texts) == 2


def test_a_batch_that_begins_inside_the_bytes_is_read_from_there() -> None:
    starts, letters = laid_out(["x" * 9, "ab", "c", "ab"])
    codes = Texts().codes(starts[1:], letters)
    assert codes is not None
    assert codes.tolist() == [0, 1, 0]


def test_a_text_that_is_too_long_is_said_and_none_is_none() -> None:
    assert Texts().codes(*laid_out(["a", "x" * (LONGEST + 1)])) is None
    ranks, starts, letters = Texts().sorted()
    assert (len(ranks), starts.tolist(), len(letters)) == (0, [0], 0)
