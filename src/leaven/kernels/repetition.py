"""What does a history look like that is said several times over?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from leaven.kernels.batch import Batch, drawn_count, is_changed, within
from leaven.kernels.keyed_rng import draw_uniform

Ints = npt.NDArray[np.int64]


@njit(cache=True, nogil=True)
def count_copies(
    begin: int, end: int, rows: Batch, share: tuple[float, float], length: int, gap: int, p: float, copies: Ints
) -> None:
    """copies int64 (rows,): how often each row is said before itself; `gap` places between two (0 or 1)."""
    for row in range(begin, end):
        n = rows.starts[row + 1] - rows.starts[row]
        copies[row] = 0
        if is_changed(rows, row, 1, p):
            most = max((length - n) // (n + gap), 0)
            wanted = most * rows.strength[row] * within(share, draw_uniform(rows.keys[row], 1))
            copies[row] = drawn_count(rows.keys[row], wanted, most)


@njit(cache=True, nogil=True)
def say_again(
    begin: int,
    end: int,
    rows: Batch,
    copies: Ints,
    separator: int,
    starts: Ints,
    items: npt.NDArray[np.int32],
    times: Ints,
    source: Ints,
) -> None:
    """Copies of a row before the row itself, each earlier by the row's span and one mean wait.

    separator: the id between two copies, 0: none. starts int64 (rows + 1,) of the new rows.
    """
    for row in range(begin, end):
        to, first, last = starts[row], rows.starts[row], rows.starts[row + 1]
        if first == last:
            continue
        span = rows.times[last - 1] - rows.times[first]
        ahead = span + max(span // max(last - first - 1, 1), 1)
        for copy in range(copies[row], -1, -1):
            for place in range(first, last):
                items[to] = rows.items[place]
                times[to] = rows.times[place] - copy * ahead
                if len(source) > 0:
                    source[to] = place
                to += 1
            if copy > 0 and separator > 0:
                items[to] = separator
                times[to] = times[to - 1]
                if len(source) > 0:
                    source[to] = -1
                to += 1
