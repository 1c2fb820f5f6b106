"""Changes single cells of labeled rows: swaps, masks or coarsens them, or adds noise to numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.samples import Samples
from leaven.errors import DataError, SpecError, suggest_name
from leaven.protocols import FittedTabularTransform, OperatorTraits, RngKeys, Strength


def resolve_columns(field: str, names: Sequence[str], columns: Sequence[str]) -> tuple[str, ...]:
    """The named columns, or all columns without names.

    Raises SpecError, with the nearest name, for an unknown column.
    """
    for name in names:
        if name not in columns:
            raise SpecError(f"{field}.columns", "a column of the samples", repr(name), suggest_name(name, columns))
    return tuple(names) or tuple(columns)


def draw_cells(
    keys: RngKeys, label: str, names: Sequence[str], share: float, strength: Strength
) -> npt.NDArray[np.bool_]:
    """bool (rows, names): cells that are changed, drawn independently; none at strength 0.

    The draw of a cell depends on the key of its row and the name of its column, not on other columns.
    """
    threshold = share * strength.astype(np.float64)
    cells = [draw_column_uniform(keys, label, name) < threshold for name in names]
    return np.column_stack(cells) if cells else np.zeros((len(keys), 0), bool)


def draw_column_uniform(keys: RngKeys, label: str, name: str) -> npt.NDArray[np.float64]:
    """float64 (rows,) in [0, 1): the draw of each row for a purpose and a column."""
    return rng.draw_uniform(keys, rng.derive_key(0, label, name) >> 2)


@dataclass(frozen=True)
class SwapNoise:
    """Replace some cells by those of the same column in other training rows (as in denoising autoencoders of tables).

    share       of the cells that are swapped (× strength)
    columns     numeric or categorical columns; (): all
    same_label  take the cells of rows with the same label
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("swap noise", mixes_users=True)
    share: float = 0.1
    columns: tuple[str, ...] = ()
    same_label: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise SpecError("swap_noise.share", "a share in 0..1", str(self.share), "")

    def fit(self, train: Samples) -> FittedSwapNoise:
        """Keeps the training rows; raises SpecError for an unknown column."""
        names = resolve_columns("swap_noise", self.columns, (*train.numeric, *train.categorical))
        by_key = np.argsort(train.row_ids, kind="stable")  # independent of the order of the rows
        return FittedSwapNoise(self, names, train.take(by_key))


