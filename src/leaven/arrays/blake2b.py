"""BLAKE2b digests (RFC 7693) of 8 bytes for many strings.

`hashlib` hashes one string per call, and for short strings the call costs more than the hash.
"""

from __future__ import annotations

import hashlib
import itertools

import numpy as np
import numpy.typing as npt
from numba import njit

from leaven.arrays.parallel import freeze_array, run_over_rows

Words = npt.NDArray[np.uint64]
Bytes = npt.NDArray[np.uint8]

_U = np.uint64
_MAX_UNCOMPILED = 20_000  # strings: `hashlib` takes 0.02 s for them, the first compilation of the kernel 4 s
_BLOCK, _ROUNDS = 128, 12
# RFC 7693, section 2.6: the fractions of the square roots of the first eight primes.
_INITIAL = np.array(
    [
        *(0x6A09E667F3BCC908, 0xBB67AE8584CAA73B, 0x3C6EF372FE94F82B, 0xA54FF53A5F1D36F1),
        *(0x510E527FADE682D1, 0x9B05688C2B3E6C1F, 0x1F83D9ABFB41BD6B, 0x5BE0CD19137E2179),
    ],
    _U,
)
# Section 2.7: the message word of each step of a round.
_ORDER = np.array(
    [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
        [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
        [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
        [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
        [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
        [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
        [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
        [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
        [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
        [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
    ],
    np.uint8,
)


def hash_strings(starts: npt.NDArray[np.int64], text_bytes: Bytes) -> Words:
    """uint64 (strings,): the digest of each string, letters[starts[i]:starts[i + 1]], as a little-endian number.

    >>> hex(hash_strings(np.array([0, 0, 3]), np.frombuffer(b"abc", np.uint8))[1])
    '0x5995d533d814bbd8'
    """
    if len(starts) - 1 <= _MAX_UNCOMPILED:
        return _hash_few(starts, text_bytes)
    hashes = np.empty(len(starts) - 1, _U)
    run_over_rows(_hash_rows, len(hashes), freeze_array(starts), freeze_array(text_bytes), hashes)
    return hashes


def _hash_few(starts: npt.NDArray[np.int64], text_bytes: Bytes) -> Words:
    """The same digests by the standard library."""
    letters, ends = text_bytes.tobytes(), starts.tolist()
    digests = [hashlib.blake2b(letters[a:b], digest_size=8).digest() for a, b in itertools.pairwise(ends)]
    return np.frombuffer(b"".join(digests), "<u8").astype(_U)


@njit(cache=True, nogil=True, inline="always")
def _rotate_right(word: np.uint64, bits: int) -> np.uint64:
    return (word >> _U(bits)) | (word << _U(64 - bits))


@njit(cache=True, nogil=True, inline="always")
def _mix_words(v: Words, a: int, b: int, c: int, d: int, x: np.uint64, y: np.uint64) -> None:
    """Mixing function G, section 3.1."""
    v[a] += v[b] + x
    v[d] = _rotate_right(v[d] ^ v[a], 32)
    v[c] += v[d]
    v[b] = _rotate_right(v[b] ^ v[c], 24)
    v[a] += v[b] + y
    v[d] = _rotate_right(v[d] ^ v[a], 16)
    v[c] += v[d]
    v[b] = _rotate_right(v[b] ^ v[c], 63)


@njit(cache=True, nogil=True)
def _compress(state: Words, message: Words, v: Words, n_bytes: int, is_last: bool) -> None:
    """Compression function F, section 3.2."""
    for i in range(8):
        v[i], v[i + 8] = state[i], _INITIAL[i]
    v[12] ^= _U(n_bytes)
    if is_last:
        v[14] = ~v[14]
    for turn in range(_ROUNDS):
        s = _ORDER[turn % 10]
        _mix_words(v, 0, 4, 8, 12, message[s[0]], message[s[1]])
        _mix_words(v, 1, 5, 9, 13, message[s[2]], message[s[3]])
        _mix_words(v, 2, 6, 10, 14, message[s[4]], message[s[5]])
        _mix_words(v, 3, 7, 11, 15, message[s[6]], message[s[7]])
        _mix_words(v, 0, 5, 10, 15, message[s[8]], message[s[9]])
        _mix_words(v, 1, 6, 11, 12, message[s[10]], message[s[11]])
        _mix_words(v, 2, 7, 8, 13, message[s[12]], message[s[13]])
        _mix_words(v, 3, 4, 9, 14, message[s[14]], message[s[15]])
    for i in range(8):
        state[i] ^= v[i] ^ v[i + 8]


@njit(cache=True, nogil=True)
def _hash_rows(begin: int, end: int, starts: npt.NDArray[np.int64], letters: Bytes, hashes: Words) -> None:
    """Hash strings begin..end - 1 without a key, section 3.3."""
    state, message, v = np.empty(8, _U), np.empty(16, _U), np.empty(16, _U)
    for row in range(begin, end):
        low, high = starts[row], starts[row + 1]
        state[:] = _INITIAL
        state[0] ^= _U(0x01010008)
        position = low
        while True:
            size = min(high - position, _BLOCK)
            message[:] = 0
            for i in range(size):
                message[i >> 3] |= _U(letters[position + i]) << _U(8 * (i & 7))
            position += size
            _compress(state, message, v, position - low, position == high)
            if position == high:
                break
        hashes[row] = state[0]
