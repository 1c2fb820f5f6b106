"""Which rows lie between a real one and its neighbours?"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.samples import Samples
from leaven.errors import FitError, MissingExtra, SpecError
from leaven.generators.tabular.row_schema import Keys, Layout, read, write

_FEWEST = 2  # rows of a class that neighbours can be looked for in


@dataclass(frozen=True)
class Smote:
    """The config for SMOTE-NC: numbers between a row and one of its neighbours, names as most neighbours have them
    (Chawla and others, 2002, section 6.1; imbalanced-learn).

    neighbours  that a row is mixed with, fewer where its class has fewer rows
    pool        how many rows are made when it is fitted, for each real row; a made row is one of them, drawn by its key

    Missing numbers are the column's median on the way, and missing again where most neighbours lack them. Columns of
    whole numbers stay whole.
    """

    neighbours: int = 5
    pool: float = 2.0

    def __post_init__(self) -> None:
        for name in ("neighbours", "pool"):
            if not getattr(self, name) > 0:
                raise SpecError(f"smote.{name}", "more than 0", str(getattr(self, name)), "")

    def fit(self, train: Samples, key: int) -> SmoteTable:
        """Makes the pool.

        Raises FitError for no rows, for no number column, and for a class of fewer than two rows; MissingExtra without
        imbalanced-learn.
        """
        layout = Layout.of(train, "smote")
        train = train.take(np.argsort(train.keys, kind="stable"))
        if not train.numeric:
            raise FitError("smote.fit", "at least one number column", "none", "take any_order or marginals")
        made, label = self._resampled(train, rng.key(key, "smote") % 2**32)
        wide = len(train.numeric)
        whole = _whole(train)
        numbers = np.where(whole, np.round(made[:, :wide]), made[:, :wide])
        gaps = _gaps(train)
        numbers[:, gaps] = np.where(made[:, wide : wide + len(gaps)] > 0.5, np.nan, numbers[:, gaps])
        codes = made[:, wide + len(gaps) :].astype(np.int32)
        negatives, share = int((label <= 0.5).sum()), float((train.label > 0.5).mean())
        return SmoteTable(self, layout, numbers, codes, negatives, share)

    def _resampled(self, train: Samples, seed: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """(rows of the pool: numbers, flags of gaps, codes; their labels), those of class 0 first."""
        try:
            from imblearn.over_sampling import SMOTE, SMOTENC
        except ImportError:
            raise MissingExtra("imbalanced-learn", "clicks") from None
        hard = (train.label > 0.5).astype(np.int64)
        counts = np.bincount(hard, minlength=2)
        if counts[counts > 0].min() < _FEWEST:
            raise FitError("smote.fit", f"{_FEWEST} rows of a class or more", str(counts.tolist()), "take any_order")
        gaps, wide = _gaps(train), len(train.numeric)
        spread = np.nan_to_num(np.nanstd(train.numbers, axis=0))
        spread = np.where(spread > 0, spread, 1.0)
        middle = np.array([np.nanmedian(c) if (~np.isnan(c)).any() else 0.0 for c in train.numbers.T])
        numbers = np.where(np.isnan(train.numbers), middle, train.numbers) / spread
        flags = np.isnan(train.numbers[:, gaps]).astype(np.float64)
        features = np.column_stack([numbers, flags, train.codes])
        parts, labels = [], []
        for one in np.flatnonzero(counts):
            wanted = {int(one): int(counts[one] + max(round(self.pool * counts[one]), 1))}
            near = min(self.neighbours, int(counts[one]) - 1)
            names = list(range(wide, features.shape[1]))
            fields = {"sampling_strategy": wanted, "random_state": seed, "k_neighbors": near}
            maker = SMOTENC(categorical_features=names, **fields) if names else SMOTE(**fields)
            # a second class has to be there: one row of it where all are alike
            rows, mine = _with_other(features, hard, int(one))
            made, told = maker.fit_resample(rows, mine)
            fresh = np.asarray(made)[len(rows) :]
            parts.append(fresh[np.asarray(told)[len(rows) :] == one])
            labels.append(np.full(len(parts[-1]), float(one)))
        found = np.concatenate(parts)
        found[:, :wide] *= spread
        return found, np.concatenate(labels)

    @classmethod
    def load(cls, folder: Path) -> SmoteTable:
        """What `save` wrote; DataError where it is not there."""
        held, said = read(folder, "smote")
        layout = Layout.from_said(said["layout"])
        return SmoteTable(
            cls(**said["config"]), layout, held["numbers"], held["codes"], said["negatives"], said["positive_share"]
        )


@dataclass(frozen=True, eq=False)
class SmoteTable:
    """The pool, negatives first, and how frequent positives are."""

    config: Smote
    layout: Layout
    numbers: npt.NDArray[np.float64]
    codes: npt.NDArray[np.int32]
    negatives: int
    positive_share: float

    def sample(self, keys: Keys) -> Samples:
        """One row a key: its label, then a row of the pool that has it."""
        positive = rng.uniform(keys, 0) < self.positive_share
        low = np.where(positive, self.negatives, 0)
        high = np.where(positive, len(self.numbers), self.negatives)
        place = np.minimum(low + (rng.uniform(keys, 1) * (high - low)).astype(np.int64), high - 1)
        return self.layout.made(self.numbers[place], self.codes[place], positive.astype(np.float32), keys)

    def save(self, folder: Path) -> None:
        """The pool as arrays, the rest as JSON."""
        arrays: dict[str, npt.NDArray[Any]] = {"numbers": self.numbers, "codes": self.codes}
        said = {"config": asdict(self.config), "layout": self.layout.said()}
        write(folder, "smote", arrays, said | {"negatives": self.negatives, "positive_share": self.positive_share})


def _gaps(train: Samples) -> npt.NDArray[np.int64]:
    """int64: the number columns with missing cells."""
    return np.flatnonzero(np.isnan(train.numbers).any(axis=0))


def _whole(train: Samples) -> npt.NDArray[np.bool_]:
    """bool (numbers,): columns whose known values are all whole."""
    return np.asarray((np.isnan(train.numbers) | (train.numbers == np.round(train.numbers))).all(axis=0))


def _with_other(
    features: npt.NDArray[np.float64], hard: npt.NDArray[np.int64], one: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """The rows and their classes; where only one class is there, its first row stands for the other too."""
    if (hard != one).any():
        return features, hard
    return np.concatenate([features, features[:1]]), np.concatenate([hard, [1 - one]])
