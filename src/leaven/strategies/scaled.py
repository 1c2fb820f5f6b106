"""How many copies, when a strategy is taken in another dose?"""

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
    """`by` times as many copies as another strategy gives, dealt as that one deals them; the total is exact.

    >>> Scaled(of=Uniform(factor=2.0), by=0.25)(Histories.of([[1], [2], [3], [4]], n_items=4), key=7).sum()
    np.int64(2)
    """

    of: Strategy = field(default_factory=Uniform)
    by: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.by < float("inf"):
            raise SpecError("scaled.by", "a finite number from 0", repr(self.by), "")

    def __call__(self, train: Histories, key: int) -> Copies:
        whole = self.of(train, key)
        total = round(self.by * int(whole.sum()))
        if not total:
            return np.zeros(len(train), np.int32)
        return allotted(whole.astype(np.float64), total, train.keys, rng.key(key, "scaled"))

    @property
    def groups(self) -> Any:
        """The groups that the other strategy fills up, where it has such."""
        return getattr(self.of, "groups", None)
