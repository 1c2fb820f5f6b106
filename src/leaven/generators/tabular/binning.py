"""Binning of numeric and categorical columns, and its inverse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven.datasets.samples import Samples
from leaven.storage import Arrays

Ints = npt.NDArray[np.int64]
MISSING_BIN = 0
"""The bin of a missing cell, in every column."""
_PARTS = ("cuts", "bin_of", "values", "starts", "seen")


@dataclass(frozen=True, eq=False)
class BinnedColumn:
    """A binned column. cuts float64: edges between numeric bins; bin_of int64 (levels + 1,): bin of each category code.

    values: the training cells, sorted by bin; starts int64 (bins + 1,): start of each bin in them. Bin 0 is for missing
    cells. seen bool (bins,): bins of at least one training row; others are never drawn.
    """

    cuts: npt.NDArray[np.float64] | None
    bin_of: Ints | None
    values: npt.NDArray[np.float64]
    starts: Ints
    seen: npt.NDArray[np.bool_]

    @property
    def n_bins(self) -> int:
        return len(self.starts) - 1

    def to_bins(self, cells: npt.NDArray[np.generic]) -> Ints:
        """Returns int64 (rows,): the bin of each cell."""
        if self.bin_of is not None:
            return np.asarray(self.bin_of[cells], np.int64)
        assert self.cuts is not None
        bins = 1 + np.searchsorted(self.cuts, np.nan_to_num(cells), side="right")
        return np.where(np.isnan(cells), MISSING_BIN, bins)

    def sample_cells(self, bins: Ints, u: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Returns float64 (rows,): a training cell of each bin, by uniform draws u; missing: NaN or code 0."""
        low, size = self.starts[bins], np.diff(self.starts)[bins]
        index = low + np.minimum((u * size).astype(np.int64), np.maximum(size - 1, 0))
        missing = 0.0 if self.bin_of is not None else np.nan
        empty = (bins == MISSING_BIN) | (size == 0)
        cells = (
            self.values[np.minimum(index, max(len(self.values) - 1, 0))] if len(self.values) else np.zeros(len(bins))
        )
        return np.where(empty, missing, cells)


def build_numeric_column(cells: npt.NDArray[np.float64], bins: int) -> BinnedColumn:
    """Returns bins of about equal size; frequent values have separate bins."""
    known = np.sort(cells[~np.isnan(cells)])
    if not len(known):
        return BinnedColumn(np.zeros(0), None, known, np.array([0, 0, 0]), np.array([True, False]))
    values = np.unique(known)
    if len(values) <= bins:
        cuts = values[1:]
    else:
        cuts = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)[1:-1], method="higher"))
        cuts = cuts[cuts > known[0]]
    edges = np.searchsorted(known, cuts, side="left")
    starts = np.concatenate([[0, 0], edges, [len(known)]]).astype(np.int64)
    return BinnedColumn(cuts, None, known, starts, _find_nonempty_bins(starts, len(known) < len(cells)))


def build_category_column(codes: npt.NDArray[np.int32], levels: int, bins: int) -> BinnedColumn:
    """Returns separate bins for the most frequent categories, and one for the rest; code 0 is missing."""
    counts = np.bincount(codes, minlength=levels + 1)
    counts[0] = 0
    order = np.argsort(-counts, kind="stable")
    order = order[counts[order] > 0]
    own = order[:bins]
    bin_of = np.full(levels + 1, len(own) + 1 if len(order) > len(own) else MISSING_BIN, np.int64)
    bin_of[own] = np.arange(1, len(own) + 1)
    bin_of[0] = MISSING_BIN
    held = codes[codes > 0]
    by_bin = np.argsort(bin_of[held] * (levels + 1) + held, kind="stable")
    sizes = np.bincount(bin_of[held], minlength=max(int(bin_of.max()) + 1, 2))
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return BinnedColumn(
        None, bin_of, held[by_bin].astype(np.float64), starts, _find_nonempty_bins(starts, len(held) < len(codes))
    )


def _find_nonempty_bins(starts: Ints, some_missing: bool) -> npt.NDArray[np.bool_]:
    seen = np.diff(starts) > 0
    seen[MISSING_BIN] = some_missing
    return seen


@dataclass(frozen=True, eq=False)
class Binning:
    """Binned columns: the label first, then numeric, then category columns."""

    columns: tuple[BinnedColumn, ...]

    @classmethod
    def fit(cls, train: Samples, bins: int) -> Binning:
        """Returns the bins of these rows; the label is a column of 0 and 1."""
        hard = (train.label > 0.5).astype(np.float64)
        columns = [build_numeric_column(hard, bins)]
        columns += [build_numeric_column(column, bins) for column in train.numbers.T]
        columns += [
            build_category_column(train.codes[:, index], len(train.levels[name]), bins)
            for index, name in enumerate(train.categorical)
        ]
        return cls(tuple(columns))

    @property
    def bin_sizes(self) -> tuple[int, ...]:
        """Number of bins of each column."""
        return tuple(column.n_bins for column in self.columns)

    def to_bins(self, rows: Samples) -> Ints:
        """Returns int64 (rows, columns): the bin of each cell."""
        cells = [(rows.label > 0.5).astype(np.float64), *rows.numbers.T, *rows.codes.T]
        binned = [column.to_bins(cell) for column, cell in zip(self.columns, cells, strict=True)]
        return np.column_stack(binned)

    def to_arrays(self) -> Arrays:
        """Returns all arrays for saving."""
        arrays: Arrays = {}
        for index, column in enumerate(self.columns):
            given = {name: getattr(column, name) for name in _PARTS}
            arrays |= {f"{index}.{name}": array for name, array in given.items() if array is not None}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Binning:
        """Returns the binning that `to_arrays` saved."""
        count = 1 + max(int(name.split(".")[0]) for name in arrays if name[0].isdigit())
        parts: list[dict[str, Any]] = [
            {name: arrays.get(f"{index}.{name}") for name in _PARTS} for index in range(count)
        ]
        return cls(tuple(BinnedColumn(**part) for part in parts))
