"""Protocols of filters of synthetic rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import Histories
from leaven.datasets.samples import Samples
from leaven.protocols.generators import FittedGenerator, Generator


@dataclass(frozen=True, eq=False)
class FilterResult:
    """Result of a filter. mask bool (rows,): which rows are accepted; rejected: reason -> number of rejected rows."""

    accepted: npt.NDArray[np.bool_]
    rejected: Mapping[str, int]


class FittedFilter(Protocol):
    """Idempotent: accepted rows are accepted again."""

    def __call__(self, new: Histories) -> FilterResult: ...


class Filter(Protocol):
    """Config of a filter of histories."""

    def fit(self, train: Histories, key: int) -> FittedFilter: ...


@runtime_checkable
class FilterStatistics(Protocol):
    """A fitted filter with statistics per row."""

    def row_statistics(self, new: Histories) -> Mapping[str, npt.NDArray[np.float64]]:
        """Name of a statistic -> float64 (rows,); NaN where it is undefined."""
        ...


@runtime_checkable
class GeneratorFilter(Protocol):
    """Config of a filter that compares rows with those of a generator. None: that of the step."""

    @property
    def generator(self) -> Generator | FittedGenerator | None: ...


class FittedTabularFilter(Protocol):
    """Idempotent: accepted rows are accepted again."""

    def __call__(self, new: Samples) -> FilterResult: ...


class TabularFilter(Protocol):
    """Config of a filter of labelled rows."""

    def fit(self, train: Samples, key: int) -> FittedTabularFilter: ...
