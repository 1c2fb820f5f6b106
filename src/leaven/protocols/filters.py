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


def count_reasons(
    reasons: Mapping[str, npt.NDArray[np.bool_]], rows: npt.NDArray[np.bool_], otherwise: str = ""
) -> dict[str, int]:
    """Reason -> number of the marked rows: a row counts once, under its first reason, without any under `otherwise`.

    >>> count_reasons({"short": np.array([True, False])}, np.array([True, True]), "by chance")
    {'short': 1, 'by chance': 1}
    """
    left, counts = rows, dict[str, int]()
    for reason, mask in reasons.items():
        counts[reason], left = int((left & mask).sum()), left & ~mask
    if otherwise:
        counts[otherwise] = int(left.sum())
    return {reason: count for reason, count in counts.items() if count}


@dataclass(frozen=True, eq=False)
class FilterResult:
    """accepted bool (rows,): which rows are accepted; rejected: reason -> number of rejected rows."""

    accepted: npt.NDArray[np.bool_]
    rejected: Mapping[str, int]

    @classmethod
    def from_reasons(cls, n_rows: int, rejected: Mapping[str, npt.NDArray[np.bool_]]) -> FilterResult:
        """The result of one mask of rejected rows per reason.

        >>> FilterResult.from_reasons(3, {"odd": np.array([True, False, True]), "long": np.array([True] * 3)}).rejected
        {'odd': 2, 'long': 1}
        """
        accepted = ~np.any([np.zeros(n_rows, np.bool_), *rejected.values()], axis=0)
        return cls(accepted, count_reasons(rejected, np.ones(n_rows, np.bool_)))


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
