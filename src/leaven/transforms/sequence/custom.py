"""Makes transforms from Python functions of one history."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.histories import Histories, Ints, Items
from leaven.errors import DataError, SpecError
from leaven.field_checks import check_count, check_share
from leaven.protocols import OperatorTraits, RngKeys, Strength
from leaven.transforms.stateless import Reasons, find_short_rows

RowFunction = Callable[[Items, Ints, np.random.Generator], tuple[npt.ArrayLike, npt.ArrayLike]]
"""(items int32, times int64, generator) -> (items, times) of one history, of any length above 0."""


def make_row_transform(function: RowFunction, min_events: int = 1, p: float = 1.0) -> RowTransform:
    """Return a transform that applies a function to each history.

    The generator is seeded by the row's key alone, so the result has the same bytes in any batch and on any worker.

    >>> def doubled(items, times, generator):
    ...     return np.repeat(items, 2), np.repeat(times, 2)
    >>> rows = Histories.from_lists([[1, 2]], n_items=2)
    >>> make_row_transform(doubled).fit(rows)(rows, rows.row_ids, np.ones(1, np.float32)).items.tolist()
    [1, 1, 2, 2]
    """
    return RowTransform(function, min_events, p)


@dataclass(frozen=True)
class RowTransform:
    """Config: a function, the shortest row that it gets, and the probability that a row gets it (× strength)."""

    traits: ClassVar[OperatorTraits] = OperatorTraits("row transform")
    function: RowFunction
    min_events: int = 1
    p: float = 1.0

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise SpecError("row_transform.function", "a function of one history", repr(self.function), "")
        check_count("row_transform.min_events", self.min_events, 1)
        check_share("row_transform.p", self.p)

    @property
    def name(self) -> str:
        """The function's own name."""
        return str(getattr(self.function, "__name__", type(self.function).__name__))

    def fit(self, train: Histories) -> FittedRowTransform:
        """Learns nothing."""
        return FittedRowTransform(self)


@dataclass(frozen=True)
class FittedRowTransform:
    """Calls the function on each drawn row."""

    config: RowTransform

    def __call__(self, rows: Histories, keys: RngKeys, strength: Strength) -> Histories:
        """New rows; the extra columns of changed rows are missing.

        Raises DataError, with the function's name, where it returns something that is no history.
        """
        is_changed = rng.draw_uniform(keys, 0) < self.config.p * strength.astype(np.float64)
        is_changed &= rows.lengths >= self.config.min_events
        events = []
        for row in range(len(rows)):
            first, last = int(rows.starts[row]), int(rows.starts[row + 1])
            if is_changed[row]:
                items, times = self._apply(rows, row, int(keys[row]))
                events.append((items, times, np.full(len(items), -1)))
            else:
                events.append((rows.items[first:last], rows.times[first:last], np.arange(first, last)))
        starts = np.concatenate([[0], np.cumsum([len(items) for items, _, _ in events])]).astype(np.int64)
        items, times, source = (np.concatenate(column) for column in zip(*events, strict=True)) if events else _EMPTY
        return rows.replace_events(starts, items, times, source)

    def reasons(self, rows: Histories) -> Reasons:
        """Rows that are too short."""
        return find_short_rows(rows, self.config.min_events)

    def _apply(self, rows: Histories, row: int, key: int) -> tuple[Items, Ints]:
        """The checked result of the function on one row."""
        first, last = rows.starts[row], rows.starts[row + 1]
        generator = rng.make_generator(rng.derive_key(0, "row_transform", key))
        result = self.config.function(rows.items[first:last].copy(), rows.times[first:last].copy(), generator)
        where = f"row_transform {self.config.name}"
        try:
            new_items, new_times = result
            items, times = np.asarray(new_items), np.asarray(new_times)
        except (TypeError, ValueError) as error:
            raise DataError(where, "a pair (items, times)", type(result).__name__, "return both") from error
        _check_history(where, items, times, rows.mask_id)
        return items.astype(np.int32), times.astype(np.int64)


_EMPTY = (np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, np.int64))


def _check_history(where: str, items: npt.NDArray[np.generic], times: npt.NDArray[np.generic], mask_id: int) -> None:
    """Raise DataError unless these are the events of one history."""
    if items.ndim != 1 or items.shape != times.shape or not len(items):
        raise DataError(where, "as many times as items, one or more", f"{items.shape} and {times.shape}", "")
    if items.dtype.kind not in "iu" or items.min() < 1 or items.max() > mask_id:
        raise DataError(where, f"whole ids in 1..{mask_id}", f"{items.tolist()[:5]}", "0 is the padding id")
    if times.dtype.kind not in "iuf" or not np.isfinite(times.astype(np.float64)).all():
        raise DataError(where, "times in seconds", f"{times.tolist()[:5]}", "")
    if (np.diff(times.astype(np.int64)) < 0).any():
        raise DataError(where, "ascending times", "descending times", "move items and keep the times in order")
