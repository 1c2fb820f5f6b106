"""Repeats whole histories in front of themselves."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from leaven.kernels.batch import RowBatch, draw_count, interpolate_range, is_changed
from leaven.kernels.keyed_rng import draw_uniform

Ints = npt.NDArray[np.int64]


@njit(cache=True, nogil=True)
def count_copies(
    begin: int, end: int, rows: RowBatch, share: tuple[float, float], length: int, gap: int, p: float, copies: Ints
) -> None:
    """Writes copies int64 (rows,): repetitions in front of each row, with `gap` events between two (0 or 1)."""
    for row in range(begin, end):
        n = rows.starts[row + 1] - rows.starts[row]
        copies[row] = 0
        if is_changed(rows, row, 1, p):
            limit = max((length - n) // (n + gap), 0)
            mean = limit * rows.strength[row] * interpolate_range(share, draw_uniform(rows.rng_keys[row], 1))
            copies[row] = draw_count(rows.rng_keys[row], mean, limit)


@njit(cache=True, nogil=True)
def repeat_rows(
    begin: int,
    end: int,
    rows: RowBatch,
    copies: Ints,
    separator: int,
    starts: Ints,
    items: npt.NDArray[np.int32],
    times: Ints,
    source: Ints,
) -> None:
    """Writes copies of a row before the row itself, each earlier by the row's time span plus its mean gap.

    separator: item id between two copies, 0 for none. starts int64 (rows + 1,): offsets of the new rows.
    """
    for row in range(begin, end):
        target, first, last = starts[row], rows.starts[row], rows.starts[row + 1]
        if first == last:
            continue
        span = rows.times[last - 1] - rows.times[first]
        shift = span + max(span // max(last - first - 1, 1), 1)
        for copy in range(copies[row], -1, -1):
            for event in range(first, last):
                items[target] = rows.items[event]
                times[target] = rows.times[event] - copy * shift
                if len(source) > 0:
                    source[target] = event
                target += 1
            if copy > 0 and separator > 0:
                items[target] = separator
                times[target] = times[target - 1]
                if len(source) > 0:
                    source[target] = -1
                target += 1
