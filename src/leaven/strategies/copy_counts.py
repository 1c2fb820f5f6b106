"""How many copies of each row?

Every strategy is called with the training rows and a key, and answers with int32 (rows,) before anything is
made. The totals are exact. Which rows get one more than others follows from the key and the rows' own keys,
never from their order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.errors import DataError, SpecError, nearest
from leaven.kernels.apportionment import Copies, Floats, allotted


@dataclass(frozen=True)
class Uniform:
    """Every row `factor` times; of a fraction, so many rows once more.

    >>> Uniform(factor=1.5)(Histories.of([[1], [2], [3], [4]], n_items=4), key=7).sum()
    np.int64(6)
    """

    factor: float = 1.0

    def __post_init__(self) -> None:
        _check_factor("uniform.factor", self.factor)

    def __call__(self, train: Histories, key: int) -> Copies:
        total = _times("uniform.factor", self.factor, train)
        return allotted(np.ones(len(train)), total, train.keys, key)


@dataclass(frozen=True)
class Random:
    """As many copies as `share` of the rows, each of a row drawn anew: some rows often, some never."""

    share: float = 1.0

    def __post_init__(self) -> None:
        _check_factor("random.share", self.share)

    def __call__(self, train: Histories, key: int) -> Copies:
        total = _times("random.share", self.share, train)
        copies = np.zeros(len(train), np.int32)
        if total:
            by_key = np.argsort(train.keys, kind="stable")  # a place that does not hang on the order of rows
            drawn = rng.generator(rng.key(key, "random")).integers(0, len(train), total)
            np.add.at(copies, by_key[drawn], 1)
        return copies


@dataclass(frozen=True)
class ToTotal:
    """As many copies, evenly spread, as it takes to reach a size with the real rows counted in.

    total  rows at the end, real and new together; None: what `share` says
    share  part of the new rows in all rows at the end
    """

    total: int | None = None
    share: float = 0.5

    def __post_init__(self) -> None:
        if not 0.0 <= self.share < 1.0:
            raise SpecError("to_total.share", "a share from 0, below 1", repr(self.share), "")

    def __call__(self, train: Histories, key: int) -> Copies:
        rows = len(train)
        new = round(rows * self.share / (1.0 - self.share)) if self.total is None else self.total - rows
        if new < 0:
            fix = "ask for more rows, or sample the real ones first"
            raise SpecError("to_total.total", f"at least the {rows} real rows", f"{self.total}", fix)
        if new and not rows:
            raise DataError("to_total", "at least one row to copy", "none", "give it training rows")
        return allotted(np.ones(rows), new, train.keys, key)


Towards = Literal["short", "tail", "cold", "category"]


@dataclass(frozen=True)
class Balanced:
    """As many copies as `factor` times the rows, more of them where the data is thin.

    towards      short: a row weighs 1 / its length. tail: the mean of 1 / popularity over its items. cold: the
                 share of its events whose items have at most `cold_events` in training. category: 1 / the events
                 of the category that most of its events belong to (ties: the smaller category)
    pull         the power of that weight: 0 spreads evenly, 1 as said, 2 pulls harder
    cold_events  up to how many training events an item counts as cold
    most_copies  of one row; what it could not take goes to the others
    """

    towards: Towards = "short"
    factor: float = 1.0
    pull: float = 1.0
    cold_events: int = 5
    most_copies: int = 20

    def __post_init__(self) -> None:
        _check_factor("balanced.factor", self.factor)
        if self.towards not in get_args(Towards):
            fix = nearest(str(self.towards), get_args(Towards))
            raise SpecError("balanced.towards", "a known direction", repr(self.towards), fix)
        if self.pull < 0 or self.most_copies < 1:
            raise SpecError("balanced", "pull from 0 and most_copies from 1", f"{self.pull}, {self.most_copies}", "")

    def __call__(self, train: Histories, key: int) -> Copies:
        total = _times("balanced.factor", self.factor, train)
        weights = self._weights(train)
        weights = np.where(weights > 0, weights**self.pull, 0.0)  # 0 ** 0 is 1: a row without weight stays so
        room = int((weights > 0).sum()) * self.most_copies
        if total > room:
            got = f"{int((weights > 0).sum())} such rows, {self.most_copies} copies each at most"
            raise DataError(f"balanced.{self.towards}", f"rows for {total} copies", got, "a smaller factor")
        return allotted(weights, total, train.keys, key, self.most_copies)

    def _weights(self, train: Histories) -> Floats:
        if self.towards == "short":
            return 1.0 / np.maximum(train.lengths, 1)
        if self.towards == "category":
            return _of_category(train)
        popularity = np.bincount(train.items, minlength=train.n_items + 2)
        if self.towards == "tail":
            return _mean_by_row(train, 1.0 / np.maximum(popularity, 1))
        return _mean_by_row(train, (popularity <= self.cold_events).astype(np.float64))


def _of_category(train: Histories) -> Floats:
    if train.catalog is None or train.catalog.category is None:
        fix = "name the category column in [data] item_columns"
        raise DataError("balanced.towards", "a catalogue with categories", "none", fix)
    code_of = np.zeros(train.n_items + 2, np.int64)
    code_of[: train.n_items + 1] = train.catalog.category
    events = np.bincount(code_of[train.items], minlength=int(code_of.max()) + 1)
    main = _main_codes(train, code_of[train.items], events)
    return np.where(main >= 0, 1.0 / np.maximum(events[main], 1), 0.0)


def _main_codes(train: Histories, codes: npt.NDArray[np.int64], events: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """int64 (rows,): the code that most events of a row have, the rarer one in a tie; -1 for an empty row."""
    pairs, counts = np.unique(train.row_of_event() * len(events) + codes, return_counts=True)
    row, code = pairs // len(events), pairs % len(events)
    order = np.lexsort((-events[code], counts, row))  # the last of each row is its main code
    main = np.full(len(train), -1, np.int64)
    main[row[order]] = code[order]
    return main


def _mean_by_row(train: Histories, of_item: Floats) -> Floats:
    """float64 (rows,): mean over a row's events; 0 for an empty row."""
    total = np.bincount(train.row_of_event(), weights=of_item[train.items], minlength=len(train))
    mean: Floats = total / np.maximum(train.lengths, 1)
    return mean


def _check_factor(where: str, factor: float) -> None:
    if not 0.0 <= factor < float("inf"):
        raise SpecError(where, "a finite number from 0", repr(factor), "")


def _times(where: str, factor: float, train: Histories) -> int:
    """How many copies a factor means; half a copy is rounded to the even number."""
    total = round(factor * len(train))
    if total > np.iinfo(np.int32).max * max(len(train), 1) // 2:
        raise SpecError(where, "fewer copies", f"{total}", "")
    return total
