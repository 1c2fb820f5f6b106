"""Adds noise to numeric columns of labeled rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leaven.datasets.samples import Samples
from leaven.errors import SpecError
from leaven.protocols import Keys, Strength
from leaven.transforms.tabular.column_selection import changed, chosen, lot, named

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

    >>> rows = Samples.of({"price": [1.5, 3.2]}, label=[0, 1])
    >>> moved = NumericNoise(alpha=0.5, bounded=False).fit(rows)(rows, rows.keys, np.ones(2, np.float32))
    >>> bool((moved.numbers != rows.numbers).all())
    True
    """

    alpha: float = 0.1
    columns: tuple[str, ...] = ()
    logs: tuple[str, ...] = ()
    share: float = 1.0
    whole: bool = True
    bounded: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.alpha < np.inf or not 0 <= self.share <= 1:
            raise SpecError("noise", "alpha of 0 or more, share in 0..1", f"{self.alpha}, {self.share}", "")

    def fit(self, train: Samples) -> Noising:
        """Learns deviation, range and integer columns; raises SpecError for an unknown column."""
        names = named("noise", self.columns, train.numeric)
        named("noise", self.logs, names)
        statistics = {name: _measure_column(train.number(name), name in self.logs) for name in names}
        return Noising(self, {name: column for name, column in statistics.items() if column is not None})


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
class Noising:
    """Adds noise by the statistics of the training columns."""

    wish: NumericNoise
    statistics: Mapping[str, _ColumnStatistics]

    def __call__(self, rows: Samples, keys: Keys, strength: Strength) -> Samples:
        """The rows with noisy numbers."""
        from scipy.special import ndtri

        numbers = rows.numbers.copy()
        is_changed = chosen(keys, "noise", tuple(self.statistics), self.wish.share, (strength > 0).astype(np.float32))
        for index, (name, training) in enumerate(self.statistics.items()):
            column = rows.numeric.index(name)
            cells = rows.numbers[:, column]
            normal = ndtri(np.clip(lot(keys, "normal", name), 1e-12, 1 - 1e-12))
            step = self.wish.alpha * strength * training.deviation * normal
            noisy = _add_step(cells, step, training)
            if self.wish.whole and training.is_integer:
                noisy = np.round(noisy)
            if self.wish.bounded:
                is_outside = (cells < training.low) | (cells > training.high)
                noisy = np.where(is_outside, noisy, np.clip(noisy, training.low, training.high))
            numbers[:, column] = np.where(is_changed[:, index] & ~np.isnan(cells), noisy, cells)
        return changed(rows, numbers)


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

    width: float = 0.05
    columns: tuple[str, ...] = ()
    share: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.width <= 1 or not 0 <= self.share <= 1:
            raise SpecError("quantile_jitter", "width and share in 0..1", f"{self.width}, {self.share}", "")

    def fit(self, train: Samples) -> Jittering:
        """Learns the sorted values; raises SpecError for an unknown column."""
        names = named("quantile_jitter", self.columns, train.numeric)
        cells = {name: train.number(name) for name in names}
        known = {name: np.sort(column[~np.isnan(column)]) for name, column in cells.items()}
        return Jittering(self, {name: column for name, column in known.items() if len(column)})


@dataclass(frozen=True, eq=False)
class Jittering:
    """sorted_values: column -> its training values, ascending."""

    wish: QuantileJitter
    known: Mapping[str, Numbers]

    def __call__(self, rows: Samples, keys: Keys, strength: Strength) -> Samples:
        """The rows with numbers of changed rank."""
        numbers = rows.numbers.copy()
        is_changed = chosen(keys, "jitter", tuple(self.known), self.wish.share, (strength > 0).astype(np.float32))
        for index, (name, known) in enumerate(self.known.items()):
            column = rows.numeric.index(name)
            cells = rows.numbers[:, column]
            rank = (np.searchsorted(known, cells, "left") + np.searchsorted(known, cells, "right")) / 2 / len(known)
            step = (2 * lot(keys, "rank", name) - 1) * self.wish.width * strength
            position = np.clip(((rank + step) * len(known)).astype(np.int64), 0, len(known) - 1)
            numbers[:, column] = np.where(is_changed[:, index] & ~np.isnan(cells), known[position], cells)
        return changed(rows, numbers)
