"""A popularity baseline for click prediction."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from leaven.ctr_models.encoding import count_no_steps, select_training_rows
from leaven.datasets.samples import Samples
from leaven.errors import DataError, SpecError
from leaven.protocols import TrainingContext
from leaven.storage import replace_text

_FILE = "popularity.json"


@dataclass(frozen=True)
class PopularItem:
    """Config of a predictor from one column: the recent popularity of the item.

    column  a numeric column, the popularity of the item at that time
    groups  number of groups of about equal size; the prediction is the share of positives in the training rows
    prior   number of rows with the average share that are added to each group

    A baseline for all other models.
    """

    column: str = "item_events_30d"
    groups: int = 50
    prior: float = 10.0

    def __post_init__(self) -> None:
        if self.groups < 1 or self.prior < 0:
            raise SpecError("popularity", "1 group or more, a prior of 0 or more", f"{self.groups}, {self.prior}", "")

    def fit(self, train: Samples, training: TrainingContext) -> PopularItemModel:
        """Fits the share of positives of each group; rows without a value are a group of their own.

        Raises FitError for one class only; DataError for a missing column.
        """
        rows = select_training_rows(train, training)
        values, weight = rows.numeric_column(self.column), rows.weight.astype(np.float64)
        known = values[~np.isnan(values)]
        cuts = np.unique(np.quantile(known, np.linspace(0, 1, self.groups + 1)[1:-1])) if len(known) else np.zeros(0)
        group = _assign_groups(values, cuts)
        mean = float((rows.label * weight).sum() / weight.sum())
        total = np.bincount(group, weights=weight, minlength=len(cuts) + 2)
        positive = np.bincount(group, weights=weight * rows.label, minlength=len(cuts) + 2)
        share = (positive + self.prior * mean) / np.maximum(total + self.prior, 1e-9)
        return PopularItemModel(self, cuts, np.where(total + self.prior > 0, share, mean))

    steps = count_no_steps

    @classmethod
    def load(cls, folder: Path) -> PopularItemModel:
        """Loads the file of `save`. Raises DataError for a missing file."""
        path = folder / _FILE
        if not path.is_file():
            raise DataError(str(path), "a fitted popularity model", "none", "fit it again")
        stored = json.loads(path.read_text(encoding="utf-8"))
        return PopularItemModel(cls(**stored["config"]), np.asarray(stored["cuts"]), np.asarray(stored["share"]))


@dataclass(frozen=True, eq=False)
class PopularItemModel:
    """share float64 (groups,): of positives; the last group is that of rows without a value."""

    config: PopularItem
    cuts: npt.NDArray[np.float64]
    share: npt.NDArray[np.float64]

    def predict(self, rows: Samples) -> npt.NDArray[np.float64]:
        """float64 (rows,) in 0..1: the share of the row's group."""
        found: npt.NDArray[np.float64] = self.share[_assign_groups(rows.numeric_column(self.config.column), self.cuts)]
        return found

    def save(self, folder: Path) -> None:
        """Writes one JSON file, replaced atomically."""
        stored = {"config": asdict(self.config), "cuts": self.cuts.tolist(), "share": self.share.tolist()}
        replace_text(folder / _FILE, json.dumps(stored))


def _assign_groups(values: npt.NDArray[np.float64], cuts: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    group = np.searchsorted(cuts, np.nan_to_num(values), side="right")
    return np.where(np.isnan(values), len(cuts) + 1, group)
