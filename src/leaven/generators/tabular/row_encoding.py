"""Encoding of feature rows for neural generators, and its inverse.

Numbers become normal scores: the normal quantile of their rank among the training values, with ties broken at random.
Categories, the label, and missing flags become bins. Decoding maps a score's rank to a training value, so that a
synthetic column only holds values of the real one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.samples import Samples
from leaven.generators.tabular.binning import BinnedColumn, build_category_column, build_numeric_column
from leaven.protocols import RngKeys
from leaven.storage import Arrays

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_PARTS = ("cuts", "bin_of", "values", "starts", "seen")
_IN_BIN = 20_000  # first draw of a key for the cells of its bins
_N_ITERATIONS, _MAX_WEIGHT = 30, 1e3
_GRID = np.linspace(0.0, 1.0, 2001)


@dataclass(frozen=True, eq=False)
class DecodedCells:
    """numbers float64 (rows, numeric columns); codes int32 (rows, category columns); label float64 (rows,)."""

    numbers: Floats
    codes: npt.NDArray[np.int32]
    label: Floats


@dataclass(frozen=True, eq=False)
class RowEncoding:
    """A fitted encoding.

    values: the present training values of each numeric column, ascending; discrete: label, missing flags of numeric
    columns with gaps, categories; gaps: indices of those numeric columns; rows int64 (training rows, discrete columns):
    bins; scale float64 (numbers, 2001): quantiles of the scores of a model, None: normal; lift float64 (all bins,):
    weights that correct the bin frequencies of a model.
    """

    values: tuple[Floats, ...]
    discrete: tuple[BinnedColumn, ...]
    gaps: tuple[int, ...]
    rows: Ints
    score_quantiles: Floats | None = None
    bin_weights: Floats | None = None

    @classmethod
    def fit(cls, train: Samples, bins: int) -> RowEncoding:
        """Fits the encoding; the most frequent `bins` categories of a column have separate bins."""
        values = tuple(np.sort(column[~np.isnan(column)]) for column in train.numbers.T)
        gaps = tuple(index for index, known in enumerate(values) if len(known) < len(train))
        levels = [len(train.levels[name]) for name in train.categorical]
        discrete = [build_numeric_column(cells, 2) for cells in _build_flags(train, gaps)]
        discrete += [
            build_category_column(codes, many, bins) for codes, many in zip(train.codes.T, levels, strict=True)
        ]
        encoding = cls(values, tuple(discrete), gaps, np.zeros((0, len(discrete)), np.int64))
        return replace(encoding, rows=encoding.to_bins(train))

    @property
    def n_numbers(self) -> int:
        """Number of scores in a row."""
        return len(self.values)

    @property
    def bin_sizes(self) -> tuple[int, ...]:
        """Number of bins of each discrete column; the first is the label."""
        return tuple(column.n_bins for column in self.discrete)

    @property
    def seen(self) -> npt.NDArray[np.bool_]:
        """bool (all bins,): bins of at least one training row."""
        return np.concatenate([column.seen for column in self.discrete])

    def to_bins(self, rows: Samples) -> Ints:
        """Returns int64 (rows, discrete columns): bins."""
        cells = [*_build_flags(rows, self.gaps), *rows.codes.T]
        return np.column_stack([column.to_bins(cell) for column, cell in zip(self.discrete, cells, strict=True)])

    def to_scores(self, rows: Samples, key: int) -> npt.NDArray[np.float32]:
        """Returns float32 (rows, numbers): normal scores; 0 where missing."""
        from scipy.special import ndtri

        own = rng.derive_row_keys(key, rows.row_ids)
        scores = np.zeros((len(rows), self.n_numbers), np.float32)
        for index, known in enumerate(self.values):
            cells = rows.numbers[:, index]
            low, high = np.searchsorted(known, cells, "left"), np.searchsorted(known, cells, "right")
            rank = (low + rng.draw_uniform(own, index) * np.maximum(high - low, 0)) / max(len(known), 1)
            scores[:, index] = np.where(np.isnan(cells), 0.0, ndtri(np.clip(rank, 1e-4, 1 - 1e-4)))
        return scores

    def calibrate_marginals(self, scores: Floats, chances: Floats) -> RowEncoding:
        """Returns the encoding with each marginal calibrated to the training rows.

        scores (rows, numbers) and chances (rows, all bins) are outputs of the model.
        """
        scale = np.quantile(scores, _GRID, axis=0).T if self.n_numbers else None
        shares = [np.bincount(self.rows[:, index], minlength=size) for index, size in enumerate(self.bin_sizes)]
        targets, lift = np.concatenate(shares) / len(self.rows), np.ones(chances.shape[1])
        for _ in range(_N_ITERATIONS):  # iterative proportional fitting
            frequencies = self.normalize_chances(chances, lift).mean(axis=0)
            lift = np.clip(lift * targets / np.maximum(frequencies, 1e-9), 1 / _MAX_WEIGHT, _MAX_WEIGHT)
        return replace(self, score_quantiles=scale, bin_weights=lift)

    def normalize_chances(self, chances: Floats, lift: Floats | None = None) -> Floats:
        """Returns float64 (rows, all bins): reweighted probabilities of training bins, normalized in each column."""
        lift = self.bin_weights if lift is None else lift
        odds = np.where(self.seen, np.maximum(chances, 0.0) + 1e-12, 0.0) * (1.0 if lift is None else lift)
        parts = np.split(odds, np.cumsum(self.bin_sizes)[:-1], axis=1)
        return np.concatenate([part / part.sum(axis=1, keepdims=True) for part in parts], axis=1)

    def sample_bins(self, chances: Floats, keys: RngKeys, first: int) -> Ints:
        """Returns int64 (rows, discrete columns): random bins by normalized probabilities (rows, all bins)."""
        bins, low = np.empty((len(keys), len(self.discrete)), np.int64), 0
        for index, size in enumerate(self.bin_sizes):
            total = np.cumsum(chances[:, low : low + size], axis=1)
            threshold = rng.draw_uniform(keys, first + index) * total[:, -1]
            bins[:, index] = np.minimum((total <= threshold[:, None]).sum(axis=1), size - 1)
            low += size
        return bins

    def decode_rows(self, scores: Floats, bins: Ints, keys: RngKeys) -> DecodedCells:
        """Returns the cells of rows given as scores and bins."""
        from scipy.special import ndtr

        numbers = np.full((len(keys), self.n_numbers), np.nan)
        for index, known in enumerate(self.values):
            if len(known):
                score = scores[:, index]
                rank = (
                    ndtr(score)
                    if self.score_quantiles is None
                    else np.interp(score, self.score_quantiles[index], _GRID)
                )
                numbers[:, index] = known[np.minimum((rank * len(known)).astype(np.int64), len(known) - 1)]
        drawn = [
            column.sample_cells(bins[:, index], rng.draw_uniform(keys, _IN_BIN + index))
            for index, column in enumerate(self.discrete)
        ]
        for nth, index in enumerate(self.gaps, 1):
            numbers[:, index] = np.where(drawn[nth] > 0.5, np.nan, numbers[:, index])
        codes = drawn[1 + len(self.gaps) :]
        code_columns = np.column_stack(codes) if codes else np.zeros((len(keys), 0))
        return DecodedCells(numbers, code_columns.astype(np.int32), drawn[0])

    def to_arrays(self) -> Arrays:
        """Returns all arrays for saving."""
        arrays: Arrays = {"rows": self.rows, "gaps": np.array(self.gaps, np.int64)}
        arrays |= {f"values_{index}": known for index, known in enumerate(self.values)}
        arrays |= {} if self.score_quantiles is None else {"scale": self.score_quantiles}
        arrays |= {} if self.bin_weights is None else {"lift": self.bin_weights}
        for index, column in enumerate(self.discrete):
            given = {name: getattr(column, name) for name in _PARTS}
            arrays |= {f"discrete_{index}_{name}": part for name, part in given.items() if part is not None}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> RowEncoding:
        """Returns the encoding that `to_arrays` saved."""
        values = tuple(arrays[f"values_{index}"] for index in range(sum(name.startswith("values_") for name in arrays)))
        discrete = tuple(
            BinnedColumn(*(arrays.get(f"discrete_{index}_{name}") for name in _PARTS))  # type: ignore[arg-type]
            for index in range(arrays["rows"].shape[1])
        )
        gaps = tuple(int(index) for index in arrays["gaps"])
        return cls(values, discrete, gaps, arrays["rows"], arrays.get("scale"), arrays.get("lift"))


def _build_flags(rows: Samples, gaps: tuple[int, ...]) -> list[Floats]:
    """Returns the label as 0 and 1, and the missing flags of each numeric column with gaps."""
    hard = (rows.label > 0.5).astype(np.float64)
    return [hard, *(np.isnan(rows.numbers[:, index]).astype(np.float64) for index in gaps)]


def draw_normals(keys: RngKeys, first: int, count: int) -> Floats:
    """Returns float64 (rows, count): standard normal, draws first .. first + count - 1 of each key."""
    from scipy.special import ndtri

    draws = [rng.draw_uniform(keys, first + index) for index in range(count)]
    return np.asarray(ndtri(np.clip(np.column_stack(draws), 1e-12, 1 - 1e-12)), np.float64)


def sample_training_bins(coding: RowEncoding, keys: RngKeys, draw: int) -> Ints:
    """Returns int64 (rows, discrete columns): the bins of a random training row for each key."""
    index = (rng.draw_uniform(keys, draw) * len(coding.rows)).astype(np.int64)
    return np.asarray(coding.rows[np.minimum(index, len(coding.rows) - 1)])
