"""How far do columns with pairwise correlations get?"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.samples import Samples
from leaven.errors import SpecError
from leaven.generators.tabular.row_schema import Keys, Layout, read, write

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Copula:
    """The config for a Gaussian copula: every column by its own law, all tied together by correlations of normal scores.

    shrink  how far the correlations are pulled towards 0, which keeps them a covariance

    Categories are ordered by how frequent they are, missing cells are the lowest value, and equal values share their
    part of the scale by lot (Rüschendorf's distributional transform, 2009). The label is a column like the others.
    """

    shrink: float = 0.001

    def __post_init__(self) -> None:
        if not 0 <= self.shrink <= 1:
            raise SpecError("copula.shrink", "0..1", str(self.shrink), "")

    def fit(self, train: Samples, key: int) -> CopulaTable:
        """Learns sorted columns and correlations; FitError for no rows."""
        from scipy.special import ndtri

        layout = Layout.of(train, "copula")
        train = train.take(np.argsort(train.keys, kind="stable"))
        columns, ranks = _ordered(train)
        own = rng.row_keys(key, train.keys)
        scores = np.empty(columns.shape)
        for place in range(columns.shape[1]):
            low = np.searchsorted(columns[:, place], ranks[:, place], "left")
            high = np.searchsorted(columns[:, place], ranks[:, place], "right")
            share = (low + rng.uniform(own, place) * (high - low)) / len(train)
            scores[:, place] = ndtri(np.clip(share, 1e-6, 1 - 1e-6))
        spread = np.corrcoef(scores, rowvar=False) if len(train) > 1 else np.eye(columns.shape[1])
        spread = (1 - self.shrink) * np.nan_to_num(np.atleast_2d(spread)) + self.shrink * np.eye(columns.shape[1])
        np.fill_diagonal(spread, 1.0)
        return CopulaTable(self, layout, columns, np.linalg.cholesky(spread).astype(np.float64), _by_frequency(train))

    @classmethod
    def load(cls, folder: Path) -> CopulaTable:
        """What `save` wrote; DataError where it is not there."""
        held, said = read(folder, "copula")
        layout = Layout.from_said(said["layout"])
        orders = [held[f"order_{place}"] for place in range(len(layout.categorical))]
        return CopulaTable(cls(**said["config"]), layout, held["columns"], held["root"], orders)


@dataclass(frozen=True, eq=False)
class CopulaTable:
    """columns float64 (training rows, columns): label, numbers, ranks of categories, each sorted; root float64
    (columns, columns): Cholesky factor of the correlations; orders: for each category column, the code of each rank."""

    config: Copula
    layout: Layout
    columns: Values
    root: Values
    orders: list[npt.NDArray[np.int32]]

    def sample(self, keys: Keys) -> Samples:
        """One row a key."""
        from scipy.special import ndtr, ndtri

        wide = self.columns.shape[1]
        draws = np.column_stack([rng.uniform(keys, place) for place in range(wide)])
        # a sum in a fixed order, row by row: a matrix product could differ in the last bit with the batch
        normal = ndtri(np.clip(draws, 1e-12, 1 - 1e-12))
        scores = np.zeros((len(keys), wide))
        for place in range(wide):
            scores += normal[:, place, None] * self.root[None, :, place]
        rank = np.minimum((ndtr(scores) * len(self.columns)).astype(np.int64), len(self.columns) - 1)
        values = np.take_along_axis(self.columns, rank, axis=0)
        numbers_end = 1 + len(self.layout.numeric)
        numbers = np.where(np.isneginf(values[:, 1:numbers_end]), np.nan, values[:, 1:numbers_end])
        codes = np.empty((len(keys), len(self.layout.categorical)), np.int32)
        for place, order in enumerate(self.orders):
            codes[:, place] = order[values[:, numbers_end + place].astype(np.int64)]
        return self.layout.made(numbers, codes, values[:, 0].astype(np.float32), keys)

    def save(self, folder: Path) -> None:
        """Arrays, and the rest as JSON."""
        orders = {f"order_{place}": order for place, order in enumerate(self.orders)}
        arrays: dict[str, npt.NDArray[Any]] = {"columns": self.columns, "root": self.root, **orders}
        write(folder, "copula", arrays, {"config": asdict(self.config), "layout": self.layout.said()})


def _by_frequency(train: Samples) -> list[npt.NDArray[np.int32]]:
    """For each category column: the codes, the rarest first."""
    orders = []
    for place, name in enumerate(train.categorical):
        counts = np.bincount(train.codes[:, place], minlength=len(train.levels[name]) + 1)
        orders.append(np.argsort(counts, kind="stable").astype(np.int32))
    return orders


def _ordered(train: Samples) -> tuple[Values, Values]:
    """(each column sorted, each column as it is): label, numbers with missing lowest, ranks of categories."""
    parts = [train.label.astype(np.float64)]
    parts += [np.where(np.isnan(column), -np.inf, column) for column in train.numbers.T]
    for place, order in enumerate(_by_frequency(train)):
        rank = np.empty(len(order))
        rank[order] = np.arange(len(order))
        parts.append(rank[train.codes[:, place]])
    ranks = np.column_stack(parts)
    return np.sort(ranks, axis=0), ranks
