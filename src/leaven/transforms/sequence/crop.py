"""Crops histories to a window, or to their last events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from leaven.arrays.buffer_pool import allocate_array
from leaven.datasets.histories import Histories, Ints
from leaven.field_checks import check_choice, check_count, check_range, check_share
from leaven.protocols import OperatorTraits, RngKeys, Strength
from leaven.transforms.sequence.time_warping import find_last_second
from leaven.transforms.stateless import StatelessTransform

UNITS = ("share", "events", "seconds")


@dataclass(frozen=True)
class Crop:
    """Keep one window of each history (Xie and others, CL4SRec, ICDE 2022, section 3.2.2).

    keep_range  size of the window, drawn per row
    unit        of keep_range: "share" of the events, "events", or "seconds" from the first to the last event
    keep_last   the window ends with the last event instead of at a random position
    p           probability that a row is changed

    The part that is cut off is scaled by the strength. At least two events stay. Where we differ: fractions of an
    event are rounded stochastically and not down, so that short histories lose their share too.

    >>> rows = Histories.from_lists([[1, 2, 3, 4]], n_items=4)
    >>> crop = Crop(keep_range=(0.5, 0.5), keep_last=True).fit(rows)
    >>> crop(rows, rows.row_ids, np.ones(1, np.float32)).items.tolist()
    [3, 4]
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("crop")
    keep_range: tuple[float, float] = (0.6, 0.9)
    unit: str = "share"
    keep_last: bool = False
    p: float = 1.0
    min_events: ClassVar[int] = 3

    def __post_init__(self) -> None:
        check_choice("crop.unit", self.unit, UNITS)
        check_range("crop.keep_range", self.keep_range, 0, 1 if self.unit == "share" else np.inf)
        check_share("crop.p", self.p)

    def fit(self, train: Histories) -> StatelessTransform:
        """Learns nothing; raises DataError for "seconds" where the data has no timestamps."""
        if self.unit == "seconds":
            find_last_second("crop", train)
        return StatelessTransform(self._crop, self.min_events)

    def _crop(self, rows: Histories, keys: RngKeys, strength: Strength) -> Histories:
        from leaven.arrays.parallel import run_over_rows
        from leaven.kernels.batch import make_batch
        from leaven.kernels.crop import draw_segments

        firsts, lengths = allocate_array(len(rows), np.int64), allocate_array(len(rows), np.int64)
        keep, unit = (float(self.keep_range[0]), float(self.keep_range[1])), UNITS.index(self.unit)
        keep_last, p = bool(self.keep_last), float(self.p)
        read = make_batch(rows, keys, strength)
        ends = run_over_rows(draw_segments, len(rows), read, keep, unit, keep_last, p, firsts, lengths)
        return slice_rows(rows, firsts, lengths, ends=ends)


@dataclass(frozen=True)
class Truncate:
    """Keep the last `max_events` events.

    The share of the surplus that is cut off is the strength, rounded stochastically.
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("truncate")
    max_events: int = 50
    p: float = 1.0

    def __post_init__(self) -> None:
        check_count("truncate.max_events", self.max_events, 2)
        check_share("truncate.p", self.p)

    @property
    def min_events(self) -> int:
        """Rows of up to `max_events` events stay."""
        return self.max_events + 1

    def fit(self, train: Histories) -> StatelessTransform:
        """Learns nothing."""
        return StatelessTransform(self._truncate, self.min_events)

    def _truncate(self, rows: Histories, keys: RngKeys, strength: Strength) -> Histories:
        from leaven.rng import draw_uniform

        surplus = np.maximum(rows.lengths - self.max_events, 0)
        is_changed = draw_uniform(keys, 0) < self.p
        cut = np.where(is_changed, np.floor(surplus * strength.astype(np.float64) + draw_uniform(keys, 2)), 0)
        cut = np.minimum(cut, surplus).astype(np.int64)
        return slice_rows(rows, rows.starts[:-1] + cut, rows.lengths - cut)


def slice_rows(
    rows: Histories,
    firsts: Ints,
    lengths: Ints,
    index: Ints | None = None,
    ends: Sequence[tuple[int, int]] | None = None,
) -> Histories:
    """Segments of rows as new rows: new row r holds the lengths[r] events from event firsts[r] on.

    firsts, lengths int64 (new rows,); index int64 (new rows,): the source row of each, None when row i comes from row
    i. ends: `segment_ends` of `gather_segments`, where they are known.
    """
    from leaven.arrays.ragged import gather_segments

    new = gather_segments(rows.items, rows.times, firsts, lengths, bool(rows.extra), ends)
    return rows.replace_events(new.starts, new.items, new.times, new.source, index)
