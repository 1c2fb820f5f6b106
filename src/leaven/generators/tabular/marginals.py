"""Baseline generator that draws each column independently."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.samples import Samples
from leaven.generators.tabular.row_schema import RowSchema
from leaven.protocols import OperatorTraits, RngKeys
from leaven.storage import Arrays, load_arrays, save_arrays


@dataclass(frozen=True)
class Marginals:
    """Generates rows whose columns are drawn independently from the training rows, given the label.

    given_label  False: the label is independent too

    The baseline for tabular generators: right marginals, no dependence between columns.
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("marginals", role="generator")
    given_label: bool = True

    def fit(self, train: Samples, key: int) -> FittedMarginals:
        """Stores the columns of each class. Raises FitError for no rows."""
        schema = RowSchema.from_samples(train, "marginals")
        by_key = train.take(np.argsort(train.row_ids, kind="stable"))
        order = np.argsort(by_key.label > 0.5, kind="stable")
        classed = by_key.take(order)
        negatives = int((classed.label <= 0.5).sum())
        return FittedMarginals(self, schema, classed.numbers, classed.codes, classed.label, negatives)

    @classmethod
    def load(cls, folder: Path) -> FittedMarginals:
        """Loads what `save` wrote. Raises DataError where it is missing."""
        arrays, facts = load_arrays(folder, "marginals")
        schema = RowSchema.from_json(facts["schema"])
        return FittedMarginals(
            cls(**facts["config"]), schema, arrays["numbers"], arrays["codes"], arrays["label"], facts["negatives"]
        )


@dataclass(frozen=True, eq=False)
class FittedMarginals:
    """The training columns, negatives first."""

    config: Marginals
    schema: RowSchema
    numbers: npt.NDArray[np.float64]
    codes: npt.NDArray[np.int32]
    label: npt.NDArray[np.float32]
    n_negatives: int

    def sample(self, keys: RngKeys) -> Samples:
        """Returns one row for each key: its label, then each column from a random training row of that label."""
        rows = len(self.label)
        label = self.label[_draw_index(keys, 0, 0, rows)]
        positive = label > 0.5
        low = np.where(positive & self.config.given_label, self.n_negatives, 0)
        high = np.where(~positive & self.config.given_label, self.n_negatives, rows)
        numbers = np.empty((len(keys), self.numbers.shape[1]))
        codes = np.empty((len(keys), self.codes.shape[1]), np.int32)
        for column in range(self.numbers.shape[1]):
            numbers[:, column] = self.numbers[_draw_index(keys, column + 1, low, high), column]
        for column in range(self.codes.shape[1]):
            codes[:, column] = self.codes[_draw_index(keys, 1 + self.numbers.shape[1] + column, low, high), column]
        return self.schema.build_samples(numbers, codes, label, keys)

    def save(self, folder: Path) -> None:
        """Writes the columns as arrays, and the rest as JSON."""
        arrays: Arrays = {"numbers": self.numbers, "codes": self.codes, "label": self.label}
        facts = {"config": asdict(self.config), "schema": self.schema.to_json(), "negatives": self.n_negatives}
        save_arrays(folder, "marginals", arrays, facts)


def _draw_index(keys: RngKeys, draw: int, low: npt.ArrayLike, high: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Returns int64 (rows,): a random index in low..high - 1 for each key."""
    low, high = np.asarray(low), np.asarray(high)
    return np.asarray(
        np.minimum(low + (rng.draw_uniform(keys, draw) * (high - low)).astype(np.int64), high - 1), np.int64
    )
