"""String tables compared with a dictionary and with byte order."""

import itertools
import random

import numpy as np
import pytest

from leaven.arrays.codes import MAX_STRING_BYTES, StringTable


def laid_out(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """(offsets, bytes) in Arrow layout."""
    written = [text.encode() for text in texts]
    starts = np.concatenate([[0], np.cumsum([len(one) for one in written])]).astype(np.int32)
    return starts, np.frombuffer(b"".join(written), np.uint8)


def read(starts: np.ndarray, letters: np.ndarray) -> list[str]:
    whole = letters.tobytes()
    return [whole[low:high].decode() for low, high in itertools.pairwise(starts)]


def many(chance: random.Random) -> list[str]:
    """Strings of every valid length, some of which differ only in the last byte, a trailing zero or the length."""
    found = ["".join(chance.choice("ab\x00zé漢") for _ in range(chance.randint(0, 5))) for _ in range(2000)]
    found += ["a" * 13 + end for end in ("", "b", "bc", "c", "cb", "é")]
    return (
        found + ["\x00" * size for size in range(MAX_STRING_BYTES + 1)] + ["a" * 7 + "\x00" * size for size in range(9)]
    )


@pytest.mark.parametrize("batch", [1, 7, 300, 40_000])
def test_codes_follow_first_appearance_and_ranks_follow_bytes(batch: int) -> None:
    chance = random.Random(7)
    pool = many(chance)
    lines = [chance.choice(pool) for _ in range(40_000 if batch > 1 else 900)]
    known: dict[str, int] = {}
    expected = [known.setdefault(text, len(known)) for text in lines]
    texts, found = StringTable(), []
    for first in range(0, len(lines), batch):
        codes = texts.encode_strings(*laid_out(lines[first : first + batch]))
        assert codes is not None
        assert codes.dtype == np.int32
        found += codes.tolist()
    assert found == expected
    assert len(texts) == len(known)
    ranks, starts, letters = texts.sort_strings()
    in_order = read(starts, letters)
    assert in_order == sorted(known, key=str.encode)
    assert [in_order[rank] for rank in ranks] == list(known)


def test_strings_of_equal_length_are_sorted() -> None:
    lines = [f"u{number:07d}" for number in random.Random(7).sample(range(10**6), 5000)]
    texts = StringTable()
    texts.encode_strings(*laid_out(lines))
    _, starts, letters = texts.sort_strings()
    assert read(starts, letters) == sorted(lines)


def test_a_missing_string_gets_no_code() -> None:
    texts, there = StringTable(), np.array([True, False, True])
    codes = texts.encode_strings(*laid_out(["b", "", "a"]), there)
    assert codes is not None
    assert codes.tolist() == [0, -1, 1]
    assert len(texts) == 2


def test_a_batch_may_start_at_an_offset() -> None:
    starts, letters = laid_out(["x" * 9, "ab", "c", "ab"])
    codes = StringTable().encode_strings(starts[1:], letters)
    assert codes is not None
    assert codes.tolist() == [0, 1, 0]


def test_a_too_long_string_gives_none_and_no_strings_give_no_codes() -> None:
    assert StringTable().encode_strings(*laid_out(["a", "x" * (MAX_STRING_BYTES + 1)])) is None
    ranks, starts, letters = StringTable().sort_strings()
    assert (len(ranks), starts.tolist(), len(letters)) == (0, [0], 0)
