"""CRC-32C checksums of byte strings, as TFRecord files store them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from numba import njit

_POLYNOMIAL = 0x82F63B78  # reversed Castagnoli polynomial
_MASK = 0xA282EAD8


def _build_table() -> npt.NDArray[np.uint32]:
    """uint32 (256,): the checksum of each byte."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(_POLYNOMIAL), table >> 1).astype(np.uint32)
    return table


_TABLE = _build_table()


def compute_masked_crc32c(records: Sequence[bytes]) -> list[int]:
    """The checksum of each record, rotated by 15 bits and shifted by a constant, as TFRecord masks it.

    >>> from leaven.kernels.crc32c import compute_crc32c
    >>> hex(compute_crc32c([b"123456789"])[0])
    '0xe3069283'
    """
    sums = compute_crc32c(records).astype(np.uint64)
    masked = ((sums >> np.uint64(15) | sums << np.uint64(17)) + np.uint64(_MASK)) & np.uint64(0xFFFFFFFF)
    return [int(one) for one in masked.tolist()]


def compute_crc32c(records: Sequence[bytes]) -> npt.NDArray[np.uint32]:
    """uint32 (records,): the CRC-32C of each record."""
    content = np.frombuffer(b"".join(records), np.uint8)
    ends = np.cumsum([0, *map(len, records)])
    sums = np.empty(len(records), np.uint32)
    _update_checksums(content, ends, _TABLE, sums)
    return sums


@njit(cache=True, nogil=True)
def _update_checksums(
    content: npt.NDArray[np.uint8],
    ends: npt.NDArray[np.int64],
    table: npt.NDArray[np.uint32],
    sums: npt.NDArray[np.uint32],
) -> None:
    for record in range(len(sums)):
        value = np.uint32(0xFFFFFFFF)
        for place in range(ends[record], ends[record + 1]):
            value = (value >> np.uint32(8)) ^ table[(value ^ content[place]) & np.uint32(255)]
        sums[record] = value ^ np.uint32(0xFFFFFFFF)
