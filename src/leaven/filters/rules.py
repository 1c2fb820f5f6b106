"""A filter of labeled rows by user-defined rules on columns."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leaven.datasets.samples import Samples
from leaven.errors import SpecError, suggest_name
from leaven.protocols import FilterResult

Cells = npt.NDArray[np.float64]
_OPERATORS: dict[str, Callable[[Cells, Cells], npt.NDArray[np.bool_]]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "!=": operator.ne,
    "==": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}
_RULE = re.compile(r"^\s*([^<>=!]+?)\s*(<=|>=|!=|==|<|>)\s*([^<>=!]+?)\s*$")


@dataclass(frozen=True)
class Rules:
    """Rules on columns that every synthetic row must satisfy: "item_price > 0", "discount <= price", "category is
    known".

    A comparison with a missing number is satisfied; "is known" rejects a missing or unknown category or number.

    >>> rows = Samples.from_lists({"price": [2.0, -1.0, None]}, label=[1, 0, 0])
    >>> kept = Rules(("price > 0",)).fit(rows)(rows)
    >>> kept.accepted.tolist(), kept.rejected
    ([True, False, True], {'price > 0': 1})

    Raises SpecError for an invalid rule.
    """

    rules: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for rule in self.rules:
            if not (_RULE.match(rule) or rule.strip().endswith(" is known")):
                fix = "write for example 'item_price > 0' or 'item_category is known'"
                raise SpecError("rules", "COLUMN < = > NUMBER or COLUMN, or COLUMN is known", repr(rule), fix)

    def fit(self, train: Samples, key: int = 0) -> FittedRules:
        """Return the rules after checking their columns. Raises SpecError that names the nearest column."""
        for rule in self.rules:
            for name in _list_columns(rule):
                every = (*train.numeric, *train.categorical)
                if name not in (every if rule.strip().endswith(" is known") else train.numeric):
                    raise SpecError(f"rule {rule!r}", "a column of the samples", repr(name), suggest_name(name, every))
        return FittedRules(self.rules)


@dataclass(frozen=True)
class FittedRules:
    """Rules whose columns have been checked."""

    rules: Sequence[str]

    def __call__(self, rows: Samples) -> FilterResult:
        """Return the rows that satisfy all rules; a rejected row counts for the first rule that it violates."""
        mask = np.ones(len(rows), bool)
        refused = {}
        for rule in self.rules:
            violating = mask & ~_satisfies(rows, rule)
            if violating.any():
                refused[rule] = int(violating.sum())
            mask &= ~violating
        return FilterResult(mask, refused)


def _list_columns(rule: str) -> list[str]:
    match = _RULE.match(rule)
    if not match:
        return [rule.strip().removesuffix(" is known").strip()]
    return [side for side in (match[1], match[3]) if not _is_number(side)]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _satisfies(rows: Samples, rule: str) -> npt.NDArray[np.bool_]:
    match = _RULE.match(rule)
    if not match:
        (name,) = _list_columns(rule)
        known = ~np.isnan(rows.numeric_column(name)) if name in rows.numeric else rows.categorical_column(name) != None  # noqa: E711
        return np.asarray(known, bool)
    left, right = (
        np.full(len(rows), float(side)) if _is_number(side) else rows.numeric_column(side)
        for side in (match[1], match[3])
    )
    return np.asarray(_OPERATORS[match[2]](left, right) | np.isnan(left) | np.isnan(right), bool)
