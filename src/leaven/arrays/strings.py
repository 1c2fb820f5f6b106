"""Which short texts are there, and which of them stands in each line?

A text of up to 15 bytes is its own key: two 64-bit words, of which the second ends with the text's length. So keys are
equal where texts are, without a hash that might mistake one for another, and stand in the order of their bytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

Words = npt.NDArray[np.uint64]
Bytes = npt.NDArray[np.uint8]
Codes = npt.NDArray[np.int32]

LONGEST = 15
"""Bytes of a text that is its own key."""
_BLOCK = 256
"""Lines whose keys are made first and looked up later: memory answers many questions at once."""
_U = np.uint64
_MASKS = np.array([[(1 << 8 * min(n, 8)) - 1, (1 << 8 * max(n - 8, 0)) - 1] for n in range(LONGEST + 1)], _U)


class Texts:
    """Different texts, numbered from 0 as they came.

    >>> known, letters = Texts(), np.frombuffer(b"babca", np.uint8)
    >>> known.codes(np.array([0, 1, 2, 3, 5]), letters).tolist()
    [0, 1, 0, 2]
    >>> ranks, starts, letters = known.sorted()
    >>> ranks.tolist(), starts.tolist(), letters.tobytes()
    ([1, 0, 2], [0, 1, 2, 4], b'abca')
    """

    def __init__(self) -> None:
        self._table = _empty(1 << 12)
        self._known = 0

    def __len__(self) -> int:
        return self._known

    def codes(
        self, starts: npt.NDArray[Any], letters: Bytes, there: npt.NDArray[np.bool_] | None = None
    ) -> Codes | None:
        """int32 (lines,): the number of each line's text, letters[starts[i]:starts[i + 1]]; None where one is too long.

        there: bool (lines,): False for a line without a text, which gets -1.
        """
        first, last = int(starts[0]), int(starts[-1])
        words = np.empty(last // 8 + 3, _U)  # room for the words in which the last text ends
        words.view(np.uint8)[first:last] = letters[first:last]
        there = np.zeros(0, np.bool_) if there is None else there
        found, done = np.empty(len(starts) - 1, np.int32), 0
        while True:
            done, self._known = _look_up(starts, words, there, done, self._table, self._known, found)
            if done < 0:
                return None
            if done == len(found):
                return found
            grown = _empty(2 * len(self._table))
            _move(self._table, grown)
            self._table = grown

    def sorted(self) -> tuple[Codes, npt.NDArray[np.int32], Bytes]:
        """(int32 (texts,): the place of each in the order of their bytes, from 0; the texts in that order: where each
        starts, int32 (texts + 1,), and their bytes)."""
        taken = self._table[self._table[:, 1] > 0]
        keys = np.empty((self._known, 2), _U)
        keys[taken[:, 2]] = taken[:, :2]
        lengths = keys[:, 1] >> _U(56)
        rest = (keys[:, 1] ^ (lengths << _U(56))).byteswap() | lengths  # as written: the first letter counts most
        first = keys[:, 0].byteswap()
        alike = len(keys) > 0 and (rest == rest[0]).all()  # as where all have eight letters
        order = np.argsort(first) if alike else np.lexsort((rest, first))
        ranks = np.empty(self._known, np.int32)
        ranks[order] = np.arange(self._known, dtype=np.int32)
        sizes = lengths[order].astype(np.int64) - 1
        starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
        letters = keys[order].view(np.uint8).reshape(-1, 16)
        return ranks, starts, letters[np.arange(16) < sizes[:, None]]


def laid_out(column: Any) -> tuple[npt.NDArray[np.int32], Bytes]:
    """(int32 (texts + 1,): where each text of an Arrow array begins, their bytes), not copied."""
    _, starts, letters = column.buffers()
    first, count = column.offset, len(column)
    return np.frombuffer(starts, np.int32)[first : first + count + 1], np.frombuffer(letters or b"", np.uint8)


def _empty(slots: int) -> Words:
    """uint64 (slots, 4): the key's words, the number, and nothing. No key's second word is 0."""
    table = np.empty((slots, 4), _U)  # np.zeros would take small pages, which a random walk pays for
    table[:] = 0
    return table


@njit(cache=True, nogil=True, inline="always")
def _word(words: Words, at: np.uint64) -> np.uint64:
    """Eight bytes from byte `at` on."""
    word, bits = at >> _U(3), (at & _U(7)) << _U(3)
    return (words[word] >> bits) | ((words[word + _U(1)] << _U(1)) << (_U(63) - bits))


@njit(cache=True, nogil=True, inline="always")
def _slot(first: np.uint64, second: np.uint64, slots: int) -> np.uint64:
    """Where a key is looked for first; slots: a power of 2."""
    mixed = (first * _U(0x9E3779B97F4A7C15)) ^ (second * _U(0xC2B2AE3D27D4EB4F))
    mixed = (mixed ^ (mixed >> _U(32))) * _U(0xD6E8FEB86659FD93)
    return (mixed >> _U(32)) & _U(slots - 1)


@njit(cache=True, nogil=True)
def _look_up(
    starts: npt.NDArray[Any],
    words: Words,
    there: npt.NDArray[np.bool_],
    begin: int,
    table: Words,
    known: int,
    found: Codes,
) -> tuple[int, int]:
    """(lines done, texts known): it stops before the table is half full. (-1, ..) at a text that is too long."""
    first, second, slot = np.empty(_BLOCK, _U), np.empty(_BLOCK, _U), np.empty(_BLOCK, _U)
    touched = _U(0)
    while begin < len(found) and 2 * (known + _BLOCK) <= len(table):
        end = min(begin + _BLOCK, len(found))
        low = _U(starts[begin])
        for line in range(begin, end):
            place, high = _U(line - begin), _U(starts[line + 1])
            size = high - low
            if size > _U(LONGEST):
                return -1, known
            first[place] = _word(words, low) & _MASKS[size, 0]
            second[place] = (_word(words, low + _U(8)) & _MASKS[size, 1]) | ((size + _U(1)) << _U(56))
            slot[place] = _slot(first[place], second[place], len(table))
            low = high
        for here in slot[: end - begin]:
            touched ^= table[here, 0]
        for line in range(begin, end):
            if len(there) and not there[line]:
                found[line] = -1
                continue
            place = _U(line - begin)
            here = slot[place]
            while table[here, 1] != second[place] or table[here, 0] != first[place]:
                if table[here, 1] == _U(0):
                    table[here, 0], table[here, 1], table[here, 2] = first[place], second[place], _U(known)
                    known += 1
                    break
                here = (here + _U(1)) & _U(len(table) - 1)
            found[line] = table[here, 2]
        begin = end
    table[0, 3] = touched  # so that the touching is not left out as useless
    return begin, known


@njit(cache=True, nogil=True)
def _move(table: Words, grown: Words) -> None:
    """All keys into a larger table."""
    for at in range(len(table)):
        if table[at, 1] != _U(0):
            here = _slot(table[at, 0], table[at, 1], len(grown))
            while grown[here, 1] != _U(0):
                here = (here + _U(1)) & _U(len(grown) - 1)
            grown[here] = table[at]
