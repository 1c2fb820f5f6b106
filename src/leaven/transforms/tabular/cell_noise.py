"""How are single cells of labelled rows swapped, hidden or made coarser?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from leaven.datasets.samples import Samples
from leaven.errors import DataError, SpecError, nearest
from leaven.protocols import Keys, Strength
from leaven.transforms.tabular.column_selection import changed, chosen, lot, named


@dataclass(frozen=True)
class SwapNoise:
    """Replace some cells by those of the same column in other training rows (as in denoising auto-encoders of tables).

    share    of the cells that are swapped (× strength)
    columns  of either kind; (): all
    same_label  the other row has the same label, so that a swapped cell is still typical of it
    """

    share: float = 0.1
    columns: tuple[str, ...] = ()
    same_label: bool = True
    borrows: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise SpecError("swap_noise.share", "a share in 0..1", str(self.share), "")

    def fit(self, train: Samples) -> Swapping:
        """Keeps the training rows; SpecError for a column that is not there."""
        names = named("swap_noise", self.columns, (*train.numeric, *train.categorical))
        by_key = np.argsort(train.keys, kind="stable")  # a place that does not hang on the order of rows
        return Swapping(self, names, train.take(by_key))


@dataclass(frozen=True, eq=False)
class Swapping:
    """Swaps cells with the training rows, which are in the order of their keys."""

    wish: SwapNoise
    names: tuple[str, ...]
    train: Samples

    def __call__(self, rows: Samples, keys: Keys, strength: Strength) -> Samples:
        """The same rows, some cells of others."""
        numbers, codes = rows.numbers.copy(), rows.codes.copy()
        swapped = chosen(keys, "swap", self.names, self.wish.share, strength)
        donors = self.train.recoded(rows.levels) if self.train.levels != rows.levels else self.train
        for place, name in enumerate(self.names):
            donor = self._donors(rows, lot(keys, "donor", name))
            if name in rows.numeric:
                column = rows.numeric.index(name)
                numbers[:, column] = np.where(swapped[:, place], donors.numbers[donor, column], numbers[:, column])
            else:
                column = rows.categorical.index(name)
                codes[:, column] = np.where(swapped[:, place], donors.codes[donor, column], codes[:, column])
        return changed(rows, numbers, codes)

    def _donors(self, rows: Samples, drawn: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """int64 (rows,): a training row each, of the same class where asked and where there is one."""
        donor = np.minimum((drawn * len(self.train)).astype(np.int64), len(self.train) - 1)
        if not self.wish.same_label:
            return donor
        for positive in (False, True):
            own = np.flatnonzero((self.train.label > 0.5) == positive)
            asked = (rows.label > 0.5) == positive
            if len(own):
                donor[asked] = own[np.minimum((drawn[asked] * len(own)).astype(np.int64), len(own) - 1)]
        return donor


@dataclass(frozen=True)
class FeatureMask:
    """Hide some cells, as if they were missing: a model learns not to lean on any one of them.

    share    of the cells that are hidden (× strength)
    columns  of either kind; (): all
    """

    share: float = 0.1
    columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise SpecError("feature_mask.share", "a share in 0..1", str(self.share), "")

    def fit(self, train: Samples) -> Hiding:
        """Nothing is learned; SpecError for a column that is not there."""
        return Hiding(self, named("feature_mask", self.columns, (*train.numeric, *train.categorical)))


@dataclass(frozen=True, eq=False)
class Hiding:
    """Hides cells."""

    wish: FeatureMask
    names: tuple[str, ...]

    def __call__(self, rows: Samples, keys: Keys, strength: Strength) -> Samples:
        """The same rows, some cells missing."""
        numbers, codes = rows.numbers.copy(), rows.codes.copy()
        hidden = chosen(keys, "mask", self.names, self.wish.share, strength)
        for place, name in enumerate(self.names):
            if name in rows.numeric:
                numbers[hidden[:, place], rows.numeric.index(name)] = np.nan
            else:
                codes[hidden[:, place], rows.categorical.index(name)] = 0
        return changed(rows, numbers, codes)


@dataclass(frozen=True)
class RollUp:
    """Replace some names of a category column by their parents: "mugs" becomes "kitchen".

    column   a category column; "": the first
    parents  name -> parent. A parent may have a parent; names without one stay
    levels   how many steps up at most, drawn evenly
    share    of the rows that are changed (× strength)

    Only parents that are names of the column in the rows at hand can be said; the others leave the cell as it is.

    Raises DataError for parents that go round in a circle.
    """

    column: str = ""
    parents: Mapping[str, str] = field(default_factory=dict)
    levels: int = 1
    share: float = 0.2

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1 or self.levels < 1:
            raise SpecError("roll_up", "share in 0..1, 1 level or more", f"{self.share}, {self.levels}", "")
        for name in self.parents:
            seen = [name]
            while (up := self.parents.get(seen[-1])) is not None:
                if up in seen:
                    circle = " → ".join([*seen, up])
                    raise DataError("roll_up.parents", "a tree", f"a circle: {circle}", "cut it at one place")
                seen.append(up)

    def fit(self, train: Samples) -> Rolling:
        """Finds the column; SpecError where there is none."""
        if not train.categorical and not self.column:
            return Rolling(self, "")
        column = self.column or train.categorical[0]
        if column not in train.categorical:
            got = nearest(column, train.categorical)
            raise SpecError("roll_up.column", "a category column", repr(column), got)
        return Rolling(self, column)


@dataclass(frozen=True, eq=False)
class Rolling:
    """Rolls names up."""

    wish: RollUp
    column: str

    def __call__(self, rows: Samples, keys: Keys, strength: Strength) -> Samples:
        """The same rows, some names coarser."""
        if not self.column:
            return rows
        place = rows.categorical.index(self.column)
        code = {name: number for number, name in enumerate(rows.levels[self.column], 1)}
        up = np.array([0, *(code.get(self.wish.parents.get(name, ""), here) for name, here in code.items())], np.int32)
        moved = chosen(keys, "roll", (self.column,), self.wish.share, strength)[:, 0]
        steps = 1 + (lot(keys, "steps", self.column) * self.wish.levels).astype(np.int64)
        codes = rows.codes.copy()
        for step in range(self.wish.levels):
            goes = moved & (steps > step)
            codes[goes, place] = up[codes[goes, place]]
        return changed(rows, codes=codes)
