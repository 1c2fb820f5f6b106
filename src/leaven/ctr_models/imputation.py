"""What stands where a value is missing?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import numpy as np

from leaven.datasets.samples import Samples
from leaven.errors import SpecError, nearest

Rule = Literal["median", "mean", "zero", "smallest", "largest"]
MARK = "_is_missing"


@dataclass(frozen=True)
class Missing:
    """The wish: a rule for all number columns, others for some, and a column that says where it was applied.

    Missing categories need no rule: "unknown" is a code of its own.

    >>> rows = Samples.of({"price": [1.0, None, 4.0]}, label=[1, 0, 0])
    >>> filled = Missing(columns={"price": "mean"}).fit(rows)(rows)
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
                fix = nearest(str(rule), get_args(Rule))
                raise SpecError(f"missing.{where}", "a known rule", repr(rule), fix)

    def fit(self, train: Samples) -> Filling:
        """Learns the values from the training rows; SpecError for a rule of a column that is not there."""
        for name in self.columns:
            if name not in train.numeric:
                raise SpecError(f"missing.{name}", "a number column", "none", nearest(name, train.numeric))
        values = {name: _value(train.number(name), self.columns.get(name, self.rule)) for name in train.numeric}
        gone = np.isnan(train.numbers).sum(axis=0).tolist()
        marked = tuple(name for name, some in zip(train.numeric, gone, strict=True) if some and self.indicators)
        return Filling(values, marked)


@dataclass(frozen=True)
class Filling:
    """values: column -> what stands for a missing cell. marked: columns that missed some in training."""

    values: Mapping[str, float]
    marked: tuple[str, ...]

    def __call__(self, rows: Samples) -> Samples:
        """The same rows without gaps, and one 0/1 column more for each of `marked`."""
        gone = np.isnan(rows.numbers)
        values = np.array([self.values[name] for name in rows.numeric])
        marks = [gone[:, rows.numeric.index(name)].astype(np.float64) for name in self.marked]
        numbers = np.column_stack([np.where(gone, values, rows.numbers), *marks])
        return replace(rows, numbers=numbers, numeric=(*rows.numeric, *(name + MARK for name in self.marked)))

    def counts(self, rows: Samples) -> dict[str, int]:
        """Column -> how many cells were filled, where any were."""
        gone = np.isnan(rows.numbers).sum(axis=0).tolist()
        return {name: count for name, count in zip(rows.numeric, gone, strict=True) if count}


def _value(cells: np.ndarray[tuple[int], np.dtype[np.float64]], rule: Rule) -> float:
    known = cells[~np.isnan(cells)]
    if rule == "zero" or not len(known):
        return 0.0
    made: dict[str, Callable[[np.ndarray[tuple[int], np.dtype[np.float64]]], float]]
    made = {"median": np.median, "mean": np.mean, "smallest": np.min, "largest": np.max}
    return float(made[rule](known))
