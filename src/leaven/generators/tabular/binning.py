"""How does a row with numbers and names become a row of few codes, and back?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven.datasets.samples import Samples

Ints = npt.NDArray[np.int64]
MISSING = 0
"""The bin of a missing cell, in every column."""
_PARTS = ("cuts", "bin_of", "values", "starts", "seen")


@dataclass(frozen=True, eq=False)
class Column:
    """One column in bins. cuts float64: between bins of a number; bin_of int64 (levels + 1,): of each category code.

    values: the training cells, bin by bin; starts int64 (bins + 1,): where each bin's begin. Bin 0 is for missing.
    seen bool (bins,): which bins some training row is in; no other is ever drawn.
    """

    cuts: npt.NDArray[np.float64] | None
    bin_of: Ints | None
    values: npt.NDArray[np.float64]
    starts: Ints
    seen: npt.NDArray[np.bool_]

    @property
    def bins(self) -> int:
        return len(self.starts) - 1

    def binned(self, cells: npt.NDArray[Any]) -> Ints:
        """int64 (rows,): the bin of each cell."""
        if self.bin_of is not None:
            return np.asarray(self.bin_of[cells], np.int64)
        assert self.cuts is not None
        found = 1 + np.searchsorted(self.cuts, np.nan_to_num(cells), side="right")
        return np.where(np.isnan(cells), MISSING, found)

    def drawn(self, bins: Ints, chance: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """float64 (rows,): a training cell of each bin; NaN (a code of 0) for the missing one."""
        low, size = self.starts[bins], np.diff(self.starts)[bins]
        place = low + np.minimum((chance * size).astype(np.int64), np.maximum(size - 1, 0))
        missing = 0.0 if self.bin_of is not None else np.nan
        empty = (bins == MISSING) | (size == 0)
        cells = (
            self.values[np.minimum(place, max(len(self.values) - 1, 0))] if len(self.values) else np.zeros(len(bins))
        )
        return np.where(empty, missing, cells)


def number_column(cells: npt.NDArray[np.float64], bins: int) -> Column:
    """Bins of about equal size; a value that is frequent has one of its own."""
    known = np.sort(cells[~np.isnan(cells)])
    if not len(known):
        return Column(np.zeros(0), None, known, np.array([0, 0, 0]), np.array([True, False]))
    values = np.unique(known)
    if len(values) <= bins:
        cuts = values[1:]
    else:
        cuts = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)[1:-1], method="higher"))
        cuts = cuts[cuts > known[0]]
    edges = np.searchsorted(known, cuts, side="left")
    starts = np.concatenate([[0, 0], edges, [len(known)]]).astype(np.int64)
    return Column(cuts, None, known, starts, _seen(starts, len(known) < len(cells)))


def category_column(codes: npt.NDArray[np.int32], levels: int, bins: int) -> Column:
    """The most frequent names have bins of their own, the rest share the last one; code 0 is missing."""
    counts = np.bincount(codes, minlength=levels + 1)
    counts[0] = 0
    order = np.argsort(-counts, kind="stable")
    order = order[counts[order] > 0]
    own = order[:bins]
    bin_of = np.full(levels + 1, len(own) + 1 if len(order) > len(own) else MISSING, np.int64)
    bin_of[own] = np.arange(1, len(own) + 1)
    bin_of[0] = MISSING
    held = codes[codes > 0]
    place = np.argsort(bin_of[held] * (levels + 1) + held, kind="stable")
    sizes = np.bincount(bin_of[held], minlength=max(int(bin_of.max()) + 1, 2))
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return Column(None, bin_of, held[place].astype(np.float64), starts, _seen(starts, len(held) < len(codes)))


def _seen(starts: Ints, some_missing: bool) -> npt.NDArray[np.bool_]:
    seen = np.diff(starts) > 0
    seen[MISSING] = some_missing
    return seen


@dataclass(frozen=True, eq=False)
class Binning:
    """label first, then the number columns, then the categories."""

    columns: tuple[Column, ...]

    @classmethod
    def fit(cls, train: Samples, bins: int) -> Binning:
        """Learned from these rows; the label is a column of 0 and 1."""
        hard = (train.label > 0.5).astype(np.float64)
        columns = [number_column(hard, bins)]
        columns += [number_column(column, bins) for column in train.numbers.T]
        columns += [
            category_column(train.codes[:, place], len(train.levels[name]), bins)
            for place, name in enumerate(train.categorical)
        ]
        return cls(tuple(columns))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Bins of each column."""
        return tuple(column.bins for column in self.columns)

    def binned(self, rows: Samples) -> Ints:
        """int64 (rows, columns)."""
        cells = [(rows.label > 0.5).astype(np.float64), *rows.numbers.T, *rows.codes.T]
        found = [column.binned(cell) for column, cell in zip(self.columns, cells, strict=True)]
        return np.column_stack(found)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """All of it, to be stored."""
        held: dict[str, npt.NDArray[Any]] = {}
        for place, column in enumerate(self.columns):
            given = {name: getattr(column, name) for name in _PARTS}
            held |= {f"{place}.{name}": array for name, array in given.items() if array is not None}
        return held

    @classmethod
    def of(cls, held: Mapping[str, npt.NDArray[Any]]) -> Binning:
        """What `arrays` gave."""
        count = 1 + max(int(name.split(".")[0]) for name in held if name[0].isdigit())
        parts: list[dict[str, Any]] = [{name: held.get(f"{place}.{name}") for name in _PARTS} for place in range(count)]
        return cls(tuple(Column(**one) for one in parts))
