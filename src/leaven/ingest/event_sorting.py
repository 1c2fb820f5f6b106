"""Sorts the events of a log by user and time, in memory and on all cores.

Incoming events are partitioned into segments of users. A segment fits into a core's cache, and the sort key of its
events, with their index, into one 64-bit number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven.arrays.codes import sort_codes

Ints = npt.NDArray[np.int64]
Columns = Mapping[str, npt.NDArray[Any]]

_SEGMENT_BITS = 8
"""2 ** 8 segments: their numbers fit into one byte, which NumPy sorts by counting."""


@dataclass(frozen=True)
class _Partition:
    """One batch of events by segments: segment s is `columns[name][bounds[s]:bounds[s + 1]]`."""

    columns: Columns
    bounds: Ints


def sort_events(
    batches: Iterable[Columns], users: int, threads: int, prepare: Callable[[Columns], Columns] = dict
) -> tuple[Ints, dict[str, npt.NDArray[Any]]]:
    """starts int64 (users + 1,), where user i owns starts[i]:starts[i + 1], and the sorted columns.

    A batch, after `prepare` in one of the threads, has `user` int32, an index from 0, `time` int64, each (events,),
    and further columns. All but the user are returned, sorted by user, time and `nanosecond` where there is such a
    column, ties in their order of arrival; without events there are no columns.
    """
    shift = max((users - 1).bit_length() - _SEGMENT_BITS, 0)
    with ThreadPoolExecutor(threads) as pool:
        parts = list(pool.map(lambda batch: _partition(prepare(batch), shift), batches))
        if not parts:
            return np.zeros(users + 1, np.int64), {}
        ends = np.sum([part.bounds for part in parts], axis=0)
        kinds = {name: column.dtype for name, column in parts[0].columns.items() if name != "user"}
        columns: dict[str, npt.NDArray[Any]] = {name: np.empty(ends[-1], kind) for name, kind in kinds.items()}
        lengths = np.zeros(users, np.int64)

        def sort_segment(number: int) -> None:
            segment = {name: _gather_segment(parts, name, number) for name in parts[0].columns}
            if len(segment["user"]):
                order = argsort_by_user_and_time(segment["user"], segment["time"], segment.get("nanosecond"))
                for name, column in columns.items():
                    column[ends[number] : ends[number + 1]] = segment[name][order]
                first = number << shift
                counts = np.bincount(segment["user"] - first)
                lengths[first : first + len(counts)] = counts

        list(pool.map(sort_segment, range(1 << _SEGMENT_BITS)))
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64), columns


def _gather_segment(parts: list[_Partition], name: str, number: int) -> npt.NDArray[Any]:
    """One column of one segment, from all batches."""
    return np.concatenate([part.columns[name][part.bounds[number] : part.bounds[number + 1]] for part in parts])


def _partition(batch: Columns, shift: int) -> _Partition:
    """Partitions a batch into segments of 2 ** shift users."""
    segment = (batch["user"] >> shift).astype(np.uint8)
    order = np.argsort(segment, kind="stable")
    bounds = np.concatenate([[0], np.cumsum(np.bincount(segment, minlength=1 << _SEGMENT_BITS))])
    return _Partition({name: column[order] for name, column in batch.items()}, bounds)


def argsort_by_user_and_time(
    user: npt.NDArray[np.int32], time: Ints, nanosecond: npt.NDArray[np.int32] | None = None
) -> Ints:
    """int64 (events,): the stable order by user, then time, then the nanosecond within the second.

    >>> argsort_by_user_and_time(np.array([1, 0, 1, 1], np.int32), np.array([5, 9, 5, 4])).tolist()
    [1, 3, 0, 2]
    """
    if nanosecond is not None and nanosecond.any():
        # Times are counted in their own unit, such as milliseconds: few bits are left for it.
        unit = int(np.gcd(np.gcd.reduce(nanosecond), 10**9))
        per_second = 10**9 // unit
        if int(time.max()) - int(time.min()) >= (1 << 62) // per_second:
            return np.lexsort((nanosecond, time, user))
        time = (time - time.min()) * per_second + nanosecond // unit
    low, first = int(user.min()), int(time.min())
    time_bits = (int(time.max()) - first).bit_length()
    if (int(user.max()) - low).bit_length() + time_bits > 63:
        return np.lexsort((time, user))
    return sort_codes(((user.astype(np.int64) - low) << time_bits) | (time - first))[1]
