"""What if a history is said again, whole, several times over, or event by event?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from leaven.arrays.buffer_pool import space
from leaven.datasets.histories import Histories, offsets
from leaven.protocols import Keys, Strength
from leaven.transforms.stateless import Reasons, Unlearned, too_short
from leaven.transforms.validation import check_count, check_range, check_share, check_word


@dataclass(frozen=True)
class Repeat:
    """Leave each row as it is: copies of a step make repeated rows out of it."""

    copies_rows: ClassVar[bool] = True  # a row that stays as it is has not failed
    shortest: ClassVar[int] = 0

    def fit(self, train: Histories) -> Unlearned:
        """Nothing is learned."""
        return Unlearned(_same, self.shortest)


def _same(rows: Histories, keys: Keys, strength: Strength) -> Histories:
    return rows


@dataclass(frozen=True)
class RepeatPad:
    """Fill the room before a short history by repeating it (Dang and others, RepPad, RecSys 2024).

    length       events of a row at most; whole copies only
    share_range  share of the copies that there is room for, drawn per row (× strength), rounded by lot; (1, 1) is the
                 paper's "maximum", (0, 1) its "random"
    separate     put the mask between two copies, so that a model can tell them apart
    p            chance that a row is changed

    Copies lie before the history in time, with its own waits. Where we differ: the separator is the mask and not
    padding.

    >>> rows = Histories.of([[1, 2]], n_items=2)
    >>> RepeatPad(length=5).fit(rows)(rows, rows.keys, np.ones(1, np.float32)).items.tolist()
    [1, 2, 3, 1, 2]
    """

    length: int = 50
    share_range: tuple[float, float] = (1.0, 1.0)
    separate: bool = True
    p: float = 1.0
    shortest: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_count("repeat_pad.length", self.length, 2)
        check_range("repeat_pad.share_range", self.share_range, 0, 1)
        check_share("repeat_pad.p", self.p)

    def fit(self, train: Histories) -> Padding:
        """Nothing is learned."""
        return Padding(self)


@dataclass(frozen=True)
class Padding:
    """Repeats rows as its wish says."""

    wish: RepeatPad

    def __call__(self, rows: Histories, keys: Keys, strength: Strength) -> Histories:
        """Longer rows; other columns follow their event."""
        from leaven.arrays.parallel import frozen, over_rows
        from leaven.kernels.batch import batch, room
        from leaven.kernels.repetition import count_copies, say_again

        wish, read = self.wish, batch(rows, keys, strength)
        copies = space(len(rows), np.int64)
        share = (float(wish.share_range[0]), float(wish.share_range[1]))
        over_rows(count_copies, len(rows), read, share, wish.length, int(wish.separate), float(wish.p), copies)
        starts = offsets(rows.lengths + copies * (rows.lengths + int(wish.separate)))
        items, times = space(starts[-1], np.int32), space(starts[-1], np.int64)
        source = room(rows, int(starts[-1]))
        separator = rows.mask_id if wish.separate else 0
        over_rows(say_again, len(rows), read, frozen(copies), separator, frozen(starts), items, times, source)
        return rows.rebuilt(starts, items, times, source)

    def reasons(self, rows: Histories) -> Reasons:
        """Rows that are empty, and rows without room for another copy."""
        full = 2 * rows.lengths + int(self.wish.separate) > self.wish.length
        return {**too_short(rows, 1), f"no room for a copy in {self.wish.length} events": full & (rows.lengths > 0)}


@dataclass(frozen=True)
class Resample:
    """Show a history with more or fewer events: an even grid over its places, each the nearest event.

    size_range  how many events, drawn per row; its distance from the history's own × strength, rounded by lot
    unit        in what: "share" of the events there are, or "events"
    p           chance that a row is changed

    First and last event stay; times lie in between. Two events stay at least.

    >>> rows = Histories.of([[1, 2, 3]], n_items=3, times=[[0, 10, 20]])
    >>> twice = Resample(size_range=(5, 5), unit="events").fit(rows)(rows, rows.keys, np.ones(1, np.float32))
    >>> twice.items.tolist(), twice.times.tolist()
    ([1, 2, 2, 3, 3], [0, 5, 10, 15, 20])
    """

    size_range: tuple[float, float] = (0.5, 1.5)
    unit: str = "share"
    p: float = 1.0
    shortest: ClassVar[int] = 2

    def __post_init__(self) -> None:
        check_word("resample.unit", self.unit, ("share", "events"))
        check_range("resample.size_range", self.size_range, 0, 10 if self.unit == "share" else np.inf)
        check_share("resample.p", self.p)

    def fit(self, train: Histories) -> Unlearned:
        """Nothing is learned."""
        return Unlearned(self._resample, self.shortest)

    def _resample(self, rows: Histories, keys: Keys, strength: Strength) -> Histories:
        from leaven.arrays.parallel import frozen, over_rows
        from leaven.kernels.batch import batch, room
        from leaven.kernels.time_warp import resample, resampled_lengths

        read, lengths = batch(rows, keys, strength), space(len(rows), np.int64)
        size = (float(self.size_range[0]), float(self.size_range[1]))
        over_rows(resampled_lengths, len(rows), read, size, self.unit == "share", float(self.p), lengths)
        starts = offsets(lengths)
        items, times = space(starts[-1], np.int32), space(starts[-1], np.int64)
        source = room(rows, int(starts[-1]))
        over_rows(resample, len(rows), read, frozen(starts), items, times, source)
        return rows.rebuilt(starts, items, times, source)
