"""Integer codes: of short strings, by a compiled hash table, and a stable sort of codes.

A string of up to 15 bytes is packed into two 64-bit words, the second of which ends with the string's length. Two
packed strings are equal only if the strings are, so the table has no false matches, and they sort as the bytes do.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from leaven.arrays.buffer_pool import allocate_array

Words = npt.NDArray[np.uint64]
Bytes = npt.NDArray[np.uint8]
Codes = npt.NDArray[np.int32]

MAX_STRING_BYTES = 15
"""Maximum bytes of a packed string."""
_BLOCK = 256
"""Strings that are packed before they are looked up, so that memory accesses overlap."""
_U = np.uint64
_MASKS = np.array([[(1 << 8 * min(n, 8)) - 1, (1 << 8 * max(n - 8, 0)) - 1] for n in range(MAX_STRING_BYTES + 1)], _U)


class SortedStrings(NamedTuple):
    """Strings in byte order.

    ranks      int32 (strings,)      place of each string, by its code
    starts     int32 (strings + 1,)  offsets of the sorted strings
    text_bytes uint8                 their bytes
    """

    ranks: Codes
    starts: Codes
    text_bytes: Bytes


class StringTable:
    """Distinct strings, numbered from 0 in order of appearance.

    >>> table, letters = StringTable(), np.frombuffer(b"babca", np.uint8)
    >>> table.encode_strings(np.array([0, 1, 2, 3, 5]), letters).tolist()
    [0, 1, 0, 2]
    >>> ranks, starts, letters = table.sort_strings()
    >>> ranks.tolist(), starts.tolist(), letters.tobytes()
    ([1, 0, 2], [0, 1, 2, 4], b'abca')
    """

    def __init__(self) -> None:
        self._table = _make_table(1 << 12)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def encode_strings(
        self, starts: npt.NDArray[np.signedinteger], text_bytes: Bytes, present: npt.NDArray[np.bool_] | None = None
    ) -> Codes | None:
        """int32 (strings,): the code of each string letters[starts[i]:starts[i + 1]]; None where one is too long.

        present: bool (strings,): False for a missing string, which gets code -1.
        """
        first, last = int(starts[0]), int(starts[-1])
        words = np.empty(last // 8 + 3, _U)  # includes the words that the last string ends in
        words.view(np.uint8)[first:last] = text_bytes[first:last]
        if present is None:
            present = np.zeros(0, np.bool_)
        found, done = np.empty(len(starts) - 1, np.int32), 0
        while True:
            done, self._count = _look_up(starts, words, present, done, self._table, self._count, found)
            if done < 0:
                return None
            if done == len(found):
                return found
            grown = _make_table(2 * len(self._table))
            _move_entries(self._table, grown)
            self._table = grown

    def sort_strings(self) -> SortedStrings:
        """The strings in byte order."""
        used = self._table[self._table[:, 1] > 0]
        keys = np.empty((self._count, 2), _U)
        keys[used[:, 2]] = used[:, :2]
        lengths = keys[:, 1] >> _U(56)
        rest = (
            keys[:, 1] ^ (lengths << _U(56))
        ).byteswap() | lengths  # big-endian: the first byte is the most significant
        first = keys[:, 0].byteswap()
        same_rest = len(keys) > 0 and (rest == rest[0]).all()  # e.g. all strings have eight bytes
        order = np.argsort(first) if same_rest else np.lexsort((rest, first))
        ranks = np.empty(self._count, np.int32)
        ranks[order] = np.arange(self._count, dtype=np.int32)
        sizes = lengths[order].astype(np.int64) - 1
        starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
        letters = keys[order].view(np.uint8).reshape(-1, 16)
        return SortedStrings(ranks, starts, letters[np.arange(16) < sizes[:, None]])


def read_string_buffers(column: Any) -> tuple[npt.NDArray[np.int32], Bytes]:
    """(offsets int32 (strings + 1,), bytes) of an Arrow string array, without a copy."""
    _, starts, letters = column.buffers()
    first, count = column.offset, len(column)
    return np.frombuffer(starts, np.int32)[first : first + count + 1], np.frombuffer(letters or b"", np.uint8)


def _make_table(slots: int) -> Words:
    """uint64 (slots, 4): two packed words, code, unused. The second word is 0 in empty slots only."""
    table = np.empty((slots, 4), _U)  # np.zeros would map small pages, which slow down random access
    table[:] = 0
    return table


@njit(cache=True, nogil=True, inline="always")
def _read_word(words: Words, at: np.uint64) -> np.uint64:
    """The eight bytes from byte `at`."""
    word, bits = at >> _U(3), (at & _U(7)) << _U(3)
    return (words[word] >> bits) | ((words[word + _U(1)] << _U(1)) << (_U(63) - bits))


@njit(cache=True, nogil=True, inline="always")
def _find_slot(first: np.uint64, second: np.uint64, slots: int) -> np.uint64:
    """The first slot to probe for a packed string; slots: a power of 2."""
    mixed = (first * _U(0x9E3779B97F4A7C15)) ^ (second * _U(0xC2B2AE3D27D4EB4F))
    mixed = (mixed ^ (mixed >> _U(32))) * _U(0xD6E8FEB86659FD93)
    return (mixed >> _U(32)) & _U(slots - 1)


@njit(cache=True, nogil=True)
def _look_up(
    starts: npt.NDArray[np.signedinteger],
    words: Words,
    present: npt.NDArray[np.bool_],
    begin: int,
    table: Words,
    count: int,
    found: Codes,
) -> tuple[int, int]:
    """(strings processed, distinct strings); stops before the table is half full. (-1, ...) for a too long string."""
    first, second, slot = np.empty(_BLOCK, _U), np.empty(_BLOCK, _U), np.empty(_BLOCK, _U)
    touched = _U(0)
    while begin < len(found) and 2 * (count + _BLOCK) <= len(table):
        end = min(begin + _BLOCK, len(found))
        low = _U(starts[begin])
        for row in range(begin, end):
            i, high = _U(row - begin), _U(starts[row + 1])
            size = high - low
            if size > _U(MAX_STRING_BYTES):
                return -1, count
            first[i] = _read_word(words, low) & _MASKS[size, 0]
            second[i] = (_read_word(words, low + _U(8)) & _MASKS[size, 1]) | ((size + _U(1)) << _U(56))
            slot[i] = _find_slot(first[i], second[i], len(table))
            low = high
        for here in slot[: end - begin]:
            touched ^= table[here, 0]
        for row in range(begin, end):
            if len(present) and not present[row]:
                found[row] = -1
                continue
            i = _U(row - begin)
            here = slot[i]
            while table[here, 1] != second[i] or table[here, 0] != first[i]:
                if table[here, 1] == _U(0):
                    table[here, 0], table[here, 1], table[here, 2] = first[i], second[i], _U(count)
                    count += 1
                    break
                here = (here + _U(1)) & _U(len(table) - 1)
            found[row] = table[here, 2]
        begin = end
    table[0, 3] = touched  # keeps the compiler from removing the prefetch
    return begin, count


@njit(cache=True, nogil=True)
def _move_entries(table: Words, grown: Words) -> None:
    """Insert all entries into a larger table."""
    for at in range(len(table)):
        if table[at, 1] != _U(0):
            here = _find_slot(table[at, 0], table[at, 1], len(grown))
            while grown[here, 1] != _U(0):
                here = (here + _U(1)) & _U(len(grown) - 1)
            grown[here] = table[at]


Ints = npt.NDArray[np.int64]


def sort_codes(codes: Ints) -> tuple[Ints, Ints]:
    """(sorted codes int64 (n,), their original indices int64 (n,)) of codes >= 0; the sort is stable.

    Index and code are packed into one integer where both fit: sorting those is several times faster than `argsort`.

    >>> [part.tolist() for part in sort_codes(np.array([5, 2, 5, 0]))]
    [[0, 2, 5, 5], [3, 1, 0, 2]]
    """
    bits = max(len(codes) - 1, 0).bit_length()
    if int(codes.max(initial=0)).bit_length() + bits > 63:
        order = np.argsort(codes, kind="stable")
        return codes[order], order
    packed, order = allocate_array(len(codes), np.int64), allocate_array(len(codes), np.int64)
    np.left_shift(codes, bits, out=packed)
    packed |= np.arange(len(codes))
    packed.sort()
    np.bitwise_and(packed, (1 << bits) - 1, out=order)
    packed >>= bits
    return packed, order
