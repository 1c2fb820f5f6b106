"""Reorders items within histories: shuffles, reverses, rotates or swaps them.

Items and their extra columns move; the timestamps stay in place, in order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from leaven.arrays.buffer_pool import allocate_array
from leaven.datasets.histories import Histories
from leaven.field_checks import check_count, check_range, check_share
from leaven.protocols import OperatorTraits, RngKeys, Strength
from leaven.transforms.stateless import Reasons, find_short_rows

_SHUFFLE, _REVERSE, _ROTATE, _SWAP = range(4)
"""The modes of kernels/permutation.py, which loads the compiler and is imported lazily."""


@dataclass(frozen=True)
class FittedReorder:
    """Reorders one window of each row by a mode; share_range and amount_range as in the configs."""

    mode: int
    share_range: tuple[float, float]
    amount_range: tuple[float, float]
    keep_last: bool
    p: float

    def __call__(self, rows: Histories, keys: RngKeys, strength: Strength) -> Histories:
        """Rows with one window reordered."""
        from leaven.arrays.parallel import run_over_rows
        from leaven.kernels.batch import allocate_source, make_batch
        from leaven.kernels.permutation import permute_windows

        items, source = allocate_array(len(rows.items), np.int32), allocate_source(rows, len(rows.items))
        share, amount = ((float(low), float(high)) for low, high in (self.share_range, self.amount_range))
        read, keep_last, p = make_batch(rows, keys, strength), int(self.keep_last), float(self.p)
        run_over_rows(permute_windows, len(rows), read, self.mode, share, amount, keep_last, p, items, source)
        return rows.replace_events(rows.starts, items, rows.times, source)

    def reasons(self, rows: Histories) -> Reasons:
        """Rows with fewer than two movable events, and rows whose movable items are all equal."""
        short = find_short_rows(rows, 2 + self.keep_last)
        if rows.extra:  # events with equal items still differ
            return short
        n_changes = np.concatenate([[0], np.cumsum(rows.items[1:] != rows.items[:-1]), [0]])  # up to each event
        index = np.flatnonzero(rows.lengths >= 2 + self.keep_last)
        is_constant = np.zeros(len(rows), bool)
        is_constant[index] = n_changes[rows.starts[index]] == n_changes[rows.starts[index + 1] - 1 - self.keep_last]
        return {**short, "the same item throughout": is_constant}


@dataclass(frozen=True)
class Reorder:
    """Shuffle one window of each history (Xie and others, CL4SRec, ICDE 2022, section 3.2.2).

    share_range  share of the events in the window, drawn per row (× strength), rounded stochastically
    keep_last    the last event, the target of training, stays in place
    p            probability that a row is changed
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("reorder")
    share_range: tuple[float, float] = (0.2, 0.5)
    keep_last: bool = True
    p: float = 1.0

    def __post_init__(self) -> None:
        check_range("reorder.share_range", self.share_range, 0, 1)
        check_share("reorder.p", self.p)

    @property
    def min_events(self) -> int:
        """Two movable events."""
        return 2 + self.keep_last

    def fit(self, train: Histories) -> FittedReorder:
        """Learns nothing."""
        return FittedReorder(_SHUFFLE, self.share_range, (0.0, 0.0), self.keep_last, self.p)


@dataclass(frozen=True)
class Reverse:
    """Reverse one window of each history; by default all but the last event.

    >>> rows = Histories.from_lists([[1, 2, 3, 4]], n_items=4)
    >>> Reverse().fit(rows)(rows, rows.row_ids, np.ones(1, np.float32)).items.tolist()
    [3, 2, 1, 4]
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("reverse")
    share_range: tuple[float, float] = (1.0, 1.0)
    keep_last: bool = True
    p: float = 1.0

    def __post_init__(self) -> None:
        check_range("reverse.share_range", self.share_range, 0, 1)
        check_share("reverse.p", self.p)

    @property
    def min_events(self) -> int:
        """Two movable events."""
        return 2 + self.keep_last

    def fit(self, train: Histories) -> FittedReorder:
        """Learns nothing."""
        return FittedReorder(_REVERSE, self.share_range, (0.0, 0.0), self.keep_last, self.p)


@dataclass(frozen=True)
class Rotate:
    """Rotate the items of a window: its last items move to its start.

    share_range   share of the events in the window; (1, 1): the whole history
    amount_range  share of the window that moves to its start, drawn per row (× strength), rounded stochastically
    keep_last     the last event stays in place

    >>> rows = Histories.from_lists([[1, 2, 3, 4, 5]], n_items=5)
    >>> Rotate(amount_range=(0.5, 0.5)).fit(rows)(rows, rows.row_ids, np.ones(1, np.float32)).items.tolist()
    [3, 4, 1, 2, 5]
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("rotate")
    share_range: tuple[float, float] = (1.0, 1.0)
    amount_range: tuple[float, float] = (0.1, 0.5)
    keep_last: bool = True
    p: float = 1.0

    def __post_init__(self) -> None:
        check_range("rotate.share_range", self.share_range, 0, 1)
        check_range("rotate.amount_range", self.amount_range, 0, 1)
        check_share("rotate.p", self.p)

    @property
    def min_events(self) -> int:
        """Two movable events."""
        return 2 + self.keep_last

    def fit(self, train: Histories) -> FittedReorder:
        """Learns nothing."""
        return FittedReorder(_ROTATE, self.share_range, self.amount_range, self.keep_last, self.p)


@dataclass(frozen=True)
class Swap:
    """Swap pairs of items at a small distance.

    share_range   share of the events that are swapped, drawn per row (× strength), rounded stochastically to pairs
    max_distance  largest distance of the two events
    keep_last     the last event stays in place
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("swap")
    share_range: tuple[float, float] = (0.1, 0.3)
    max_distance: int = 1
    keep_last: bool = True
    p: float = 1.0

    def __post_init__(self) -> None:
        check_range("swap.share_range", self.share_range, 0, 1)
        check_count("swap.max_distance", self.max_distance, 1)
        check_share("swap.p", self.p)

    @property
    def min_events(self) -> int:
        """Two movable events."""
        return 2 + self.keep_last

    def fit(self, train: Histories) -> FittedReorder:
        """Learns nothing."""
        reach = float(self.max_distance)
        return FittedReorder(_SWAP, self.share_range, (reach, reach), self.keep_last, self.p)
