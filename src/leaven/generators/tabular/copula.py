"""Gaussian copula generator of feature rows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.samples import Samples
from leaven.errors import SpecError
from leaven.generators.tabular.row_schema import RowSchema
from leaven.protocols import OperatorTraits, RngKeys
from leaven.storage import Arrays, load_arrays, save_arrays

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Copula:
    """Generates rows with a Gaussian copula: empirical marginals, and correlations of normal scores.

    shrink  shrinkage of the correlations towards 0, which keeps the matrix positive definite

    Categories are ordered by frequency, missing cells are the lowest value, and ties are broken at random
    (Rüschendorf's distributional transform, 2009). The label is one of the columns.
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("copula", role="generator")
    shrink: float = 0.001

    def __post_init__(self) -> None:
        if not 0 <= self.shrink <= 1:
            raise SpecError("copula.shrink", "0..1", str(self.shrink), "")

    def fit(self, train: Samples, key: int) -> FittedCopula:
        """Fits marginals and correlations. Raises FitError for no rows."""
        from scipy.special import ndtri

        schema = RowSchema.from_samples(train, "copula")
        train = train.take(np.argsort(train.row_ids, kind="stable"))
        columns, ranks = _sort_columns(train)
        own = rng.derive_row_keys(key, train.row_ids)
        scores = np.empty(columns.shape)
        for index in range(columns.shape[1]):
            low = np.searchsorted(columns[:, index], ranks[:, index], "left")
            high = np.searchsorted(columns[:, index], ranks[:, index], "right")
            share = (low + rng.draw_uniform(own, index) * (high - low)) / len(train)
            scores[:, index] = ndtri(np.clip(share, 1e-6, 1 - 1e-6))
        correlations = np.corrcoef(scores, rowvar=False) if len(train) > 1 else np.eye(columns.shape[1])
        correlations = (1 - self.shrink) * np.nan_to_num(np.atleast_2d(correlations)) + self.shrink * np.eye(
            columns.shape[1]
        )
        np.fill_diagonal(correlations, 1.0)
        return FittedCopula(
            self, schema, columns, np.linalg.cholesky(correlations).astype(np.float64), _order_by_frequency(train)
        )

    @classmethod
    def load(cls, folder: Path) -> FittedCopula:
        """Loads what `save` wrote. Raises DataError where it is missing."""
        arrays, facts = load_arrays(folder, "copula")
        schema = RowSchema.from_json(facts["schema"])
        orders = [arrays[f"order_{index}"] for index in range(len(schema.categorical))]
        return FittedCopula(cls(**facts["config"]), schema, arrays["columns"], arrays["root"], orders)


@dataclass(frozen=True, eq=False)
class FittedCopula:
    """A fitted copula.

    columns float64 (training rows, columns): label, numbers, category ranks, each sorted; root float64
    (columns, columns): Cholesky factor of the correlations; orders: code of each rank, for each category column.
    """

    config: Copula
    schema: RowSchema
    columns: Values
    root: Values
    orders: list[npt.NDArray[np.int32]]

    def sample(self, keys: RngKeys) -> Samples:
        """Returns one row for each key."""
        from scipy.special import ndtr, ndtri

        n_columns = self.columns.shape[1]
        draws = np.column_stack([rng.draw_uniform(keys, index) for index in range(n_columns)])
        # summed in a fixed order: a matrix product could differ in the last bit between batches
        normal = ndtri(np.clip(draws, 1e-12, 1 - 1e-12))
        scores = np.zeros((len(keys), n_columns))
        for index in range(n_columns):
            scores += normal[:, index, None] * self.root[None, :, index]
        rank = np.minimum((ndtr(scores) * len(self.columns)).astype(np.int64), len(self.columns) - 1)
        values = np.take_along_axis(self.columns, rank, axis=0)
        numbers_end = 1 + len(self.schema.numeric)
        numbers = np.where(np.isneginf(values[:, 1:numbers_end]), np.nan, values[:, 1:numbers_end])
        codes = np.empty((len(keys), len(self.schema.categorical)), np.int32)
        for index, order in enumerate(self.orders):
            codes[:, index] = order[values[:, numbers_end + index].astype(np.int64)]
        return self.schema.build_samples(numbers, codes, values[:, 0].astype(np.float32), keys)

    def save(self, folder: Path) -> None:
        """Writes arrays, and the rest as JSON."""
        orders = {f"order_{index}": order for index, order in enumerate(self.orders)}
        arrays: Arrays = {"columns": self.columns, "root": self.root, **orders}
        save_arrays(folder, "copula", arrays, {"config": asdict(self.config), "schema": self.schema.to_json()})


def _order_by_frequency(train: Samples) -> list[npt.NDArray[np.int32]]:
    """Returns the codes of each category column, rarest first."""
    orders = []
    for index, name in enumerate(train.categorical):
        counts = np.bincount(train.codes[:, index], minlength=len(train.levels[name]) + 1)
        orders.append(np.argsort(counts, kind="stable").astype(np.int32))
    return orders


def _sort_columns(train: Samples) -> tuple[Values, Values]:
    """Returns the sorted columns and the unsorted ones: label, numbers with missing lowest, category ranks."""
    parts = [train.label.astype(np.float64)]
    parts += [np.where(np.isnan(column), -np.inf, column) for column in train.numbers.T]
    for index, order in enumerate(_order_by_frequency(train)):
        rank = np.empty(len(order))
        rank[order] = np.arange(len(order))
        parts.append(rank[train.codes[:, index]])
    ranks = np.column_stack(parts)
    return np.sort(ranks, axis=0), ranks
