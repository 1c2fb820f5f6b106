"""How far does each column by itself get?"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.samples import Samples
from leaven.generators.tabular.row_schema import Keys, Layout, read, write


@dataclass(frozen=True)
class Marginals:
    """The config for rows whose columns are drawn one by one from the training rows, given the label.

    given_label  False: the label too is drawn by itself, and the rows say nothing about it

    The baseline that every generator of tables must beat: columns are right, nothing between them is.
    """

    given_label: bool = True

    def fit(self, train: Samples, key: int) -> MarginalTable:
        """Keeps each column of each class; FitError for no rows."""
        layout = Layout.of(train, "marginals")
        by_key = train.take(np.argsort(train.keys, kind="stable"))
        order = np.argsort(by_key.label > 0.5, kind="stable")
        classed = by_key.take(order)
        negatives = int((classed.label <= 0.5).sum())
        return MarginalTable(self, layout, classed.numbers, classed.codes, classed.label, negatives)

    @classmethod
    def load(cls, folder: Path) -> MarginalTable:
        """What `save` wrote; DataError where it is not there."""
        held, said = read(folder, "marginals")
        layout = Layout.from_said(said["layout"])
        return MarginalTable(
            cls(**said["config"]), layout, held["numbers"], held["codes"], held["label"], said["negatives"]
        )


@dataclass(frozen=True, eq=False)
class MarginalTable:
    """The training columns, negatives first."""

    config: Marginals
    layout: Layout
    numbers: npt.NDArray[np.float64]
    codes: npt.NDArray[np.int32]
    label: npt.NDArray[np.float32]
    negatives: int

    def sample(self, keys: Keys) -> Samples:
        """One row a key: its label, then each column from a training row of that label."""
        rows = len(self.label)
        label = self.label[_place(keys, 0, 0, rows)]
        positive = label > 0.5
        low = np.where(positive & self.config.given_label, self.negatives, 0)
        high = np.where(~positive & self.config.given_label, self.negatives, rows)
        numbers = np.empty((len(keys), self.numbers.shape[1]))
        codes = np.empty((len(keys), self.codes.shape[1]), np.int32)
        for column in range(self.numbers.shape[1]):
            numbers[:, column] = self.numbers[_place(keys, column + 1, low, high), column]
        for column in range(self.codes.shape[1]):
            codes[:, column] = self.codes[_place(keys, 1 + self.numbers.shape[1] + column, low, high), column]
        return self.layout.made(numbers, codes, label, keys)

    def save(self, folder: Path) -> None:
        """The columns as arrays, the rest as JSON."""
        arrays: dict[str, npt.NDArray[Any]] = {"numbers": self.numbers, "codes": self.codes, "label": self.label}
        said = {"config": asdict(self.config), "layout": self.layout.said(), "negatives": self.negatives}
        write(folder, "marginals", arrays, said)


def _place(keys: Keys, draw: int, low: npt.ArrayLike, high: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """int64 (rows,): a place in low..high - 1 for each key."""
    low, high = np.asarray(low), np.asarray(high)
    return np.asarray(np.minimum(low + (rng.uniform(keys, draw) * (high - low)).astype(np.int64), high - 1), np.int64)
