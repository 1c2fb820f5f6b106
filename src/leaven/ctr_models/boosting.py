"""Histogram gradient boosting of trees for click prediction."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven.ctr_models.encoding import FeatureEncoding, count_no_steps, harden_labels, select_training_rows
from leaven.datasets.samples import Samples
from leaven.errors import DataError, MissingExtra, SpecError
from leaven.protocols import TrainingContext
from leaven.storage import replace_file, replace_text

_FILE, _TREES = "boosting.json", "boosting.skops"
_TRUSTED = [
    "functools.partial",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.utils.validation.check_array",
]  # what scikit-learn keeps in a boosting model; skops refuses every other type


@dataclass(frozen=True)
class Boosting:
    """Config of histogram gradient boosting (scikit-learn; after LightGBM, NeurIPS 2017).

    rounds         maximum number of trees; with validation rows, the number with the smallest log loss there
    learning_rate  shrinkage of each tree
    max_leaves     maximum number of leaves of a tree
    min_rows       minimum number of rows of a leaf
    l2             regularization of the leaves
    max_levels     maximum number of categories of a column, up to 254; rarer ones are unknown

    Missing numbers have a branch of their own at each split; nothing is imputed.
    """

    rounds: int = 400
    learning_rate: float = 0.06
    max_leaves: int = 31
    min_rows: int = 40
    l2: float = 1.0
    max_levels: int = 120

    def __post_init__(self) -> None:
        if not 1 <= self.max_levels <= 254:
            raise SpecError("boosting.max_levels", "1 to 254", str(self.max_levels), "")
        if self.rounds < 1 or not self.learning_rate > 0 or self.max_leaves < 2:
            raise SpecError("boosting", "1 round, a rate above 0, 2 leaves, or more", str(asdict(self)), "")

    def fit(self, train: Samples, training: TrainingContext) -> BoostingModel:
        """Fits trees; the number of rounds is chosen on `training.valid` where it is given.

        Raises FitError for one class only; MissingExtra without scikit-learn.
        """
        try:
            from sklearn.ensemble import HistGradientBoostingClassifier
        except ModuleNotFoundError:
            raise MissingExtra("scikit-learn", "ctr") from None
        rows = select_training_rows(train, training)
        encoding = FeatureEncoding.fit(train, 1, self.max_levels)
        labels = harden_labels(rows)
        trees = HistGradientBoostingClassifier(
            max_iter=self.rounds,
            learning_rate=self.learning_rate,
            max_leaf_nodes=self.max_leaves,
            min_samples_leaf=self.min_rows,
            l2_regularization=self.l2,
            categorical_features=np.repeat([False, True], [len(encoding.numeric), len(encoding.categorical)]),
            early_stopping=False,
            random_state=int(training.key % 2**31),
        )
        trees.fit(_build_matrix(encoding, rows)[labels.row], labels.label, sample_weight=labels.weight)
        return BoostingModel(self, encoding, trees, _choose_rounds(trees, encoding, training.validation, self.rounds))

    steps = count_no_steps

    @classmethod
    def load(cls, folder: Path) -> BoostingModel:
        """Loads the files of `save`. Raises DataError for a missing file and for one that holds other types."""
        from skops.io import load
        from skops.io.exceptions import UntrustedTypesFoundException

        if not (folder / _FILE).is_file() or not (folder / _TREES).is_file():
            raise DataError(str(folder), "a fitted boosting model", "none", "fit it again")
        stored = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        try:
            trees = load(folder / _TREES, trusted=_TRUSTED)
        except UntrustedTypesFoundException as error:
            raise DataError(
                str(folder / _TREES), "the trees of a boosting model", str(error), "fit it again"
            ) from error
        return BoostingModel(
            cls(**stored["config"]), FeatureEncoding.from_json(stored["encoding"]), trees, stored["rounds"]
        )


@dataclass(frozen=True, eq=False)
class BoostingModel:
    """trees: scikit-learn's; rounds: the number of trees that predict."""

    config: Boosting
    encoding: FeatureEncoding
    trees: Any
    rounds: int

    def predict(self, rows: Samples) -> npt.NDArray[np.float64]:
        """float64 (rows,) in 0..1."""
        matrix = _build_matrix(self.encoding, rows)
        for done, predicted in enumerate(self.trees.staged_predict_proba(matrix), 1):
            if done == self.rounds:
                return np.asarray(predicted[:, 1], np.float64)
        return np.asarray(self.trees.predict_proba(matrix)[:, 1], np.float64)

    def save(self, folder: Path) -> None:
        """Writes the trees in skops' format (no pickle), the rest as JSON; each file is replaced atomically."""
        from skops.io import dump

        stored = {"config": asdict(self.config), "encoding": self.encoding.to_json(), "rounds": self.rounds}
        with replace_file(folder / _TREES) as part:
            dump(self.trees, part)
        replace_text(folder / _FILE, json.dumps(stored))


def _build_matrix(encoding: FeatureEncoding, rows: Samples) -> npt.NDArray[np.float64]:
    """float64 (rows, columns): numbers unchanged, NaN where missing; codes as numbers."""
    numbers = [rows.numeric_column(name) for name in encoding.numeric]
    codes = encoding.encode_categories(rows)
    return np.column_stack([*numbers, codes.astype(np.float64)])


def _choose_rounds(trees: Any, encoding: FeatureEncoding, valid: Samples | None, max_rounds: int) -> int:
    """The number of rounds with the smallest log loss on the validation rows; all rounds without such rows."""
    if valid is None or not len(valid):
        return max_rounds
    label = valid.label.astype(np.float64)
    losses = []
    for predicted in trees.staged_predict_proba(_build_matrix(encoding, valid)):
        p = np.clip(predicted[:, 1], 1e-7, 1 - 1e-7)
        losses.append(-(label * np.log(p) + (1 - label) * np.log(1 - p)).mean())
    return int(np.argmin(losses)) + 1
