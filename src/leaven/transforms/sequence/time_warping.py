"""Changes the timestamps of histories: scales, warps, jitters or shifts them.

Items stay. Times stay in order and never pass the last second of training (or of the row itself). `fit` raises
DataError where the data has no timestamps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from leaven.arrays.buffer_pool import allocate_array
from leaven.datasets.histories import Histories
from leaven.errors import DataError
from leaven.field_checks import check_choice, check_count, check_range, check_share
from leaven.protocols import OperatorTraits, RngKeys, Strength
from leaven.transforms.stateless import Reasons, find_short_rows, index_same_events

ANCHORS = ("first", "middle", "last")
_SCALE, _WARP, _JITTER, _SHIFT = range(4)
"""The modes of kernels/time_warp.py, which loads the compiler and is imported lazily."""
DAY_SECONDS = 86_400


@dataclass(frozen=True)
class Scale:
    """Scale the gaps between events by one factor, around an anchor event.

    factor_range  factor, drawn uniformly on a logarithmic scale (the logarithm × strength)
    anchor        event whose time stays: "first", "middle" or "last"
    p             probability that a row is changed

    >>> rows = Histories.from_lists([[1, 2, 3]], n_items=3, times=[[100, 110, 130]])
    >>> Scale(factor_range=(2.0, 2.0)).fit(rows)(rows, rows.row_ids, np.ones(1, np.float32)).times.tolist()
    [70, 90, 130]
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("scale", needs_times=True)
    factor_range: tuple[float, float] = (0.5, 2.0)
    anchor: str = "last"
    p: float = 1.0
    min_events: ClassVar[int] = 2

    def __post_init__(self) -> None:
        check_range("scale.factor_range", self.factor_range, 0.01, 100)
        check_choice("scale.anchor", self.anchor, ANCHORS)
        check_share("scale.p", self.p)

    def fit(self, train: Histories) -> FittedTimeTransform:
        """Learns the last second of training; raises DataError where the data has no timestamps."""
        anchor = ANCHORS.index(self.anchor)
        return FittedTimeTransform(
            _SCALE, _take_logarithms(self.factor_range), self.p, 2, find_last_second("scale", train), anchor
        )


@dataclass(frozen=True)
class Warp:
    """Warp time smoothly between the first and the last event.

    speed_range  speed at each of `knots` + 1 evenly spaced times, drawn uniformly on a logarithmic scale (× strength)
                 and interpolated linearly
    p            probability that a row is changed

    From time series (Um and others, ICMI 2017, "time warping"). Where we differ: linear positive speed, so that time
    never runs backwards.
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("warp", needs_times=True)
    speed_range: tuple[float, float] = (0.5, 2.0)
    knots: int = 4
    p: float = 1.0
    min_events: ClassVar[int] = 3

    def __post_init__(self) -> None:
        check_range("warp.speed_range", self.speed_range, 0.01, 100)
        check_count("warp.knots", self.knots, 1)
        check_share("warp.p", self.p)

    def fit(self, train: Histories) -> FittedTimeTransform:
        """Learns the last second of training; raises DataError where the data has no timestamps."""
        return FittedTimeTransform(
            _WARP, _take_logarithms(self.speed_range), self.p, 3, find_last_second("warp", train), knots=self.knots
        )


@dataclass(frozen=True)
class Jitter:
    """Jitter the time of each event, at most half-way to the adjacent events.

    seconds_range  largest change in seconds, drawn per row (× strength)
    p              probability that a row is changed
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("jitter")
    seconds_range: tuple[float, float] = (0.0, 6 * 3600.0)
    p: float = 1.0
    min_events: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_range("jitter.seconds_range", self.seconds_range, 0)
        check_share("jitter.p", self.p)

    def fit(self, train: Histories) -> FittedTimeTransform:
        """Learns the last second of training; raises DataError where the data has no timestamps."""
        return FittedTimeTransform(_JITTER, self.seconds_range, self.p, 1, find_last_second("jitter", train))


@dataclass(frozen=True)
class Shift:
    """Shift the whole history in time; the gaps between events stay.

    seconds_range  shift in seconds, drawn per row (× strength); below 0: earlier
    p              probability that a row is changed
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("shift")
    seconds_range: tuple[float, float] = (-7.0 * DAY_SECONDS, 7.0 * DAY_SECONDS)
    p: float = 1.0
    min_events: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_range("shift.seconds_range", self.seconds_range, -math.inf)
        check_share("shift.p", self.p)

    def fit(self, train: Histories) -> FittedTimeTransform:
        """Learns the last second of training; raises DataError where the data has no timestamps."""
        return FittedTimeTransform(_SHIFT, self.seconds_range, self.p, 1, find_last_second("shift", train))


@dataclass(frozen=True)
class FittedTimeTransform:
    """Changes times by a mode. bounds: logarithms of a factor, or seconds; last_second: of training."""

    mode: int
    bounds: tuple[float, float]
    p: float
    min_events: int
    last_second: int
    anchor: int = 0
    knots: int = 1

    def __call__(self, rows: Histories, keys: RngKeys, strength: Strength) -> Histories:
        """The same items with other times."""
        from leaven.arrays.parallel import run_over_rows
        from leaven.kernels.batch import make_batch
        from leaven.kernels.time_warp import warp_times

        times = allocate_array(len(rows.times), np.int64)
        bounds = (float(self.bounds[0]), float(self.bounds[1]))
        read, p = make_batch(rows, keys, strength), float(self.p)
        run_over_rows(
            warp_times, len(rows), read, self.mode, bounds, self.anchor, self.knots, p, self.last_second, times
        )
        return rows.replace_events(rows.starts, rows.items, times, index_same_events(rows))

    def reasons(self, rows: Histories) -> Reasons:
        """Rows that are too short, and, where only gaps change, rows without gaps."""
        short = find_short_rows(rows, self.min_events)
        if self.mode in (_JITTER, _SHIFT):
            return short
        index = np.flatnonzero(rows.lengths >= self.min_events)
        is_constant = np.zeros(len(rows), bool)
        is_constant[index] = rows.times[rows.starts[index]] == rows.times[rows.starts[index + 1] - 1]
        return {**short, "all events at the same second": is_constant}


def _take_logarithms(pair: tuple[float, float]) -> tuple[float, float]:
    return math.log(pair[0]), math.log(pair[1])


def find_last_second(field: str, train: Histories) -> int:
    """The last second of the real training rows.

    Raises DataError where times are positions in a row (0, 1, 2 …) or all equal, and so no timestamps.
    """
    rows = train if train.is_real.all() else train.select_real()
    if not rows.n_events or rows.times.min() == rows.times.max() or (rows.times == rows.event_positions()).all():
        fix = f"name the time column, or leave {field} out"
        raise DataError("data.times", f"timestamps for {field}", "positions in a row, or none", fix)
    return int(rows.times.max())
