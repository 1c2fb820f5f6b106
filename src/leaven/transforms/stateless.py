"""Provides the fitted form of transforms that learn nothing from training rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import Histories, Ints
from leaven.protocols import RngKeys, Strength

Reasons = Mapping[str, npt.NDArray[np.bool_]]


@dataclass(frozen=True)
class StatelessTransform:
    """A fitted transform that is one function of rows, keys and strength; shorter rows than `min_events` stay."""

    function: Callable[[Histories, RngKeys, Strength], Histories]
    min_events: int

    def __call__(self, rows: Histories, keys: RngKeys, strength: Strength) -> Histories:
        """One new row for each row."""
        return self.function(rows, keys, strength)

    def reasons(self, rows: Histories) -> Reasons:
        """Rows that are too short."""
        return find_short_rows(rows, self.min_events)


def write_events(kernel: Callable[..., None], rows: Histories, starts: Ints, *arguments: object) -> Histories:
    """The rows with events that a kernel writes: kernel(begin, end, *arguments, starts, items, times, source).

    starts  int64 (rows + 1,): offsets of the new events
    source  int64 (events,): the old event of each new one, -1 for none; empty where the rows have no extra columns
    """
    from leaven.arrays.buffer_pool import allocate_array
    from leaven.arrays.parallel import freeze_array, run_over_rows
    from leaven.kernels.batch import allocate_source

    items, times = allocate_array(starts[-1], np.int32), allocate_array(starts[-1], np.int64)
    source = allocate_source(rows, int(starts[-1]))
    run_over_rows(kernel, len(rows), *arguments, freeze_array(starts), items, times, source)
    return rows.replace_events(starts, items, times, source)


def find_short_rows(rows: Histories, min_events: int) -> dict[str, npt.NDArray[np.bool_]]:
    """The reason that all transforms share, with bool (rows,); empty where rows of any length change.

    >>> find_short_rows(Histories.from_lists([[1, 2, 3], [2]], n_items=3), 2)
    {'shorter than 2 events': array([False,  True])}
    """
    return {f"shorter than {min_events} events": rows.lengths < min_events} if min_events > 0 else {}


def index_same_events(rows: Histories) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """int64 (events,): each event's own index as its source; empty without extra columns."""
    return np.arange(len(rows.items) if rows.extra else 0)
