"""Logistic regression for click prediction."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from leaven.ctr_models.encoding import FeatureEncoding, count_no_steps, harden_labels, select_training_rows
from leaven.datasets.samples import Samples
from leaven.errors import DataError, MissingExtra, SpecError
from leaven.protocols import TrainingContext
from leaven.storage import replace_text

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_FILE = "logistic.json"


@dataclass(frozen=True)
class Logistic:
    """Config of logistic regression: standardized numbers, one weight per category (scikit-learn, L2).

    inverse_regularization  inverse of the regularization, scikit-learn's C: smaller values shrink the weights more
    min_rows                a category with fewer training rows is unknown
    max_levels              maximum number of categories of a column; rarer ones are unknown
    """

    inverse_regularization: float = 1.0
    min_rows: int = 5
    max_levels: int = 2000

    def __post_init__(self) -> None:
        if not self.inverse_regularization > 0 or self.min_rows < 1 or self.max_levels < 1:
            raise SpecError("logistic", "numbers above 0", str(asdict(self)), "")

    def fit(self, train: Samples, training: TrainingContext) -> LogisticModel:
        """Fits the weights.

        Raises FitError for one class only; MissingExtra without scikit-learn.
        """
        try:
            from sklearn.linear_model import LogisticRegression
        except ModuleNotFoundError:
            raise MissingExtra("scikit-learn", "ctr") from None
        rows = select_training_rows(train, training)
        encoding = FeatureEncoding.fit(train, self.min_rows, self.max_levels)
        labels = harden_labels(rows)
        model = LogisticRegression(C=self.inverse_regularization, max_iter=500, tol=1e-4)
        model.fit(_build_matrix(encoding, rows)[labels.row], labels.label, sample_weight=labels.weight)
        return LogisticModel(self, encoding, model.coef_[0], float(model.intercept_[0]))

    steps = count_no_steps

    @classmethod
    def load(cls, folder: Path) -> LogisticModel:
        """Loads the file of `save`. Raises DataError for a missing file."""
        path = folder / _FILE
        if not path.is_file():
            raise DataError(str(path), "a fitted logistic model", "none", "fit it again")
        stored = json.loads(path.read_text(encoding="utf-8"))
        weights = np.asarray(stored["weights"])
        return LogisticModel(
            cls(**stored["config"]), FeatureEncoding.from_json(stored["encoding"]), weights, stored["bias"]
        )


@dataclass(frozen=True, eq=False)
class LogisticModel:
    """weights float64 (numbers and categories,): one per column of `_build_matrix`; bias: the intercept."""

    config: Logistic
    encoding: FeatureEncoding
    weights: npt.NDArray[np.float64]
    bias: float

    def predict(self, rows: Samples) -> npt.NDArray[np.float64]:
        """float64 (rows,) in 0..1."""
        from scipy.special import expit

        return np.asarray(expit(_build_matrix(self.encoding, rows) @ self.weights + self.bias), np.float64)

    def save(self, folder: Path) -> None:
        """Writes one JSON file, replaced atomically."""
        stored = {"config": asdict(self.config), "encoding": self.encoding.to_json()}
        replace_text(folder / _FILE, json.dumps({**stored, "weights": self.weights.tolist(), "bias": self.bias}))


def _build_matrix(encoding: FeatureEncoding, rows: Samples) -> csr_matrix:
    """Sparse (rows, numbers and categories): a column for each number, then one for each category and "unknown"."""
    from scipy import sparse

    parts = [sparse.csr_matrix(encoding.encode_numbers(rows).astype(np.float64))]
    codes = encoding.encode_categories(rows)
    for index, name in enumerate(encoding.categorical):
        shape = (len(rows), len(encoding.levels[name]) + 1)
        ones = np.ones(len(rows))
        parts.append(sparse.csr_matrix((ones, (np.arange(len(rows)), codes[:, index])), shape=shape))
    return sparse.hstack(parts, format="csr")
