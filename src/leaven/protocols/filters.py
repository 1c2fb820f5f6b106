"""What does a filter of made rows promise?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import Histories
from leaven.datasets.samples import Samples


@dataclass(frozen=True, eq=False)
class Kept:
    """mask bool (rows,): which new rows stay. refused: reason -> how many of the others."""

    mask: npt.NDArray[np.bool_]
    refused: Mapping[str, int]


class FittedFilter(Protocol):
    """Idempotent: what was kept is kept again."""

    def __call__(self, new: Histories) -> Kept: ...


class Filter(Protocol):
    def fit(self, train: Histories, key: int) -> FittedFilter: ...


@runtime_checkable
class Measured(Protocol):
    """A fitted filter that can say by which figures it judges."""

    def measured(self, new: Histories) -> Mapping[str, npt.NDArray[np.float64]]:
        """A few words -> float64 (rows,); NaN where a row has no such figure."""
        ...


class FittedTableFilter(Protocol):
    """Idempotent: what was kept is kept again."""

    def __call__(self, new: Samples) -> Kept: ...


class TableFilter(Protocol):
    def fit(self, train: Samples, key: int) -> FittedTableFilter: ...
