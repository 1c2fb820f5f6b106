"""Encodes labeled rows as the inputs of CTR models.

Fitted on the training rows only; columns and categories are matched by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven.ctr_models.imputation import FittedImputation, Imputation
from leaven.datasets.samples import Samples
from leaven.errors import DataError, FitError, suggest_name
from leaven.protocols import TrainingContext

_MAX_DEVIATIONS = 8.0  # numbers are clipped to it, so that outliers do not dominate
_MAX_SKEW = 2.0  # above it, the signed logarithm of 1 + |x| is used


@dataclass(frozen=True, eq=False)
class FeatureEncoding:
    """numeric, categorical: the columns used. levels: column -> categories with a code. imputation: of missing numbers.
    logged bool, center, scale float64 (numeric and indicators,): transform of each number. dropped_columns: unused
    column -> reason.
    """

    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    levels: Mapping[str, tuple[str, ...]]
    imputation: FittedImputation
    logged: npt.NDArray[np.bool_]
    center: npt.NDArray[np.float64]
    scale: npt.NDArray[np.float64]
    dropped_columns: Mapping[str, str]

    @classmethod
    def fit(cls, train: Samples, min_rows: int = 1, max_levels: int | None = None) -> FeatureEncoding:
        """Fits the encoding. Categories with fewer than `min_rows` rows, or beyond the `max_levels` most frequent,
        are unknown.

        Raises FitError without rows or without a column that varies.
        """
        if not len(train):
            raise FitError("CTR model", "training rows", "none", "")
        left_out = _find_uninformative(train)
        numeric = tuple(name for name in train.numeric if name not in left_out)
        categorical = tuple(name for name in train.categorical if name not in left_out)
        if not numeric and not categorical:
            raise FitError("CTR model", "a column that varies", f"{len(left_out)} that do not", "")
        chosen = _select_columns(train, numeric, categorical)
        filling = Imputation().fit(chosen)
        numbers = filling(chosen).numbers
        centered = numbers - numbers.mean(axis=0)
        spread = np.where(centered.std(axis=0) > 0, centered.std(axis=0), 1.0)
        logged: npt.NDArray[np.bool_] = np.abs(((centered / spread) ** 3).mean(axis=0)) > _MAX_SKEW
        scaled = _log_where(logged, numbers)
        scale = scaled.std(axis=0)
        levels = {name: _select_levels(chosen, index, min_rows, max_levels) for index, name in enumerate(categorical)}
        center = scaled.mean(axis=0)
        return cls(numeric, categorical, levels, filling, logged, center, np.where(scale > 0, scale, 1.0), left_out)

    @property
    def width(self) -> int:
        """Number of numeric inputs, with indicators of missing cells."""
        return len(self.center)

    def encode_numbers(self, rows: Samples) -> npt.NDArray[np.float32]:
        """float32 (rows, width): mean 0 and deviation 1 over the training rows, none missing.

        Raises DataError for a missing column.
        """
        numbers = self.imputation(_select_columns(rows, self.numeric, ())).numbers
        scaled = _log_where(self.logged, numbers)
        return np.clip((scaled - self.center) / self.scale, -_MAX_DEVIATIONS, _MAX_DEVIATIONS).astype(np.float32)

    def encode_categories(self, rows: Samples) -> npt.NDArray[np.int32]:
        """int32 (rows, categorical): indices in `levels`, from 1; 0 for missing, rare and unseen categories.

        Raises DataError for a missing column.
        """
        return _select_columns(rows, (), self.categorical).recode_levels(self.levels).codes

    def to_json(self) -> dict[str, object]:
        """A JSON-able dictionary, which `from_json` reads."""
        return {
            "numeric": self.numeric,
            "categorical": self.categorical,
            "levels": dict(self.levels),
            "imputation": {"values": dict(self.imputation.values), "indicators": self.imputation.indicator_columns},
            "logged": self.logged.tolist(),
            "center": self.center.tolist(),
            "scale": self.scale.tolist(),
            "dropped_columns": dict(self.dropped_columns),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> FeatureEncoding:
        """Reads the dictionary of `to_json`."""
        return cls(
            numeric=tuple(stored["numeric"]),
            categorical=tuple(stored["categorical"]),
            levels={name: tuple(levels) for name, levels in stored["levels"].items()},
            imputation=FittedImputation(
                dict(stored["imputation"]["values"]), tuple(stored["imputation"]["indicators"])
            ),
            logged=np.asarray(stored["logged"], bool),
            center=np.asarray(stored["center"], np.float64),
            scale=np.asarray(stored["scale"], np.float64),
            dropped_columns=dict(stored["dropped_columns"]),
        )


def select_training_rows(train: Samples, training: TrainingContext) -> Samples:
    """The rows on which a model without epochs is fitted: those half-way through training where they change.

    Raises FitError unless they have both classes.
    """
    rows: Samples = train if training.rows_for_epoch is None else training.rows_for_epoch(0, 0.5)
    check_two_classes(rows)
    return rows


def count_no_steps(config: object, train: Samples) -> None:
    """None: the model has no optimizer steps."""
    return


def check_two_classes(train: Samples) -> None:
    """Raises FitError unless the rows of positive weight have both classes."""
    label = train.label[train.weight > 0]
    if not len(label) or label.max() <= 0 or label.min() >= 1:
        got = "no rows" if not len(label) else f"label {float(label[0]):g} in all {len(label):,} rows"
        raise FitError("CTR model", "rows of both classes", got, "sample negatives, or add the other class")


@dataclass(frozen=True, eq=False)
class HardLabels:
    """Rows with labels 0 and 1: row int64 (index of a sample), label int64, weight float64, each (labels,)."""

    row: npt.NDArray[np.int64]
    label: npt.NDArray[np.int64]
    weight: npt.NDArray[np.float64]


def harden_labels(train: Samples) -> HardLabels:
    """Each soft label as two rows that share its weight, for models of labels 0 and 1."""
    rows = np.arange(len(train))
    label, weight = train.label.astype(np.float64), train.weight.astype(np.float64)
    row = np.concatenate([rows, rows])
    kind = np.repeat([1, 0], len(rows))
    share = np.concatenate([label * weight, (1 - label) * weight])
    keep = share > 0
    return HardLabels(row[keep], kind[keep], share[keep])


def _select_columns(rows: Samples, numeric: tuple[str, ...], categorical: tuple[str, ...]) -> Samples:
    for kind, wanted, known in (("numeric", numeric, rows.numeric), ("categorical", categorical, rows.categorical)):
        for name in wanted:
            if name not in known:
                raise DataError(
                    f"column {name!r}", f"a {kind} column, as in training", "none", suggest_name(name, known)
                )
    numbers = rows.numbers[:, [rows.numeric.index(name) for name in numeric]]
    codes = rows.codes[:, [rows.categorical.index(name) for name in categorical]]
    levels = {name: rows.levels[name] for name in categorical}
    return replace(rows, numeric=numeric, categorical=categorical, numbers=numbers, codes=codes, levels=levels)


def _find_uninformative(train: Samples) -> dict[str, str]:
    """Columns without information: name -> reason."""
    found = {}
    for index, name in enumerate(train.numeric):
        cells = train.numbers[:, index]
        known = cells[~np.isnan(cells)]
        if not len(known):
            found[name] = "all missing"
        elif len(known) == len(cells) and known.min() == known.max():
            found[name] = "constant"
    for index, name in enumerate(train.categorical):
        codes = train.codes[:, index]
        if codes.min() == codes.max():
            found[name] = "all missing" if codes.max() == 0 else "constant"
    return found


def _log_where(logged: npt.NDArray[np.bool_], numbers: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.where(logged, np.sign(numbers) * np.log1p(np.abs(numbers)), numbers)


def _select_levels(train: Samples, index: int, fewest_rows: int, most_levels: int | None) -> tuple[str, ...]:
    """The categories that get a code, in their own order."""
    name = train.categorical[index]
    counts = np.bincount(train.codes[:, index], minlength=len(train.levels[name]) + 1)[1:]
    order = np.argsort(-counts, kind="stable")[:most_levels]
    chosen = np.sort(order[counts[order] >= fewest_rows])
    return tuple(train.levels[name][code] for code in chosen)
