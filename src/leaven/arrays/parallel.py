"""Parallel calls of compiled kernels over segments of rows.

A kernel is called as kernel(begin, end, ...) and processes rows begin..end - 1 only. It releases the GIL, so plain
Python threads suffice; unlike OpenMP threads they are safe with forked data loader workers. NUMBA_NUM_THREADS sets
the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Thread
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from numba import config

R = TypeVar("R")
S = TypeVar("S", bound=np.generic)
A = TypeVar("A")
B = TypeVar("B")

MIN_ROWS_PER_THREAD = 20_000
"""Minimum rows per thread: fewer are finished before a second thread has started."""

SEGMENTS_PER_THREAD = 16
"""Segments per thread: more would cost more in calls than they gain in balance."""


def freeze_array(array: npt.NDArray[S]) -> npt.NDArray[S]:
    """A contiguous read-only view, so that every kernel sees one array type and is compiled once."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


def run_over_rows(kernel: Callable[..., R], n_rows: int, *arguments: object) -> list[R]:
    """The results of kernel(begin, end, *arguments) for all segments of the rows, in any order.

    Threads take one segment after the other; the segments depend on the number of rows and threads only. Several
    segments per thread balance the load when a thread is slowed by long rows or by another program. The calling thread
    works too and does not wait for the others to start.
    """
    threads = max(1, min(int(config.NUMBA_NUM_THREADS), n_rows // MIN_ROWS_PER_THREAD))
    if threads == 1:
        return [kernel(0, n_rows, *arguments)]
    segments = min(threads * SEGMENTS_PER_THREAD, n_rows // (MIN_ROWS_PER_THREAD // 4))
    pending = iter(list(pairwise(n_rows * i // segments for i in range(segments + 1))))
    results: list[R] = []
    errors: list[BaseException] = []

    def run_segments() -> None:
        try:
            for begin, end in pending:
                results.append(kernel(begin, end, *arguments))
        except BaseException as error:  # raised again in the calling thread
            errors.append(error)

    others = [Thread(target=run_segments, name="rows") for _ in range(threads - 1)]  # a pool starts slower
    for thread in others:
        thread.start()
    run_segments()
    for thread in others:
        thread.join()
    if errors:
        raise errors[0]
    return results


def run_both(first: Callable[[], A], second: Callable[[], B]) -> tuple[A, B]:
    """The results of both functions; where two threads are allowed, the second function runs in its own."""
    if int(config.NUMBA_NUM_THREADS) < 2:
        return first(), second()
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(second)
        return first(), other.result()
