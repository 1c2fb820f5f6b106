"""A strategy that scales the copy counts of another strategy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.errors import SpecError
from leaven.kernels.apportionment import Copies, allotted
from leaven.protocols import Strategy
from leaven.strategies.copy_counts import Uniform


@dataclass(frozen=True)
class Scaled:
    """`by` times the copies of strategy `of`, distributed in proportion to its counts; the total is exact.

    >>> Scaled(of=Uniform(factor=2.0), by=0.25)(Histories.of([[1], [2], [3], [4]], n_items=4), key=7).sum()
    np.int64(2)
    """

    of: Strategy = field(default_factory=Uniform)
    by: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.by < float("inf"):
            raise SpecError("scaled.by", "a finite number from 0", repr(self.by), "")

    def __call__(self, train: Histories, key: int) -> Copies:
        counts = self.of(train, key)
        total = round(self.by * int(counts.sum()))
        if not total:
            return np.zeros(len(train), np.int32)
        return allotted(counts.astype(np.float64), total, train.keys, rng.key(key, "scaled"))

    @property
    def groups(self) -> Any:
        """The groups that the inner strategy balances, or None."""
        return getattr(self.of, "groups", None)
