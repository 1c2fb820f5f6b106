"""With which types is a compiled kernel called, and how do several threads share its rows?

A kernel is called with (begin, end, …) and works on rows begin..end - 1 alone. It releases the
interpreter's lock, so threads are plain Python threads: unlike OpenMP's they may live beside forked
workers of a data loader. How many is said by NUMBA_NUM_THREADS.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Thread
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from numba import config

R = TypeVar("R")
A = TypeVar("A")
B = TypeVar("B")

ROWS_OF_A_THREAD = 20_000
"""Fewer rows than this are done before a second thread has started."""

STRETCHES_OF_A_THREAD = 16
"""More would cost more calls than they even out."""


def frozen(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A read-only view: what kernels are given has one type, so each is compiled once."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


def over_rows(kernel: Callable[..., R], rows: int, *arguments: Any) -> list[R]:
    """What kernel(begin, end, *arguments) returns of all stretches of the rows, in any order.

    Threads take one after the other; as many rows have the same stretches. Several a thread: one that is held up, by
    long rows or by another program, leaves more to the others. The calling thread works too: it need not wait until
    others have started.
    """
    threads = max(1, min(int(config.NUMBA_NUM_THREADS), rows // ROWS_OF_A_THREAD))
    if threads == 1:
        return [kernel(0, rows, *arguments)]
    stretches = min(threads * STRETCHES_OF_A_THREAD, rows // (ROWS_OF_A_THREAD // 4))
    ahead = iter(list(pairwise(rows * nth // stretches for nth in range(stretches + 1))))
    found: list[R] = []
    wrong: list[BaseException] = []

    def work() -> None:
        try:
            for begin, end in ahead:
                found.append(kernel(begin, end, *arguments))
        except BaseException as error:  # a thread has nobody who could catch it
            wrong.append(error)

    others = [Thread(target=work, name="rows") for _ in range(threads - 1)]  # a pool takes longer to begin
    for thread in others:
        thread.start()
    work()
    for thread in others:
        thread.join()
    if wrong:
        raise wrong[0]
    return found


def together(first: Callable[[], A], second: Callable[[], B]) -> tuple[A, B]:
    """What both return; where there may be two threads, one of its own calls the second."""
    if int(config.NUMBA_NUM_THREADS) < 2:
        return first(), second()
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(second)
        return first(), other.result()
