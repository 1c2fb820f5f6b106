"""Into which training rows is a history split?

A split is an index first: which row, from which event to which. Rows are copied out of it batch by batch,
so that a hundred prefixes of a history cost a hundred numbers and not a hundred copies.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.histories import Histories, Ints
from leaven.protocols import Keys, Strength
from leaven.transforms.sequence.crop import pieces
from leaven.transforms.stateless import Unlearned
from leaven.transforms.validation import check_count, check_share, check_word

RULES = ("prefix", "suffix", "slide", "whole")
TARGETS = ("last", "all")


@dataclass(frozen=True)
class Windows:
    """Split each history into windows that are rows of their own (Zhou and others, SSS, SIGIR 2026; DA4Rec, 2024).

    rule     "prefix": up to the 2nd, 3rd … last event; "suffix": from the 1st, 2nd … last but one event to the end;
             "slide": `length` events every `stride`, counted back from the end so that the last window is always
             there; "whole": no split, only `targets`
    length   events of a window at most, counted from its end
    stride   "slide": events between the ends of two windows
    whole    "slide": the history as it is comes after its windows
    targets  what is learned from a window: its "last" event, or "all" but the first
    p        chance that a row is split (× strength)

    >>> rows = Histories.of([[1, 2, 3]], n_items=3)
    >>> split = Windows().fit(rows)(rows, rows.keys, np.ones(1, np.float32))
    >>> [split.row(i).tolist() for i in range(len(split))], split.targets.tolist()
    ([[1, 2], [1, 2, 3]], [1, 1])
    """

    rule: str = "prefix"
    length: int = 50
    stride: int = 1
    whole: bool = False
    targets: str = "last"
    p: float = 1.0

    def __post_init__(self) -> None:
        check_word("windows.rule", self.rule, RULES)
        check_word("windows.targets", self.targets, TARGETS)
        check_count("windows.length", self.length, 2)
        check_count("windows.stride", self.stride, 1)
        check_share("windows.p", self.p)

    @property
    def shortest(self) -> int:
        """A row of two events is its only window; so is one that fits into `length`, if all targets stay."""
        return self.length + 1 if self.targets == "all" and self.rule in ("slide", "whole") else 3

    def fit(self, train: Histories) -> Unlearned:
        """Nothing is learned."""
        return Unlearned(self._split, self.shortest)

    def index(self, rows: Histories) -> WindowIndex:
        """All windows of these rows, none of them copied yet."""
        return WindowIndex.of(self, rows, np.ones(len(rows), bool))

    def _split(self, rows: Histories, keys: Keys, strength: Strength) -> Histories:
        split = rng.uniform(keys, 0) < self.p * strength.astype(np.float64)
        return WindowIndex.of(self, rows, split & (rows.lengths >= self.shortest)).all()


@dataclass(frozen=True, eq=False)
class WindowIndex:
    """Windows of rows, not copied yet.

    rows     the rows that they look at
    row      int32 (windows,)  the row of each
    first    int64 (windows,)  its first event and
    last     int64 (windows,)  the one after its last event
    targets  int32 (windows,)  how many of its last events are targets
    """

    rows: Histories
    row: npt.NDArray[np.int32]
    first: Ints
    last: Ints
    targets: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.row)

    @classmethod
    def of(cls, wish: Windows, rows: Histories, split: npt.NDArray[np.bool_]) -> WindowIndex:
        """The windows of the rows where `split` bool (rows,) is true, and the other rows as they are, in order."""
        counts = np.where(split, np.maximum(_counts(wish, rows.lengths), 1), 1)
        row = np.repeat(np.arange(len(rows), dtype=np.int32), counts)
        left = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
        left = (counts[row] - 1 - left).astype(np.int64)  # windows of the same row that are still to come
        begin, end, is_split = rows.starts[row], rows.starts[row + 1], split[row]
        first, last = _bounds(wish, begin, end, left)
        first, last = np.where(is_split, first, begin), np.where(is_split, last, end)
        room = np.maximum(last - first - 1, 0)
        wanted = np.minimum(room, 1) if wish.targets == "last" else room
        targets = np.where(is_split, wanted, rows.targets[row]).astype(np.int32)
        return cls(rows, row, first, last, targets)

    def take(self, windows: npt.NDArray[Any]) -> Histories:
        """These windows (int indices) as rows, with key, parent, origin and weight of the row they look at."""
        first, row = self.first[windows], self.row[windows].astype(np.int64)
        made = pieces(self.rows, first, self.last[windows] - first, row)
        return replace(made, targets=self.targets[windows])

    def all(self) -> Histories:
        """Every window as a row."""
        return self.take(np.arange(len(self)))

    def batches(self, size: int) -> Iterator[Histories]:
        """Rows of `size` windows at a time, in order."""
        for begin in range(0, len(self), size):
            yield self.take(np.arange(begin, min(begin + size, len(self))))


def _counts(wish: Windows, lengths: Ints) -> Ints:
    """int64 (rows,): windows of each row."""
    if wish.rule in ("prefix", "suffix"):
        return lengths - 1
    if wish.rule == "whole":
        return np.ones_like(lengths)
    sliding = np.maximum(lengths - wish.length, 0) // wish.stride + 1
    return np.asarray(sliding + (wish.whole & (lengths > wish.length)), np.int64)


def _bounds(wish: Windows, begin: Ints, end: Ints, left: Ints) -> tuple[Ints, Ints]:
    """(first, last) of each window, `left` of its row still coming after it."""
    if wish.rule == "suffix":
        first = end - 2 - left
        return first, np.minimum(end, first + wish.length)
    if wish.rule == "prefix":
        return np.maximum(begin, end - left - wish.length), end - left
    if wish.rule == "whole":
        return np.maximum(begin, end - wish.length), end
    turn = np.maximum(left - (wish.whole & (end - begin > wish.length)), 0)
    last = end - turn * wish.stride
    first = np.maximum(begin, last - wish.length)
    full = wish.whole & (left == 0) & (end - begin > wish.length)
    return np.where(full, begin, first), last
