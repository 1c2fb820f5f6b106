"""How are numbers of labelled rows moved a little?"""

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
    """Add noise to numbers: x + α·σ·ε, σ being the column's own spread and ε normal (the source's x + α·noise(x)).

    alpha    how strong (× strength), in standard deviations of the column
    columns  number columns; (): all
    logs     columns whose logarithm is moved instead, such as prices: the sign stays, σ is that of log(1 + |x|)
    share    of the cells that are changed
    whole    a column whose training values are all whole numbers stays whole
    bounded  no value leaves the range of the training rows

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
        """Learns spread, range and whole columns; SpecError for a column that is not there."""
        names = named("noise", self.columns, train.numeric)
        named("noise", self.logs, names)
        laws = {name: _law(train.number(name), name in self.logs) for name in names}
        return Noising(self, {name: law for name, law in laws.items() if law is not None})


@dataclass(frozen=True)
class _Law:
    """Of a column in training: spread (of its logarithm where logged), range, and whether all are whole."""

    logged: bool
    spread: float
    low: float
    high: float
    whole: bool


def _law(cells: Numbers, logged: bool) -> _Law | None:
    known = cells[~np.isnan(cells)]
    if not len(known):
        return None
    sized = np.log1p(np.abs(known)) if logged else known
    return _Law(
        logged, float(sized.std()), float(known.min()), float(known.max()), bool((known == known.round()).all())
    )


@dataclass(frozen=True, eq=False)
class Noising:
    """Adds noise by the laws of the training columns."""

    wish: NumericNoise
    laws: Mapping[str, _Law]

    def __call__(self, rows: Samples, keys: Keys, strength: Strength) -> Samples:
        """The same rows, numbers moved."""
        from scipy.special import ndtri

        numbers = rows.numbers.copy()
        move = chosen(keys, "noise", tuple(self.laws), self.wish.share, (strength > 0).astype(np.float32))
        for place, (name, law) in enumerate(self.laws.items()):
            column = rows.numeric.index(name)
            cells = rows.numbers[:, column]
            normal = ndtri(np.clip(lot(keys, "normal", name), 1e-12, 1 - 1e-12))
            step = self.wish.alpha * strength * law.spread * normal
            moved = _moved(cells, step, law)
            if self.wish.whole and law.whole:
                moved = np.round(moved)
            if self.wish.bounded:
                moved = np.where((cells < law.low) | (cells > law.high), moved, np.clip(moved, law.low, law.high))
            numbers[:, column] = np.where(move[:, place] & ~np.isnan(cells), moved, cells)
        return changed(rows, numbers)


def _moved(cells: Numbers, step: Numbers, law: _Law) -> Numbers:
    """x + step, or the number whose logarithm of 1 + |x| is so much larger (never past 0)."""
    if not law.logged:
        return cells + step
    return np.asarray(np.sign(cells) * np.expm1(np.maximum(np.log1p(np.abs(cells)) + step, 0.0)), np.float64)


@dataclass(frozen=True)
class QuantileJitter:
    """Replace numbers by others of nearly the same rank in training: skewed columns and steps keep their law.

    width    how far the rank moves at most (× strength), as a share of all rows
    columns  number columns; (): all
    share    of the cells that are changed

    Every new value is one that some training row has; missing cells stay missing.
    """

    width: float = 0.05
    columns: tuple[str, ...] = ()
    share: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.width <= 1 or not 0 <= self.share <= 1:
            raise SpecError("quantile_jitter", "width and share in 0..1", f"{self.width}, {self.share}", "")

    def fit(self, train: Samples) -> Jittering:
        """Learns the sorted values; SpecError for a column that is not there."""
        names = named("quantile_jitter", self.columns, train.numeric)
        cells = {name: train.number(name) for name in names}
        known = {name: np.sort(column[~np.isnan(column)]) for name, column in cells.items()}
        return Jittering(self, {name: column for name, column in known.items() if len(column)})


@dataclass(frozen=True, eq=False)
class Jittering:
    """known: column -> its training values, ascending."""

    wish: QuantileJitter
    known: Mapping[str, Numbers]

    def __call__(self, rows: Samples, keys: Keys, strength: Strength) -> Samples:
        """The same rows, ranks moved."""
        numbers = rows.numbers.copy()
        move = chosen(keys, "jitter", tuple(self.known), self.wish.share, (strength > 0).astype(np.float32))
        for place, (name, known) in enumerate(self.known.items()):
            column = rows.numeric.index(name)
            cells = rows.numbers[:, column]
            rank = (np.searchsorted(known, cells, "left") + np.searchsorted(known, cells, "right")) / 2 / len(known)
            step = (2 * lot(keys, "rank", name) - 1) * self.wish.width * strength
            there = np.clip(((rank + step) * len(known)).astype(np.int64), 0, len(known) - 1)
            numbers[:, column] = np.where(move[:, place] & ~np.isnan(cells), known[there], cells)
        return changed(rows, numbers)
