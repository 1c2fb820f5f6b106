"""A strategy that scales the copy counts of another strategy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.errors import SpecError
from leaven.kernels.apportionment import Copies, apportion_copies
from leaven.protocols import GroupedStrategy, GroupOf, Strategy
from leaven.strategies.copy_counts import Uniform


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
