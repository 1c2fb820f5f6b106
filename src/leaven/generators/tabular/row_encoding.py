"""How does a row with numbers and names become numbers that a net can make, and back?

A number becomes a normal score: its rank among the training values, equal ones by lot, as a place of the bell curve. A
name, the label, and whether a number is missing become a bin of few. On the way back a score's rank names a training
value, so that a made column holds nothing that the real one did not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.samples import Samples
from leaven.generators.tabular.binning import Column, category_column, number_column
from leaven.generators.tabular.row_schema import Keys

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_PARTS = ("cuts", "bin_of", "values", "starts", "seen")
_IN_BIN = 20_000  # where the draws of a key for a cell of its bin begin
_TURNS, _MOST_LIFT = 30, 1e3
_GRID = np.linspace(0.0, 1.0, 2001)


@dataclass(frozen=True, eq=False)
class Coding:
    """values: the known training values of each number column, ascending; discrete: label, whether each number column
    with gaps is missing, categories; gaps: the number columns with gaps; rows int64 (training rows, discrete columns):
    bins; scale: float64 (numbers, 2001) quantiles of the scores that a model makes, none: the bell curve's; lift:
    float64 (all bins,) by how much a model makes each bin too rarely.
    """

    values: tuple[Floats, ...]
    discrete: tuple[Column, ...]
    gaps: tuple[int, ...]
    rows: Ints
    scale: Floats | None = None
    lift: Floats | None = None

    @classmethod
    def fit(cls, train: Samples, bins: int) -> Coding:
        """Learned from these rows; of a category column the most frequent `bins` names have bins of their own."""
        values = tuple(np.sort(column[~np.isnan(column)]) for column in train.numbers.T)
        gaps = tuple(place for place, known in enumerate(values) if len(known) < len(train))
        levels = [len(train.levels[name]) for name in train.categorical]
        discrete = [number_column(cells, 2) for cells in _flags(train, gaps)]
        discrete += [category_column(codes, many, bins) for codes, many in zip(train.codes.T, levels, strict=True)]
        coding = cls(values, tuple(discrete), gaps, np.zeros((0, len(discrete)), np.int64))
        return replace(coding, rows=coding.binned(train))

    @property
    def numbers(self) -> int:
        """How many scores a row has."""
        return len(self.values)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Bins of each discrete column; the first is the label."""
        return tuple(column.bins for column in self.discrete)

    @property
    def seen(self) -> npt.NDArray[np.bool_]:
        """bool (all bins,): those that some training row is in."""
        return np.concatenate([column.seen for column in self.discrete])

    def binned(self, rows: Samples) -> Ints:
        """int64 (rows, discrete columns)."""
        cells = [*_flags(rows, self.gaps), *rows.codes.T]
        return np.column_stack([column.binned(cell) for column, cell in zip(self.discrete, cells, strict=True)])

    def scored(self, rows: Samples, key: int) -> npt.NDArray[np.float32]:
        """float32 (rows, numbers): normal scores; 0 where missing."""
        from scipy.special import ndtri

        own = rng.row_keys(key, rows.keys)
        scores = np.zeros((len(rows), self.numbers), np.float32)
        for place, known in enumerate(self.values):
            cells = rows.numbers[:, place]
            low, high = np.searchsorted(known, cells, "left"), np.searchsorted(known, cells, "right")
            rank = (low + rng.uniform(own, place) * np.maximum(high - low, 0)) / max(len(known), 1)
            scores[:, place] = np.where(np.isnan(cells), 0.0, ndtri(np.clip(rank, 1e-4, 1 - 1e-4)))
        return scores

    def scaled(self, scores: Floats, chances: Floats) -> Coding:
        """The same, told what a model makes: each column by itself gets the law that it should have.

        scores (rows, numbers) and chances (rows, all bins) of some made rows.
        """
        scale = np.quantile(scores, _GRID, axis=0).T if self.numbers else None
        shares = [np.bincount(self.rows[:, place], minlength=size) for place, size in enumerate(self.sizes)]
        wanted, lift = np.concatenate(shares) / len(self.rows), np.ones(chances.shape[1])
        for _ in range(_TURNS):  # iterative proportional fitting
            made = self.settled(chances, lift).mean(axis=0)
            lift = np.clip(lift * wanted / np.maximum(made, 1e-9), 1 / _MOST_LIFT, _MOST_LIFT)
        return replace(self, scale=scale, lift=lift)

    def settled(self, chances: Floats, lift: Floats | None = None) -> Floats:
        """float64 (rows, all bins): chances of bins that training rows are in, lifted, 1 in each column."""
        lift = self.lift if lift is None else lift
        odds = np.where(self.seen, np.maximum(chances, 0.0) + 1e-12, 0.0) * (1.0 if lift is None else lift)
        parts = np.split(odds, np.cumsum(self.sizes)[:-1], axis=1)
        return np.concatenate([part / part.sum(axis=1, keepdims=True) for part in parts], axis=1)

    def drawn(self, chances: Floats, keys: Keys, first: int) -> Ints:
        """int64 (rows, discrete columns): a bin of each column by settled chances (rows, all bins)."""
        bins, low = np.empty((len(keys), len(self.discrete)), np.int64), 0
        for place, size in enumerate(self.sizes):
            total = np.cumsum(chances[:, low : low + size], axis=1)
            lot = rng.uniform(keys, first + place) * total[:, -1]
            bins[:, place] = np.minimum((total <= lot[:, None]).sum(axis=1), size - 1)
            low += size
        return bins

    def cells(self, scores: Floats, bins: Ints, keys: Keys) -> tuple[Floats, npt.NDArray[np.int32], Floats]:
        """(numbers, codes, label) of rows made as scores and bins."""
        from scipy.special import ndtr

        found = np.full((len(keys), self.numbers), np.nan)
        for place, known in enumerate(self.values):
            if len(known):
                score = scores[:, place]
                rank = ndtr(score) if self.scale is None else np.interp(score, self.scale[place], _GRID)
                found[:, place] = known[np.minimum((rank * len(known)).astype(np.int64), len(known) - 1)]
        drawn = [
            column.drawn(bins[:, place], rng.uniform(keys, _IN_BIN + place))
            for place, column in enumerate(self.discrete)
        ]
        for nth, place in enumerate(self.gaps, 1):
            found[:, place] = np.where(drawn[nth] > 0.5, np.nan, found[:, place])
        codes = drawn[1 + len(self.gaps) :]
        named = np.column_stack(codes) if codes else np.zeros((len(keys), 0))
        return found, named.astype(np.int32), drawn[0]

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """All of it, to be stored."""
        held: dict[str, npt.NDArray[Any]] = {"rows": self.rows, "gaps": np.array(self.gaps, np.int64)}
        held |= {f"values_{place}": known for place, known in enumerate(self.values)}
        held |= {} if self.scale is None else {"scale": self.scale}
        held |= {} if self.lift is None else {"lift": self.lift}
        for place, column in enumerate(self.discrete):
            given = {name: getattr(column, name) for name in _PARTS}
            held |= {f"discrete_{place}_{name}": part for name, part in given.items() if part is not None}
        return held

    @classmethod
    def of(cls, held: Mapping[str, npt.NDArray[Any]]) -> Coding:
        """What `arrays` gave."""
        values = tuple(held[f"values_{place}"] for place in range(sum(name.startswith("values_") for name in held)))
        discrete = tuple(
            Column(*(held.get(f"discrete_{place}_{name}") for name in _PARTS))  # type: ignore[arg-type]
            for place in range(held["rows"].shape[1])
        )
        gaps = tuple(int(place) for place in held["gaps"])
        return cls(values, discrete, gaps, held["rows"], held.get("scale"), held.get("lift"))


def _flags(rows: Samples, gaps: tuple[int, ...]) -> list[Floats]:
    """The label as 0 and 1, and for each number column with gaps whether a cell is missing."""
    hard = (rows.label > 0.5).astype(np.float64)
    return [hard, *(np.isnan(rows.numbers[:, place]).astype(np.float64) for place in gaps)]


def normal(keys: Keys, first: int, count: int) -> Floats:
    """float64 (rows, count): numbers of the bell curve, draws first .. first + count - 1 of each key."""
    from scipy.special import ndtri

    draws = [rng.uniform(keys, first + place) for place in range(count)]
    return np.asarray(ndtri(np.clip(np.column_stack(draws), 1e-12, 1 - 1e-12)), np.float64)


def from_rows(coding: Coding, keys: Keys, draw: int) -> Ints:
    """int64 (rows, discrete columns): the bins of a training row, drawn for each key."""
    place = (rng.uniform(keys, draw) * len(coding.rows)).astype(np.int64)
    return np.asarray(coding.rows[np.minimum(place, len(coding.rows) - 1)])
