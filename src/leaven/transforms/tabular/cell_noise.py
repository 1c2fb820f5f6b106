"""Swaps, masks or coarsens single cells of labeled rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from leaven.datasets.samples import Samples
from leaven.errors import DataError, SpecError, suggest_name
from leaven.protocols import FittedTabularTransform, OperatorTraits, RngKeys, Strength
from leaven.transforms.tabular.column_selection import draw_cells, draw_column_uniform, replace_cells, resolve_columns


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
        return replace_cells(rows, numbers, codes)

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
        return replace_cells(rows, numbers, codes)


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
        return replace_cells(rows, codes=codes)
