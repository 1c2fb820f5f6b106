"""Repeats or resamples histories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from leaven.arrays.buffer_pool import allocate_array
from leaven.datasets.histories import Histories, compute_offsets
from leaven.field_checks import check_choice, check_count, check_range, check_share
from leaven.protocols import OperatorTraits, RngKeys, Strength
from leaven.transforms.stateless import Reasons, StatelessTransform, find_short_rows, write_events


@dataclass(frozen=True)
class Repeat:
    """Leave each row unchanged: a step with copies then yields duplicated rows."""

    traits: ClassVar[OperatorTraits] = OperatorTraits("repeat", copies_rows=True)
    min_events: ClassVar[int] = 0

    def fit(self, train: Histories) -> StatelessTransform:
        """Learns nothing."""
        return StatelessTransform(_return_rows, self.min_events)


def _return_rows(rows: Histories, keys: RngKeys, strength: Strength) -> Histories:
    return rows


@dataclass(frozen=True)
class RepeatPad:
    """Fill the padding of a short history by repeating the history (Dang and others, RepPad, RecSys 2024).

    max_events     events of a row at most; whole copies only
    share_range    share of the copies that fit, drawn per row (× strength), rounded stochastically; (1, 1) is the
                   paper's "maximum", (0, 1) its "random"
    add_separator  put the mask between two copies, so that a model can separate them
    p              probability that a row is changed

    Copies come before the history in time, with the same gaps. Where we differ: the separator is the mask and not
    padding.

    >>> rows = Histories.from_lists([[1, 2]], n_items=2)
    >>> RepeatPad(max_events=5).fit(rows)(rows, rows.row_ids, np.ones(1, np.float32)).items.tolist()
    [1, 2, 3, 1, 2]
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("repeat pad")
    max_events: int = 50
    share_range: tuple[float, float] = (1.0, 1.0)
    add_separator: bool = True
    p: float = 1.0
    min_events: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_count("repeat_pad.max_events", self.max_events, 2)
        check_range("repeat_pad.share_range", self.share_range, 0, 1)
        check_share("repeat_pad.p", self.p)

    def fit(self, train: Histories) -> FittedRepeatPad:
        """Learns nothing."""
        return FittedRepeatPad(self)


@dataclass(frozen=True)
class FittedRepeatPad:
    """Repeats rows by its config."""

    config: RepeatPad

    def __call__(self, rows: Histories, keys: RngKeys, strength: Strength) -> Histories:
        """Longer rows; extra columns follow their events."""
        from leaven.arrays.parallel import freeze_array, run_over_rows
        from leaven.kernels.batch import make_batch
        from leaven.kernels.repetition import count_copies, repeat_rows

        config, read = self.config, make_batch(rows, keys, strength)
        copies = allocate_array(len(rows), np.int64)
        share = (float(config.share_range[0]), float(config.share_range[1]))
        run_over_rows(
            count_copies, len(rows), read, share, config.max_events, int(config.add_separator), float(config.p), copies
        )
        starts = compute_offsets(rows.lengths + copies * (rows.lengths + int(config.add_separator)))
        separator = rows.mask_id if config.add_separator else 0
        return write_events(repeat_rows, rows, starts, read, freeze_array(copies), separator)

    def reasons(self, rows: Histories) -> Reasons:
        """Rows that are empty, and rows without room for another copy."""
        is_full = 2 * rows.lengths + int(self.config.add_separator) > self.config.max_events
        return {
            **find_short_rows(rows, 1),
            f"no room for a copy in {self.config.max_events} events": is_full & (rows.lengths > 0),
        }


@dataclass(frozen=True)
class Resample:
    """Resample a history to more or fewer events: nearest events on an even grid over its positions.

    size_range  new number of events, drawn per row; the change is scaled by the strength, rounded stochastically
    unit        of size_range: "share" of the present number of events, or "events"
    p           probability that a row is changed

    The first and last event stay; times are interpolated. At least two events stay.

    >>> rows = Histories.from_lists([[1, 2, 3]], n_items=3, times=[[0, 10, 20]])
    >>> twice = Resample(size_range=(5, 5), unit="events").fit(rows)(rows, rows.row_ids, np.ones(1, np.float32))
    >>> twice.items.tolist(), twice.times.tolist()
    ([1, 2, 2, 3, 3], [0, 5, 10, 15, 20])
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("resample")
    size_range: tuple[float, float] = (0.5, 1.5)
    unit: str = "share"
    p: float = 1.0
    min_events: ClassVar[int] = 2

    def __post_init__(self) -> None:
        check_choice("resample.unit", self.unit, ("share", "events"))
        check_range("resample.size_range", self.size_range, 0, 10 if self.unit == "share" else np.inf)
        check_share("resample.p", self.p)

    def fit(self, train: Histories) -> StatelessTransform:
        """Learns nothing."""
        return StatelessTransform(self._resample, self.min_events)

    def _resample(self, rows: Histories, keys: RngKeys, strength: Strength) -> Histories:
        from leaven.arrays.parallel import run_over_rows
        from leaven.kernels.batch import make_batch
        from leaven.kernels.time_warp import draw_lengths, resample_rows

        read, lengths = make_batch(rows, keys, strength), allocate_array(len(rows), np.int64)
        size = (float(self.size_range[0]), float(self.size_range[1]))
        run_over_rows(draw_lengths, len(rows), read, size, self.unit == "share", float(self.p), lengths)
        return write_events(resample_rows, rows, compute_offsets(lengths), read)
