"""How does a user's own plain function of one history become a transform?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.histories import Histories, Ints, Items
from leaven.errors import DataError, SpecError
from leaven.protocols import Keys, Strength
from leaven.transforms.stateless import Reasons, too_short
from leaven.transforms.validation import check_count, check_share

RowFunction = Callable[[Items, Ints, np.random.Generator], tuple[npt.ArrayLike, npt.ArrayLike]]
"""(items int32, times int64, generator) -> (items, times), of one history; may be of another length, never empty."""


def row_transform(function: RowFunction, shortest: int = 1, p: float = 1.0) -> RowTransform:
    """A transform out of a function of one history.

    The generator follows from the row's key alone, so the result has the same bytes in any batch and on any worker.

    >>> def doubled(items, times, generator):
    ...     return np.repeat(items, 2), np.repeat(times, 2)
    >>> rows = Histories.of([[1, 2]], n_items=2)
    >>> row_transform(doubled).fit(rows)(rows, rows.keys, np.ones(1, np.float32)).items.tolist()
    [1, 1, 2, 2]
    """
    return RowTransform(function, shortest, p)


@dataclass(frozen=True)
class RowTransform:
    """The wish: a function, the shortest row that it is given, and the chance that a row is (× strength)."""

    function: RowFunction
    shortest: int = 1
    p: float = 1.0

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise SpecError("row_transform.function", "a function of one history", repr(self.function), "")
        check_count("row_transform.shortest", self.shortest, 1)
        check_share("row_transform.p", self.p)

    @property
    def name(self) -> str:
        """What to call it: the function's own name."""
        return str(getattr(self.function, "__name__", type(self.function).__name__))

    def fit(self, train: Histories) -> RowByRow:
        """Nothing is learned."""
        return RowByRow(self)


@dataclass(frozen=True)
class RowByRow:
    """Calls the function for each row that is met."""

    wish: RowTransform

    def __call__(self, rows: Histories, keys: Keys, strength: Strength) -> Histories:
        """New rows; the other columns of a row that was met are 0 or empty, as nobody knows what became of them.

        Raises DataError, naming the function, where it gives back something that is no history.
        """
        met = rng.uniform(keys, 0) < self.wish.p * strength.astype(np.float64)
        met &= rows.lengths >= self.wish.shortest
        events = []
        for row in range(len(rows)):
            first, last = int(rows.starts[row]), int(rows.starts[row + 1])
            if met[row]:
                items, times = self._changed(rows, row, int(keys[row]))
                events.append((items, times, np.full(len(items), -1)))
            else:
                events.append((rows.items[first:last], rows.times[first:last], np.arange(first, last)))
        starts = np.concatenate([[0], np.cumsum([len(items) for items, _, _ in events])]).astype(np.int64)
        items, times, source = (np.concatenate(column) for column in zip(*events, strict=True)) if events else _NOTHING
        return rows.rebuilt(starts, items, times, source)

    def reasons(self, rows: Histories) -> Reasons:
        """Rows that are too short."""
        return too_short(rows, self.wish.shortest)

    def _changed(self, rows: Histories, row: int, key: int) -> tuple[Items, Ints]:
        """What the function makes of one row, looked at before it is believed."""
        first, last = rows.starts[row], rows.starts[row + 1]
        generator = rng.generator(rng.key(0, "row_transform", key))
        given = self.wish.function(rows.items[first:last].copy(), rows.times[first:last].copy(), generator)
        where = f"row_transform {self.wish.name}"
        try:
            new_items, new_times = given
            items, times = np.asarray(new_items), np.asarray(new_times)
        except (TypeError, ValueError) as error:
            raise DataError(where, "a pair (items, times)", type(given).__name__, "return both") from error
        _check(where, items, times, rows.mask_id)
        return items.astype(np.int32), times.astype(np.int64)


_NOTHING = (np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, np.int64))


def _check(where: str, items: npt.NDArray[np.generic], times: npt.NDArray[np.generic], mask_id: int) -> None:
    """DataError unless these are the events of one history."""
    if items.ndim != 1 or items.shape != times.shape or not len(items):
        raise DataError(where, "as many times as items, one or more", f"{items.shape} and {times.shape}", "")
    if items.dtype.kind not in "iu" or items.min() < 1 or items.max() > mask_id:
        raise DataError(where, f"whole ids in 1..{mask_id}", f"{items.tolist()[:5]}", "0 pads and is no item")
    if times.dtype.kind not in "iuf" or not np.isfinite(times.astype(np.float64)).all():
        raise DataError(where, "times in seconds", f"{times.tolist()[:5]}", "")
    if (np.diff(times.astype(np.int64)) < 0).any():
        raise DataError(where, "ascending times", "a fall", "move items and leave the times where they are")
