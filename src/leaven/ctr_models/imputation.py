"""Imputation of missing numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import numpy as np

from leaven.datasets.samples import Samples
from leaven.errors import SpecError, suggest_name

Rule = Literal["median", "mean", "zero", "smallest", "largest"]
_SUFFIX = "_is_missing"


@dataclass(frozen=True)
class Imputation:
    """Config of imputation: a rule for numeric columns, exceptions for some, and indicator columns.

    Missing categories need no rule: "unknown" has a separate code.

    >>> rows = Samples.from_lists({"price": [1.0, None, 4.0]}, label=[1, 0, 0])
    >>> filled = Imputation(columns={"price": "mean"}).fit(rows)(rows)
    >>> filled.numeric, filled.numbers.tolist()
    (('price', 'price_is_missing'), [[1.0, 0.0], [2.5, 1.0], [4.0, 0.0]])

    Raises SpecError for an unknown rule.
    """

    rule: Rule = "median"
    columns: Mapping[str, Rule] = field(default_factory=dict)
    indicators: bool = True

    def __post_init__(self) -> None:
        for where, rule in {"rule": self.rule, **self.columns}.items():
            if rule not in get_args(Rule):
                fix = suggest_name(str(rule), get_args(Rule))
                raise SpecError(f"missing.{where}", "a known rule", repr(rule), fix)

    def fit(self, train: Samples) -> FittedImputation:
        """Fits the values on the training rows. Raises SpecError for a rule of a missing column."""
        for name in self.columns:
            if name not in train.numeric:
                raise SpecError(f"missing.{name}", "a numeric column", "none", suggest_name(name, train.numeric))
        values = {
            name: _compute_value(train.numeric_column(name), self.columns.get(name, self.rule))
            for name in train.numeric
        }
        missing = np.isnan(train.numbers).sum(axis=0).tolist()
        marked = tuple(name for name, count in zip(train.numeric, missing, strict=True) if count and self.indicators)
        return FittedImputation(values, marked)


@dataclass(frozen=True)
class FittedImputation:
    """values: column -> value of its missing cells. indicator_columns: columns with missing cells in training."""

    values: Mapping[str, float]
    indicator_columns: tuple[str, ...]

    def __call__(self, rows: Samples) -> Samples:
        """The rows without missing numbers, and a 0/1 indicator column for each of `indicator_columns`."""
        missing = np.isnan(rows.numbers)
        values = np.array([self.values[name] for name in rows.numeric])
        marks = [missing[:, rows.numeric.index(name)].astype(np.float64) for name in self.indicator_columns]
        numbers = np.column_stack([np.where(missing, values, rows.numbers), *marks])
        return replace(
            rows, numbers=numbers, numeric=(*rows.numeric, *(name + _SUFFIX for name in self.indicator_columns))
        )


def _compute_value(cells: np.ndarray[tuple[int], np.dtype[np.float64]], rule: Rule) -> float:
    known = cells[~np.isnan(cells)]
    if rule == "zero" or not len(known):
        return 0.0
    statistics: dict[str, Callable[[np.ndarray[tuple[int], np.dtype[np.float64]]], float]]
    statistics = {"median": np.median, "mean": np.mean, "smallest": np.min, "largest": np.max}
    return float(statistics[rule](known))