@dataclass(frozen=True, eq=False)
class FittedSwapNoise(FittedTabularTransform):
    """Swaps cells with the training rows, sorted by row id."""

    config: SwapNoise
    names: tuple[str, ...]
    train: Samples

    def __call__(self, rows: Samples, keys: RngKeys, strength: Strength) -> Samples:
        """The rows with some cells of other rows."""
        numbers, codes = rows.numbers.copy(), rows.codes.copy()
        swapped = draw_cells(keys, "swap", self.names, self.config.share, strength)
        donors = self.train.recode_levels(rows.levels) if self.train.levels != rows.levels else self.train
        for index, name in enumerate(self.names):
            donor = self._draw_donors(rows, draw_column_uniform(keys, "donor", name))
            if name in rows.numeric:
                column = rows.numeric.index(name)
                numbers[:, column] = np.where(swapped[:, index], donors.numbers[donor, column], numbers[:, column])
            else:
                column = rows.categorical.index(name)
                codes[:, column] = np.where(swapped[:, index], donors.codes[donor, column], codes[:, column])
        return replace(rows, numbers=numbers, codes=codes)

    def _draw_donors(self, rows: Samples, draws: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """int64 (rows,): a training row for each row, with `same_label` of the same class if it has rows."""
        donor = np.minimum((draws * len(self.train)).astype(np.int64), len(self.train) - 1)
        if not self.config.same_label:
            return donor
        for positive in (False, True):
            candidates = np.flatnonzero((self.train.label > 0.5) == positive)
            in_class = (rows.label > 0.5) == positive
            if len(candidates):
                index = (draws[in_class] * len(candidates)).astype(np.int64)
                donor[in_class] = candidates[np.minimum(index, len(candidates) - 1)]
        return donor


@dataclass(frozen=True)
class FeatureMask:
    """Mask some cells as missing, so that a model depends less on single features.

    share    of the cells that are masked (× strength)
    columns  numeric or categorical columns; (): all
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("feature mask")
    share: float = 0.1
    columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise SpecError("feature_mask.share", "a share in 0..1", str(self.share), "")

    def fit(self, train: Samples) -> FittedFeatureMask:
        """Learns nothing; raises SpecError for an unknown column."""
        return FittedFeatureMask(
            self, resolve_columns("feature_mask", self.columns, (*train.numeric, *train.categorical))
        )


@dataclass(frozen=True, eq=False)
class FittedFeatureMask(FittedTabularTransform):
    """Masks cells."""

    config: FeatureMask
    names: tuple[str, ...]

    def __call__(self, rows: Samples, keys: RngKeys, strength: Strength) -> Samples:
        """The rows with some cells missing."""
        numbers, codes = rows.numbers.copy(), rows.codes.copy()
        masked = draw_cells(keys, "mask", self.names, self.config.share, strength)
        for index, name in enumerate(self.names):
            if name in rows.numeric:
                numbers[masked[:, index], rows.numeric.index(name)] = np.nan
            else:
                codes[masked[:, index], rows.categorical.index(name)] = 0
        return replace(rows, numbers=numbers, codes=codes)


@dataclass(frozen=True)
class RollUp:
    """Replace some values of a categorical column by their parents: "mugs" becomes "kitchen".

    column      a categorical column; "": the first
    parents     value -> parent. A parent may have a parent; values without one stay
    max_levels  number of steps up, at most; drawn uniformly
    share       of the rows that are changed (× strength)

    Parents that are no value of the column in the given rows leave the cell unchanged.

    Raises DataError for a cycle of parents.
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("roll up")
    column: str = ""
    parents: Mapping[str, str] = field(default_factory=dict)
    max_levels: int = 1
    share: float = 0.2

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1 or self.max_levels < 1:
            raise SpecError("roll_up", "share in 0..1, 1 level or more", f"{self.share}, {self.max_levels}", "")
        for name in self.parents:
            seen = [name]
            while (up := self.parents.get(seen[-1])) is not None:
                if up in seen:
                    cycle = " → ".join([*seen, up])
                    raise DataError("roll_up.parents", "a tree", f"a cycle: {cycle}", "remove one of these parents")
                seen.append(up)

    def fit(self, train: Samples) -> FittedRollUp:
        """Finds the column; raises SpecError for an unknown column."""
        if not train.categorical and not self.column:
            return FittedRollUp(self, "")
        column = self.column or train.categorical[0]
        if column not in train.categorical:
            got = suggest_name(column, train.categorical)
            raise SpecError("roll_up.column", "a categorical column", repr(column), got)
        return FittedRollUp(self, column)


@dataclass(frozen=True, eq=False)
class FittedRollUp(FittedTabularTransform):
    """Rolls values up."""

    config: RollUp
    column: str

    def __call__(self, rows: Samples, keys: RngKeys, strength: Strength) -> Samples:
        """The rows with some values coarser."""
        if not self.column:
            return rows
        index = rows.categorical.index(self.column)
        code = {name: number for number, name in enumerate(rows.levels[self.column], 1)}
        parents = [code.get(self.config.parents.get(name, ""), own) for name, own in code.items()]
        parent = np.array([0, *parents], np.int32)
        is_changed = draw_cells(keys, "roll", (self.column,), self.config.share, strength)[:, 0]
        steps = 1 + (draw_column_uniform(keys, "steps", self.column) * self.config.max_levels).astype(np.int64)
        codes = rows.codes.copy()
        for step in range(self.config.max_levels):
            is_moved = is_changed & (steps > step)
            codes[is_moved, index] = parent[codes[is_moved, index]]
        return replace(rows, codes=codes)


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
            noisy = cells + step
            if training.is_log:  # the step is added to log(1 + |x|), not below 0
                noisy = np.sign(cells) * np.expm1(np.maximum(np.log1p(np.abs(cells)) + step, 0.0))
            if self.config.keep_integers and training.is_integer:
                noisy = np.round(noisy)
            if self.config.clip_to_range:
                is_outside = (cells < training.low) | (cells > training.high)
                noisy = np.where(is_outside, noisy, np.clip(noisy, training.low, training.high))
            numbers[:, column] = np.where(is_changed[:, index] & ~np.isnan(cells), noisy, cells)
        return replace(rows, numbers=numbers)


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
        return replace(rows, numbers=numbers)
