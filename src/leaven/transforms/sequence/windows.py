"""Splits histories into windows, each a training row.

A split is an index first (row, first event, last event). Rows are copied batch by batch, so that a hundred prefixes of
a history cost a hundred numbers and not a hundred copies.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.histories import Histories, Ints
from leaven.field_checks import check_choice, check_count, check_share
from leaven.protocols import OperatorTraits, RngKeys, Strength
from leaven.transforms.sequence.crop import slice_rows
from leaven.transforms.stateless import StatelessTransform

RULES = ("prefix", "suffix", "slide", "whole")
TARGETS = ("last", "all")


@dataclass(frozen=True)
class Windows:
    """Split each history into windows that become rows (Zhou and others, SSS, SIGIR 2026; DA4Rec, 2024).

    rule        "prefix": up to the 2nd, 3rd … last event; "suffix": from the 1st, 2nd … second last event to the end;
                "slide": `max_events` events every `stride`, counted from the end, so that the last window is always
                included; "whole": no split, only `targets`
    max_events  events of a window at most, counted from its end
    stride      "slide": events between the ends of two windows
    keep_whole  "slide": add the whole history after its windows
    targets     targets of a window: its "last" event, or "all" but the first
    p           probability that a row is split (× strength)

    >>> rows = Histories.from_lists([[1, 2, 3]], n_items=3)
    >>> split = Windows().fit(rows)(rows, rows.row_ids, np.ones(1, np.float32))
    >>> [split.row_items(i).tolist() for i in range(len(split))], split.n_targets.tolist()
    ([[1, 2], [1, 2, 3]], [1, 1])
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("windows")
    rule: str = "prefix"
    max_events: int = 50
    stride: int = 1
    keep_whole: bool = False
    targets: str = "last"
    p: float = 1.0

    def __post_init__(self) -> None:
        check_choice("windows.rule", self.rule, RULES)
        check_choice("windows.targets", self.targets, TARGETS)
        check_count("windows.max_events", self.max_events, 2)
        check_count("windows.stride", self.stride, 1)
        check_share("windows.p", self.p)

    @property
    def min_events(self) -> int:
        """A row of two events is its only window; so is one of up to `max_events` events with all targets."""
        return self.max_events + 1 if self.targets == "all" and self.rule in ("slide", "whole") else 3

    def fit(self, train: Histories) -> StatelessTransform:
        """Learns nothing."""
        return StatelessTransform(self._split_rows, self.min_events)

    def build_index(self, rows: Histories) -> WindowIndex:
        """All windows of these rows, not copied yet."""
        return WindowIndex.build(self, rows, np.ones(len(rows), bool))

    def _split_rows(self, rows: Histories, keys: RngKeys, strength: Strength) -> Histories:
        split = rng.draw_uniform(keys, 0) < self.p * strength.astype(np.float64)
        return WindowIndex.build(self, rows, split & (rows.lengths >= self.min_events)).take_all()


@dataclass(frozen=True, eq=False)
class WindowIndex:
    """Windows of rows, not copied yet.

    rows         the source rows
    row          int32 (windows,)  source row of each window
    first_event  int64 (windows,)  its first event
    end_event    int64 (windows,)  the event after its last event
    n_targets    int32 (windows,)  number of its last events that are targets
    """

    rows: Histories
    row: npt.NDArray[np.int32]
    first_event: Ints
    end_event: Ints
    n_targets: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.row)

    @classmethod
    def build(cls, config: Windows, rows: Histories, split: npt.NDArray[np.bool_]) -> WindowIndex:
        """The windows of the rows where `split` bool (rows,) is true, and the other rows unchanged, in order."""
        counts = np.where(split, np.maximum(_count_windows(config, rows.lengths), 1), 1)
        row = np.repeat(np.arange(len(rows), dtype=np.int32), counts)
        position = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
        n_after = (counts[row] - 1 - position).astype(np.int64)  # later windows of the same row
        begin, end, is_split = rows.starts[row], rows.starts[row + 1], split[row]
        first, last = _bound_windows(config, begin, end, n_after)
        first, last = np.where(is_split, first, begin), np.where(is_split, last, end)
        n_possible = np.maximum(last - first - 1, 0)
        n_targets = np.minimum(n_possible, 1) if config.targets == "last" else n_possible
        targets = np.where(is_split, n_targets, rows.n_targets[row]).astype(np.int32)
        return cls(rows, row, first, last, targets)

    def take(self, windows: Ints) -> Histories:
        """These windows (int indices) as rows, with id, parent, origin and weight of their source row."""
        first, row = self.first_event[windows], self.row[windows].astype(np.int64)
        window_rows = slice_rows(self.rows, first, self.end_event[windows] - first, row)
        return replace(window_rows, n_targets=self.n_targets[windows])

    def take_all(self) -> Histories:
        """Every window as a row."""
        return self.take(np.arange(len(self)))

    def iterate_batches(self, batch_size: int) -> Iterator[Histories]:
        """Rows of `batch_size` windows at a time, in order."""
        for begin in range(0, len(self), batch_size):
            yield self.take(np.arange(begin, min(begin + batch_size, len(self))))


def _count_windows(config: Windows, lengths: Ints) -> Ints:
    """int64 (rows,): number of windows of each row."""
    if config.rule in ("prefix", "suffix"):
        return lengths - 1
    if config.rule == "whole":
        return np.ones_like(lengths)
    sliding = np.maximum(lengths - config.max_events, 0) // config.stride + 1
    return np.asarray(sliding + (config.keep_whole & (lengths > config.max_events)), np.int64)


def _bound_windows(config: Windows, begin: Ints, end: Ints, n_after: Ints) -> tuple[Ints, Ints]:
    """(first event, end event) of each window; n_after: later windows of the same row."""
    if config.rule == "suffix":
        first = end - 2 - n_after
        return first, np.minimum(end, first + config.max_events)
    if config.rule == "prefix":
        return np.maximum(begin, end - n_after - config.max_events), end - n_after
    if config.rule == "whole":
        return np.maximum(begin, end - config.max_events), end
    steps = np.maximum(n_after - (config.keep_whole & (end - begin > config.max_events)), 0)
    last = end - steps * config.stride
    first = np.maximum(begin, last - config.max_events)
    is_whole = config.keep_whole & (n_after == 0) & (end - begin > config.max_events)
    return np.where(is_whole, begin, first), last
