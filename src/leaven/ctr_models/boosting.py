"""How far do boosted trees get, which practitioners try first?"""

from __future__ import annotations

import json
import pickle
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven.ctr_models.encoding import Encoding, hard, learned_from, no_steps
from leaven.datasets.samples import Samples
from leaven.errors import DataError, MissingExtra, SpecError
from leaven.protocols import Training

_FILE, _TREES = "boosting.json", "boosting.pickle"


@dataclass(frozen=True)
class Boosting:
    """The wish for histogram boosting (scikit-learn; after LightGBM, NeurIPS 2017).

    rounds         trees at most; with rows to validate on, as few of them as do best there
    learning_rate  of each tree's part
    leaves         of a tree; fewest_rows: of a leaf
    l2             held-back leaves
    most_levels    of a category column that may be split by name; the rarer ones are unknown (254 at most)

    Missing numbers go their own way at each split; nothing is filled in.
    """

    rounds: int = 400
    learning_rate: float = 0.06
    leaves: int = 31
    fewest_rows: int = 40
    l2: float = 1.0
    most_levels: int = 120

    def __post_init__(self) -> None:
        if not 1 <= self.most_levels <= 254:
            raise SpecError("boosting.most_levels", "1 to 254", str(self.most_levels), "")
        if self.rounds < 1 or not self.learning_rate > 0 or self.leaves < 2:
            raise SpecError("boosting", "1 round, a rate above 0, 2 leaves, or more", str(asdict(self)), "")

    def fit(self, train: Samples, training: Training) -> BoostingModel:
        """Trees on the rows; the number of rounds is chosen on `training.valid` where it is given.

        Raises FitError for one class only; MissingExtra without scikit-learn.
        """
        try:
            from sklearn.ensemble import HistGradientBoostingClassifier
        except ModuleNotFoundError:
            raise MissingExtra("scikit-learn", "clicks") from None
        rows = learned_from(train, training)
        encoding = Encoding.fit(train, 1, self.most_levels)
        row, kind, weight = hard(rows)
        trees = HistGradientBoostingClassifier(
            max_iter=self.rounds,
            learning_rate=self.learning_rate,
            max_leaf_nodes=self.leaves,
            min_samples_leaf=self.fewest_rows,
            l2_regularization=self.l2,
            categorical_features=_is_category(encoding),
            early_stopping=False,
            random_state=int(training.key % 2**31),
        )
        trees.fit(_matrix(encoding, rows)[row], kind, sample_weight=weight)
        return BoostingModel(self, encoding, trees, _best_rounds(trees, encoding, training.valid, self.rounds))

    steps = no_steps

    @classmethod
    def load(cls, folder: Path) -> BoostingModel:
        """What `save` wrote. The trees are a pickle: load only what you wrote yourself.

        Raises DataError where it is not there.
        """
        if not (folder / _FILE).is_file() or not (folder / _TREES).is_file():
            raise DataError(str(folder), "a fitted boosting model", "none", "fit it again")
        said = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        trees = pickle.loads((folder / _TREES).read_bytes())
        return BoostingModel(cls(**said["wish"]), Encoding.of(said["encoding"]), trees, said["rounds"])


@dataclass(frozen=True, eq=False)
class BoostingModel:
    """trees: scikit-learn's; rounds: how many of them answer."""

    wish: Boosting
    encoding: Encoding
    trees: Any
    rounds: int

    def predict(self, rows: Samples) -> npt.NDArray[np.float64]:
        """float64 (rows,) in 0..1."""
        return _after(self.trees, _matrix(self.encoding, rows), self.rounds)

    def save(self, folder: Path) -> None:
        """The trees as a pickle, the rest as JSON; each written beside and renamed."""
        folder.mkdir(parents=True, exist_ok=True)
        said = {"wish": asdict(self.wish), "encoding": self.encoding.said(), "rounds": self.rounds}
        for name, data in ((_TREES, pickle.dumps(self.trees)), (_FILE, json.dumps(said).encode())):
            part = folder / f"{name}.part"
            part.write_bytes(data)
            part.replace(folder / name)


def _is_category(encoding: Encoding) -> npt.NDArray[np.bool_]:
    return np.repeat([False, True], [len(encoding.numeric), len(encoding.categorical)])


def _matrix(encoding: Encoding, rows: Samples) -> npt.NDArray[np.float64]:
    """float64 (rows, columns): numbers as they are, NaN where missing; codes as numbers."""
    numbers = [rows.number(name) for name in encoding.numeric]
    codes = encoding.codes(rows)
    return np.column_stack([*numbers, codes.astype(np.float64)])


def _best_rounds(trees: Any, encoding: Encoding, valid: Samples | None, most: int) -> int:
    """The number of rounds with the smallest log loss on the rows to validate on; all where there are none."""
    if valid is None or not len(valid):
        return most
    label = valid.label.astype(np.float64)
    losses = []
    for answer in trees.staged_predict_proba(_matrix(encoding, valid)):
        chance = np.clip(answer[:, 1], 1e-7, 1 - 1e-7)
        losses.append(-(label * np.log(chance) + (1 - label) * np.log(1 - chance)).mean())
    return int(np.argmin(losses)) + 1


def _after(trees: Any, matrix: npt.NDArray[np.float64], rounds: int) -> npt.NDArray[np.float64]:
    """What the first so many rounds answer."""
    for done, answer in enumerate(trees.staged_predict_proba(matrix), 1):
        if done == rounds:
            return np.asarray(answer[:, 1], np.float64)
    return np.asarray(trees.predict_proba(matrix)[:, 1], np.float64)
