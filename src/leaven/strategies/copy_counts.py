"""Strategies: how many copies of each training row.

Every strategy is called with the training rows and a key and returns int32 (rows,) before any row is created. Totals
are exact. Which rows get one copy more than others depends on the key and the rows' ids, never on their order.

"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.errors import DataError, SpecError, suggest_name
from leaven.kernels.apportionment import Copies, Floats, apportion_copies
from leaven.protocols import GroupedStrategy, GroupOf, Strategy


@dataclass(frozen=True)
class Uniform:
    """`factor` copies of every row; a fractional part is distributed at random over the rows.

    >>> Uniform(factor=1.5)(Histories.from_lists([[1], [2], [3], [4]], n_items=4), key=7).sum()
    np.int64(6)
    """

    factor: float = 1.0

    def __post_init__(self) -> None:
        _check_factor("uniform.factor", self.factor)

    def __call__(self, train: Histories, key: int) -> Copies:
        total = _count_copies("uniform.factor", self.factor, train)
        return apportion_copies(np.ones(len(train)), total, train.row_ids, key)


@dataclass(frozen=True)
class Random:
    """`share` times as many copies as rows, each of a row drawn with replacement."""

    share: float = 1.0

    def __post_init__(self) -> None:
        _check_factor("random.share", self.share)

    def __call__(self, train: Histories, key: int) -> Copies:
        total = _count_copies("random.share", self.share, train)
        copies = np.zeros(len(train), np.int32)
        if total:
            by_key = np.argsort(train.row_ids, kind="stable")  # independent of the order of rows
            drawn = rng.make_generator(rng.derive_key(key, "random")).integers(0, len(train), total)
            np.add.at(copies, by_key[drawn], 1)
        return copies


@dataclass(frozen=True)
class ToTotal:
    """Evenly spread copies up to a total size that includes the real rows.

    total  final number of rows, real and synthetic; None: `share` decides
    share  share of synthetic rows in the final rows

    """

    total: int | None = None
    share: float = 0.5

    def __post_init__(self) -> None:
        if not 0.0 <= self.share < 1.0:
            raise SpecError("to_total.share", "a share from 0, below 1", repr(self.share), "")

    def __call__(self, train: Histories, key: int) -> Copies:
        rows = len(train)
        n_copies = round(rows * self.share / (1.0 - self.share)) if self.total is None else self.total - rows
        if n_copies < 0:
            fix = "increase total, or subsample the real rows first"
            raise SpecError("to_total.total", f"at least the {rows} real rows", f"{self.total}", fix)
        if n_copies and not rows:
            raise DataError("to_total", "at least one row to copy", "none", "give it training rows")
        return apportion_copies(np.ones(rows), n_copies, train.row_ids, key)


Towards = Literal["short", "tail", "cold", "category"]


@dataclass(frozen=True)
class Balanced:
    """`factor` times as many copies as rows, weighted towards rows with sparse data.

    towards          short: a row weighs 1 / its length. tail: mean of 1 / popularity over its items. cold: share of its
                     events whose items have at most `max_cold_events` training events. category: 1 / the events of the
                     category of most of its events (ties: the smaller category)
    exponent         exponent of the weight: 0 is uniform, larger values concentrate the copies
    max_cold_events  maximum number of training events of a cold item
    max_copies       maximum number of copies of one row; the excess goes to other rows

    """

    towards: Towards = "short"
    factor: float = 1.0
    exponent: float = 1.0
    max_cold_events: int = 5
    max_copies: int = 20

    def __post_init__(self) -> None:
        _check_factor("balanced.factor", self.factor)
        if self.towards not in get_args(Towards):
            fix = suggest_name(str(self.towards), get_args(Towards))
            raise SpecError("balanced.towards", "a known target", repr(self.towards), fix)
        if self.exponent < 0 or self.max_copies < 1:
            raise SpecError("balanced", "pull from 0 and most_copies from 1", f"{self.exponent}, {self.max_copies}", "")

    def __call__(self, train: Histories, key: int) -> Copies:
        total = _count_copies("balanced.factor", self.factor, train)
        weights = self._weights(train)
        weights = np.where(weights > 0, weights**self.exponent, 0.0)  # 0 ** 0 is 1: keep zero weights at zero
        room = int((weights > 0).sum()) * self.max_copies
        if total > room:
            got = f"{int((weights > 0).sum())} such rows, {self.max_copies} copies each at most"
            raise DataError(f"balanced.{self.towards}", f"rows for {total} copies", got, "a smaller factor")
        return apportion_copies(weights, total, train.row_ids, key, self.max_copies)

    def _weights(self, train: Histories) -> Floats:
        """Return the weight of each row before the exponent, float64 (rows,)."""
        if self.towards == "short":
            return 1.0 / np.maximum(train.lengths, 1)
        if self.towards == "category":
            if train.catalog is None or train.catalog.category is None:
                fix = "name the category column in [data] item_columns"
                raise DataError("balanced.towards", "a catalogue with categories", "none", fix)
            code_of = np.zeros(train.n_items + 2, np.int64)
            code_of[: train.n_items + 1] = train.catalog.category
            events = np.bincount(code_of[train.items], minlength=int(code_of.max()) + 1)
            # most frequent code of each row: the rarer code in a tie, -1 for an empty row
            codes = code_of[train.items]
            pairs, counts = np.unique(train.event_rows() * len(events) + codes, return_counts=True)
            row, code = pairs // len(events), pairs % len(events)
            order = np.lexsort((-events[code], counts, row))  # the last of each row is its main code
            main = np.full(len(train), -1, np.int64)
            main[row[order]] = code[order]
            return np.where(main >= 0, 1.0 / np.maximum(events[main], 1), 0.0)
        popularity = np.bincount(train.items, minlength=train.n_items + 2)
        if self.towards == "tail":
            return train.average_events(1.0 / np.maximum(popularity, 1)[train.items])
        return train.average_events((popularity <= self.max_cold_events)[train.items].astype(np.float64))


def _check_factor(where: str, factor: float) -> None:
    if not 0.0 <= factor < float("inf"):
        raise SpecError(where, "a finite number from 0", repr(factor), "")


def _count_copies(where: str, factor: float, train: Histories) -> int:
    """Return the total number of copies for a factor, rounded half to even."""
    total = round(factor * len(train))
    if total > np.iinfo(np.int32).max * max(len(train), 1) // 2:
        raise SpecError(where, "fewer copies", f"{total}", "")
    return total


@dataclass(frozen=True)
class Scaled:
    """`factor` times the copies of strategy `strategy`, distributed in proportion to its counts; the total is exact.

    >>> rows = Histories.from_lists([[1], [2], [3], [4]], n_items=4)
    >>> Scaled(strategy=Uniform(factor=2.0), factor=0.25)(rows, key=7).sum()
    np.int64(2)
    """

    strategy: Strategy = field(default_factory=Uniform)
    factor: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.factor < float("inf"):
            raise SpecError("scaled.factor", "a finite number from 0", repr(self.factor), "")

    def __call__(self, train: Histories, key: int) -> Copies:
        counts = self.strategy(train, key)
        total = round(self.factor * int(counts.sum()))
        if not total:
            return np.zeros(len(train), np.int32)
        return apportion_copies(counts.astype(np.float64), total, train.row_ids, rng.derive_key(key, "scaled"))

    def groups(self, train: Any) -> GroupOf | None:
        """The groups that the inner strategy balances; None: no groups."""
        return self.strategy.groups(train) if isinstance(self.strategy, GroupedStrategy) else None
