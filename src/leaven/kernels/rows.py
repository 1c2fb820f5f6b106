"""How do compiled kernels get at rows, and how do several threads share them?

A kernel is called with (begin, end, …) and works on rows begin..end - 1 alone. It releases the
interpreter's lock, so threads are plain Python threads: unlike OpenMP's they may live beside forked
workers of a data loader. How many is said by NUMBA_NUM_THREADS.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import config, njit

from leaven.data.histories import Histories
from leaven.kernels.chance import draw_uniform

Ints = npt.NDArray[np.int64]

ROWS_OF_A_THREAD = 20_000
"""Fewer rows than this are done before a second thread has started."""

STRETCHES_OF_A_THREAD = 8
"""More would cost more calls than they even out."""


class Batch(NamedTuple):
    """Rows and their chance: items int32, times int64 (events,); starts int64 (rows + 1,); keys uint64 (rows,);
    strength float32 (rows,)."""

    items: npt.NDArray[np.int32]
    times: Ints
    starts: Ints
    keys: npt.NDArray[np.uint64]
    strength: npt.NDArray[np.float32]


def frozen(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A read-only view: what kernels are given has one type, so each is compiled once."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


def batch(rows: Histories, keys: npt.NDArray[np.uint64], strength: npt.NDArray[np.float32]) -> Batch:
    """Rows as kernels take them."""
    keys, strength = np.asarray(keys, np.uint64), np.asarray(strength, np.float32)
    return Batch(frozen(rows.items), frozen(rows.times), frozen(rows.starts), frozen(keys), frozen(strength))


def over_rows(kernel: Callable[..., None], rows: int, *arguments: Any) -> None:
    """kernel(begin, end, *arguments) over all rows; threads take one stretch of them after the other.

    Several stretches a thread: one that is held up, by long rows or by another program, leaves more to the others.
    The calling thread works too: it need not wait until others have started.
    """
    threads = max(1, min(int(config.NUMBA_NUM_THREADS), rows // ROWS_OF_A_THREAD))
    if threads == 1:
        kernel(0, rows, *arguments)
        return
    stretches = min(threads * STRETCHES_OF_A_THREAD, rows // (ROWS_OF_A_THREAD // 2))
    ahead = iter(list(pairwise(rows * nth // stretches for nth in range(stretches + 1))))

    def work() -> None:
        for begin, end in ahead:
            kernel(begin, end, *arguments)

    with ThreadPoolExecutor(threads - 1) as pool:
        jobs = [pool.submit(work) for _ in range(threads - 1)]
        work()
        for job in jobs:
            job.result()


def room(rows: Histories, events: int) -> Ints:
    """int64: space for the source of each new event, or none where no column asks for it."""
    return np.empty(events if rows.extra else 0, np.int64)


@njit(cache=True)
def is_changed(rows: Batch, row: int, shortest: int, p: float) -> bool:
    """Whether this row is to be changed: long enough, some strength, and draw 0 below p."""
    if rows.strength[row] <= 0.0 or rows.starts[row + 1] - rows.starts[row] < shortest:
        return False
    return draw_uniform(rows.keys[row], 0) < p


@njit(cache=True)
def within(bounds: tuple[float, float], u: float) -> float:
    """The place u (0..1) of a range."""
    return bounds[0] + (bounds[1] - bounds[0]) * u


@njit(cache=True)
def drawn_count(key: np.uint64, events: float, most: int) -> int:
    """A whole number whose mean is `events`, at most `most` (draw 2): short rows get their fair share."""
    return min(int(events + draw_uniform(key, 2)), most)
