"""SMOTE-NC generator of feature rows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.samples import Samples
from leaven.errors import FitError, MissingExtra
from leaven.field_checks import check_positive
from leaven.generators.tabular.row_schema import RowSchema
from leaven.protocols import OperatorTraits, RngKeys
from leaven.storage import Arrays, load_arrays, save_arrays

_MIN_ROWS = 2  # rows of a class, for a neighbor


@dataclass(frozen=True)
class Smote:
    """Generates rows with SMOTE-NC: numbers interpolated towards a neighbor, majority categories of the neighbors
    (Chawla and others, 2002, section 6.1; imbalanced-learn).

    n_neighbors  number of neighbors, fewer for smaller classes
    pool_ratio   synthetic rows created by `fit` for each real row; `sample` draws among them

    Missing numbers are imputed with the median for interpolation, and missing again where most neighbors lack them.
    Integer columns stay integer.
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("smote", role="generator")
    n_neighbors: int = 5
    pool_ratio: float = 2.0

    def __post_init__(self) -> None:
        check_positive("smote", self, ("n_neighbors", "pool_ratio"))

    def fit(self, train: Samples, key: int) -> FittedSmote:
        """Creates the pool.

        Raises FitError for no rows, no numeric column, or a class of fewer than two rows; MissingExtra without
        imbalanced-learn.
        """
        schema = RowSchema.from_samples(train, "smote")
        train = train.take(np.argsort(train.row_ids, kind="stable"))
        if not train.numeric:
            raise FitError("smote.fit", "at least one numeric column", "none", "use order_agnostic or marginals")
        pool, label = self._resample(train, rng.derive_key(key, "smote") % 2**32)
        wide = len(train.numeric)
        is_integer = (np.isnan(train.numbers) | (train.numbers == np.round(train.numbers))).all(axis=0)
        numbers = np.where(is_integer, np.round(pool[:, :wide]), pool[:, :wide])
        gaps = _find_gaps(train)
        numbers[:, gaps] = np.where(pool[:, wide : wide + len(gaps)] > 0.5, np.nan, numbers[:, gaps])
        codes = pool[:, wide + len(gaps) :].astype(np.int32)
        negatives, share = int((label <= 0.5).sum()), float((train.label > 0.5).mean())
        return FittedSmote(self, schema, numbers, codes, negatives, share)

    def _resample(self, train: Samples, seed: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Returns the rows of the pool (numbers, missing flags, codes) and their labels, class 0 first."""
        try:
            from imblearn.over_sampling import SMOTE, SMOTENC
        except ImportError:
            raise MissingExtra("imbalanced-learn", "ctr") from None
        hard = (train.label > 0.5).astype(np.int64)
        counts = np.bincount(hard, minlength=2)
        if counts[counts > 0].min() < _MIN_ROWS:
            raise FitError(
                "smote.fit", f"{_MIN_ROWS} rows of a class or more", str(counts.tolist()), "use order_agnostic"
            )
        gaps, wide = _find_gaps(train), len(train.numeric)
        spread = np.nan_to_num(np.nanstd(train.numbers, axis=0))
        spread = np.where(spread > 0, spread, 1.0)
        middle = np.array([np.nanmedian(c) if (~np.isnan(c)).any() else 0.0 for c in train.numbers.T])
        numbers = np.where(np.isnan(train.numbers), middle, train.numbers) / spread
        flags = np.isnan(train.numbers[:, gaps]).astype(np.float64)
        features = np.column_stack([numbers, flags, train.codes])
        parts, labels = [], []
        for target in np.flatnonzero(counts):
            strategy = {int(target): int(counts[target] + max(round(self.pool_ratio * counts[target]), 1))}
            n_neighbors = min(self.n_neighbors, int(counts[target]) - 1)
            names = list(range(wide, features.shape[1]))
            fields = {"sampling_strategy": strategy, "random_state": seed, "k_neighbors": n_neighbors}
            sampler = SMOTENC(categorical_features=names, **fields) if names else SMOTE(**fields)
            rows, classes = _add_second_class(features, hard, int(target))
            resampled, resampled_classes = sampler.fit_resample(rows, classes)
            synthetic = np.asarray(resampled)[len(rows) :]
            parts.append(synthetic[np.asarray(resampled_classes)[len(rows) :] == target])
            labels.append(np.full(len(parts[-1]), float(target)))
        pool = np.concatenate(parts)
        pool[:, :wide] *= spread
        return pool, np.concatenate(labels)

    @classmethod
    def load(cls, folder: Path) -> FittedSmote:
        """Loads what `save` wrote. Raises DataError where it is missing."""
        arrays, facts = load_arrays(folder, "smote")
        schema = RowSchema.from_json(facts["schema"])
        return FittedSmote(
            cls(**facts["config"]),
            schema,
            arrays["numbers"],
            arrays["codes"],
            facts["negatives"],
            facts["positive_share"],
        )


@dataclass(frozen=True, eq=False)
class FittedSmote:
    """The pool, negatives first, and the share of positives."""

    config: Smote
    schema: RowSchema
    numbers: npt.NDArray[np.float64]
    codes: npt.NDArray[np.int32]
    n_negatives: int
    positive_share: float

    def sample(self, keys: RngKeys) -> Samples:
        """Returns one row for each key: its label, then a random row of the pool with it."""
        positive = rng.draw_uniform(keys, 0) < self.positive_share
        low = np.where(positive, self.n_negatives, 0)
        high = np.where(positive, len(self.numbers), self.n_negatives)
        index = np.minimum(low + (rng.draw_uniform(keys, 1) * (high - low)).astype(np.int64), high - 1)
        return self.schema.build_samples(self.numbers[index], self.codes[index], positive.astype(np.float32), keys)

    def save(self, folder: Path) -> None:
        """Writes the pool as arrays, and the rest as JSON."""
        arrays: Arrays = {"numbers": self.numbers, "codes": self.codes}
        facts = {"config": asdict(self.config), "schema": self.schema.to_json()}
        save_arrays(
            folder, "smote", arrays, facts | {"negatives": self.n_negatives, "positive_share": self.positive_share}
        )


def _find_gaps(train: Samples) -> npt.NDArray[np.int64]:
    return np.flatnonzero(np.isnan(train.numbers).any(axis=0))


def _add_second_class(
    features: npt.NDArray[np.float64], classes: npt.NDArray[np.int64], target: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Returns the rows and their classes; a single class gets its first row as the other, which the sampler needs."""
    if (classes != target).any():
        return features, classes
    return np.concatenate([features, features[:1]]), np.concatenate([classes, [1 - target]])
