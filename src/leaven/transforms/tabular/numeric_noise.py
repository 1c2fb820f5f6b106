"""Adds noise to numeric columns of labeled rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from leaven.datasets.samples import Samples
from leaven.errors import SpecError
from leaven.protocols import FittedTabularTransform, OperatorTraits, RngKeys, Strength
from leaven.transforms.tabular.column_selection import draw_cells, draw_column_uniform, replace_cells, resolve_columns

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class NumericNoise:
    """Add normal noise: x + α·σ·ε, with σ the standard deviation of the column and ε standard normal.

    alpha          noise level (× strength), in standard deviations of the column
    columns        numeric columns; (): all
    log_columns    columns whose logarithm is changed, such as prices: the sign stays, σ is that of log(1 + |x|)
    share          of the cells that are changed
    keep_integers  columns of integers in training stay integers
    clip_to_range  values stay within the range of the training rows

    Missing cells stay missing.

    >>> rows = Samples.from_lists({"price": [1.5, 3.2]}, label=[0, 1])
    >>> moved = NumericNoise(alpha=0.5, clip_to_range=False).fit(rows)(rows, rows.row_ids, np.ones(2, np.float32))
    >>> bool((moved.numbers != rows.numbers).all())
    True
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("numeric noise")
    alpha: float = 0.1
    columns: tuple[str, ...] = ()
    log_columns: tuple[str, ...] = ()
    share: float = 1.0
    keep_integers: bool = True
    clip_to_range: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.alpha < np.inf or not 0 <= self.share <= 1:
            raise SpecError("noise", "alpha of 0 or more, share in 0..1", f"{self.alpha}, {self.share}", "")

    def fit(self, train: Samples) -> FittedNumericNoise:
        """Learns deviation, range and integer columns; raises SpecError for an unknown column."""
        names = resolve_columns("noise", self.columns, train.numeric)
        resolve_columns("noise", self.log_columns, names)
        statistics = {name: _measure_column(train.numeric_column(name), name in self.log_columns) for name in names}
        return FittedNumericNoise(self, {name: column for name, column in statistics.items() if column is not None})


@dataclass(frozen=True)
class _ColumnStatistics:
    """Statistics of a training column: deviation (of its logarithm for is_log), range, whether all are integers."""

    is_log: bool
    deviation: float
    low: float
    high: float
    is_integer: bool


def _measure_column(cells: Numbers, is_log: bool) -> _ColumnStatistics | None:
    known = cells[~np.isnan(cells)]
    if not len(known):
        return None
    values = np.log1p(np.abs(known)) if is_log else known
    is_integer = bool((known == known.round()).all())
    return _ColumnStatistics(is_log, float(values.std()), float(known.min()), float(known.max()), is_integer)


@dataclass(frozen=True, eq=False)
class FittedNumericNoise(FittedTabularTransform):
    """Adds noise by the statistics of the training columns."""

    config: NumericNoise
    statistics: Mapping[str, _ColumnStatistics]

    def __call__(self, rows: Samples, keys: RngKeys, strength: Strength) -> Samples:
        """The rows with noisy numbers."""
        from scipy.special import ndtri

        numbers = rows.numbers.copy()
        is_changed = draw_cells(
            keys, "noise", tuple(self.statistics), self.config.share, (strength > 0).astype(np.float32)
        )
        for index, (name, training) in enumerate(self.statistics.items()):
            column = rows.numeric.index(name)
            cells = rows.numbers[:, column]
            normal = ndtri(np.clip(draw_column_uniform(keys, "normal", name), 1e-12, 1 - 1e-12))
            step = self.config.alpha * strength * training.deviation * normal
            noisy = _add_step(cells, step, training)
            if self.config.keep_integers and training.is_integer:
                noisy = np.round(noisy)
            if self.config.clip_to_range:
                is_outside = (cells < training.low) | (cells > training.high)
                noisy = np.where(is_outside, noisy, np.clip(noisy, training.low, training.high))
            numbers[:, column] = np.where(is_changed[:, index] & ~np.isnan(cells), noisy, cells)
        return replace_cells(rows, numbers)


def _add_step(cells: Numbers, step: Numbers, training: _ColumnStatistics) -> Numbers:
    """x + step, or for a log column the step added to log(1 + |x|), not below 0."""
    if not training.is_log:
        return cells + step
    return np.asarray(np.sign(cells) * np.expm1(np.maximum(np.log1p(np.abs(cells)) + step, 0.0)), np.float64)


@dataclass(frozen=True)
class QuantileJitter:
    """Replace numbers by training values of a similar rank, which keeps the distribution of skewed columns.

    width    largest change of the rank (× strength), as a share of all rows
    columns  numeric columns; (): all
    share    of the cells that are changed

    Every new value is a training value; missing cells stay missing.
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("quantile jitter")
    width: float = 0.05
    columns: tuple[str, ...] = ()
    share: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.width <= 1 or not 0 <= self.share <= 1:
            raise SpecError("quantile_jitter", "width and share in 0..1", f"{self.width}, {self.share}", "")

    def fit(self, train: Samples) -> FittedQuantileJitter:
        """Learns the sorted values; raises SpecError for an unknown column."""
        names = resolve_columns("quantile_jitter", self.columns, train.numeric)
        cells = {name: train.numeric_column(name) for name in names}
        known = {name: np.sort(column[~np.isnan(column)]) for name, column in cells.items()}
        return FittedQuantileJitter(self, {name: column for name, column in known.items() if len(column)})


@dataclass(frozen=True, eq=False)
class FittedQuantileJitter(FittedTabularTransform):
    """sorted_values: column -> its training values, ascending."""

    config: QuantileJitter
    sorted_values: Mapping[str, Numbers]

    def __call__(self, rows: Samples, keys: RngKeys, strength: Strength) -> Samples:
        """The rows with numbers of changed rank."""
        numbers = rows.numbers.copy()
        is_changed = draw_cells(
            keys, "jitter", tuple(self.sorted_values), self.config.share, (strength > 0).astype(np.float32)
        )
        for index, (name, known) in enumerate(self.sorted_values.items()):
            column = rows.numeric.index(name)
            cells = rows.numbers[:, column]
            rank = (np.searchsorted(known, cells, "left") + np.searchsorted(known, cells, "right")) / 2 / len(known)
            step = (2 * draw_column_uniform(keys, "rank", name) - 1) * self.config.width * strength
            position = np.clip(((rank + step) * len(known)).astype(np.int64), 0, len(known) - 1)
            numbers[:, column] = np.where(is_changed[:, index] & ~np.isnan(cells), known[position], cells)
        return replace_cells(rows, numbers)
