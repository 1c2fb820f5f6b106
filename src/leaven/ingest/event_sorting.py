"""How do a log's lines come to stand user by user and in time order, in memory and on every core?

Lines are dealt to stretches of users as they arrive; a stretch fits into a core's cache, and what its lines are sorted
by, with their place, into one 64-bit number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven.arrays.sorting import in_order

Ints = npt.NDArray[np.int64]
Columns = Mapping[str, npt.NDArray[Any]]

STRETCH_BITS = 8
"""2 ** 8 stretches: so few are told apart by one byte, which NumPy sorts by counting."""


@dataclass(frozen=True)
class Dealt:
    """One batch of lines, stretch after stretch: stretch s is `columns[name][bounds[s]:bounds[s + 1]]`."""

    columns: Columns
    bounds: Ints


def sort_lines(
    batches: Iterable[Columns], users: int, threads: int, prepared: Callable[[Columns], Columns] = dict
) -> tuple[Ints, dict[str, npt.NDArray[Any]]]:
    """(starts int64 (users + 1,): user i owns starts[i]:starts[i + 1], the columns of all lines in order).

    A batch, once one of the threads has `prepared` it, has `place` int32, a user's number from 0, `time` int64, each
    (lines,), and further columns. What comes back are all but the place, ordered by place and time, where these are
    equal as they came; none where there is no line.
    """
    shift = max((users - 1).bit_length() - STRETCH_BITS, 0)
    with ThreadPoolExecutor(threads) as pool:
        dealt = list(pool.map(lambda batch: _deal(prepared(batch), shift), batches))
        if not dealt:
            return np.zeros(users + 1, np.int64), {}
        ends = np.sum([one.bounds for one in dealt], axis=0)
        kinds = {name: column.dtype for name, column in dealt[0].columns.items() if name != "place"}
        columns: dict[str, npt.NDArray[Any]] = {name: np.empty(ends[-1], kind) for name, kind in kinds.items()}
        lengths = np.zeros(users, np.int64)

        def settle(number: int) -> None:
            stretch = {name: _gathered(dealt, name, number) for name in dealt[0].columns}
            if len(stretch["place"]):
                order = sorted_by(stretch["place"], stretch["time"])
                for name, column in columns.items():
                    column[ends[number] : ends[number + 1]] = stretch[name][order]
                first = number << shift
                counts = np.bincount(stretch["place"] - first)
                lengths[first : first + len(counts)] = counts

        list(pool.map(settle, range(1 << STRETCH_BITS)))
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64), columns


def _gathered(dealt: list[Dealt], name: str, number: int) -> npt.NDArray[Any]:
    """One column of one stretch's lines, from every batch."""
    return np.concatenate([one.columns[name][one.bounds[number] : one.bounds[number + 1]] for one in dealt])


def _deal(batch: Columns, shift: int) -> Dealt:
    """The lines of a batch by stretches of 2 ** shift users."""
    stretch = (batch["place"] >> shift).astype(np.uint8)
    order = np.argsort(stretch, kind="stable")
    bounds = np.concatenate([[0], np.cumsum(np.bincount(stretch, minlength=1 << STRETCH_BITS))])
    return Dealt({name: column[order] for name, column in batch.items()}, bounds)


def sorted_by(place: npt.NDArray[np.int32], time: Ints) -> Ints:
    """int64 (lines,): the order by place, then time, equal ones as they stand.

    >>> sorted_by(np.array([1, 0, 1, 1], np.int32), np.array([5, 9, 5, 4])).tolist()
    [1, 3, 0, 2]
    """
    least, first = int(place.min()), int(time.min())
    time_bits = (int(time.max()) - first).bit_length()
    if (int(place.max()) - least).bit_length() + time_bits > 63:
        return np.lexsort((time, place))
    return in_order(((place.astype(np.int64) - least) << time_bits) | (time - first))[1]
