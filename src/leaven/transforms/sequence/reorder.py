"""In which other order could a user have taken the same items?

Items move, the clock of each place stays: times keep their order. Other columns follow the item.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leaven.arrays.buffer_pool import space
from leaven.datasets.histories import Histories
from leaven.protocols import Keys, Strength
from leaven.transforms.stateless import Reasons, too_short
from leaven.transforms.validation import check_count, check_range, check_share

_SHUFFLE, _REVERSE, _ROTATE, _SWAP = range(4)
"""As in kernels/permutation.py, which loads the compiler and is imported late."""


@dataclass(frozen=True)
class Permuting:
    """Puts one window of each row in another order; mode: what is done with it, share and amount: ranges."""

    mode: int
    share: tuple[float, float]
    amount: tuple[float, float]
    keep_last: bool
    p: float

    def __call__(self, rows: Histories, keys: Keys, strength: Strength) -> Histories:
        """Rows whose window stands in another order."""
        from leaven.arrays.parallel import over_rows
        from leaven.kernels.batch import batch, room
        from leaven.kernels.permutation import permute_windows

        items, source = space(len(rows.items), np.int32), room(rows, len(rows.items))
        share, amount = (_floats(pair) for pair in (self.share, self.amount))
        wish = (self.mode, share, amount, int(self.keep_last), float(self.p))
        over_rows(permute_windows, len(rows), batch(rows, keys, strength), *wish, items, source)
        return rows.rebuilt(rows.starts, items, rows.times, source)

    def reasons(self, rows: Histories) -> Reasons:
        """Rows with fewer than two events that may move, and rows whose movable items are all the same."""
        short = too_short(rows, 2 + self.keep_last)
        if rows.extra:  # events with the same item still differ
            return short
        differ = np.concatenate([[0], np.cumsum(rows.items[1:] != rows.items[:-1]), [0]])  # up to each event
        some = np.flatnonzero(rows.lengths >= 2 + self.keep_last)
        alike = np.zeros(len(rows), bool)
        alike[some] = differ[rows.starts[some]] == differ[rows.starts[some + 1] - 1 - self.keep_last]
        return {**short, "the same item throughout": alike}


def _floats(pair: tuple[float, float]) -> tuple[float, float]:
    return float(pair[0]), float(pair[1])


@dataclass(frozen=True)
class Reorder:
    """Shuffle one window of each history (Xie and others, CL4SRec, ICDE 2022, section 3.2.2).

    share_range  share of the events that the window takes, drawn per row (× strength), rounded by lot
    keep_last    the last event stays where it is: it is the target of training
    p            chance that a row is changed
    """

    share_range: tuple[float, float] = (0.2, 0.5)
    keep_last: bool = True
    p: float = 1.0

    def __post_init__(self) -> None:
        check_range("reorder.share_range", self.share_range, 0, 1)
        check_share("reorder.p", self.p)

    @property
    def shortest(self) -> int:
        """Two events must be free to move."""
        return 2 + self.keep_last

    def fit(self, train: Histories) -> Permuting:
        """Nothing is learned."""
        return Permuting(_SHUFFLE, self.share_range, (0.0, 0.0), self.keep_last, self.p)


@dataclass(frozen=True)
class Reverse:
    """Turn one window of each history round; by default all but the last event.

    >>> rows = Histories.of([[1, 2, 3, 4]], n_items=4)
    >>> Reverse().fit(rows)(rows, rows.keys, np.ones(1, np.float32)).items.tolist()
    [3, 2, 1, 4]
    """

    share_range: tuple[float, float] = (1.0, 1.0)
    keep_last: bool = True
    p: float = 1.0

    def __post_init__(self) -> None:
        check_range("reverse.share_range", self.share_range, 0, 1)
        check_share("reverse.p", self.p)

    @property
    def shortest(self) -> int:
        """Two events must be free to move."""
        return 2 + self.keep_last

    def fit(self, train: Histories) -> Permuting:
        """Nothing is learned."""
        return Permuting(_REVERSE, self.share_range, (0.0, 0.0), self.keep_last, self.p)


@dataclass(frozen=True)
class Rotate:
    """Move the items of a window on in a circle; those at its end come round to its start.

    share_range   share of the events that the window takes; (1, 1): the whole history
    amount_range  share of the window that comes round, drawn per row (× strength), rounded by lot
    keep_last     the last event stays where it is

    >>> rows = Histories.of([[1, 2, 3, 4, 5]], n_items=5)
    >>> Rotate(amount_range=(0.5, 0.5)).fit(rows)(rows, rows.keys, np.ones(1, np.float32)).items.tolist()
    [3, 4, 1, 2, 5]
    """

    share_range: tuple[float, float] = (1.0, 1.0)
    amount_range: tuple[float, float] = (0.1, 0.5)
    keep_last: bool = True
    p: float = 1.0

    def __post_init__(self) -> None:
        check_range("rotate.share_range", self.share_range, 0, 1)
        check_range("rotate.amount_range", self.amount_range, 0, 1)
        check_share("rotate.p", self.p)

    @property
    def shortest(self) -> int:
        """Two events must be free to move."""
        return 2 + self.keep_last

    def fit(self, train: Histories) -> Permuting:
        """Nothing is learned."""
        return Permuting(_ROTATE, self.share_range, self.amount_range, self.keep_last, self.p)


@dataclass(frozen=True)
class Swap:
    """Exchange pairs of items that stand near each other.

    share_range  share of the events that take part, drawn per row (× strength): two a swap, rounded by lot
    reach        how many places apart they stand at most
    keep_last    the last event stays where it is
    """

    share_range: tuple[float, float] = (0.1, 0.3)
    reach: int = 1
    keep_last: bool = True
    p: float = 1.0

    def __post_init__(self) -> None:
        check_range("swap.share_range", self.share_range, 0, 1)
        check_count("swap.reach", self.reach, 1)
        check_share("swap.p", self.p)

    @property
    def shortest(self) -> int:
        """Two events must be free to move."""
        return 2 + self.keep_last

    def fit(self, train: Histories) -> Permuting:
        """Nothing is learned."""
        reach = float(self.reach)
        return Permuting(_SWAP, self.share_range, (reach, reach), self.keep_last, self.p)
