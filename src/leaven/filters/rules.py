"""Which rows would be nonsense, whatever made them?"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven.datasets.samples import Samples
from leaven.errors import SpecError, nearest
from leaven.protocols import Kept

_SIGNS: dict[str, Callable[[Any, Any], Any]] = {
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
    """Rules of the shop that every made row must keep: "item_price > 0", "discount <= price", "category is known".

    A comparison with a missing number is no offence; "is known" refuses a missing or unknown category or number.

    >>> rows = Samples.of({"price": [2.0, -1.0, None]}, label=[1, 0, 0])
    >>> kept = Rules(("price > 0",)).fit(rows)(rows)
    >>> kept.mask.tolist(), kept.refused
    ([True, False, True], {'price > 0': 1})

    Raises SpecError for a rule that is none.
    """

    rules: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for rule in self.rules:
            if not (_RULE.match(rule) or rule.strip().endswith(" is known")):
                fix = "write for example 'item_price > 0' or 'item_category is known'"
                raise SpecError("rules", "COLUMN < = > NUMBER or COLUMN, or COLUMN is known", repr(rule), fix)

    def fit(self, train: Samples, key: int = 0) -> Ruling:
        """Checks that the columns are there; SpecError that names the nearest where one is not."""
        for rule in self.rules:
            for name in _columns(rule):
                every = (*train.numeric, *train.categorical)
                if name not in (every if rule.strip().endswith(" is known") else train.numeric):
                    raise SpecError(f"rule {rule!r}", "a column of the samples", repr(name), nearest(name, every))
        return Ruling(self.rules)


@dataclass(frozen=True)
class Ruling:
    """Judges rows."""

    rules: Sequence[str]

    def __call__(self, rows: Samples) -> Kept:
        """Which rows keep all rules; each refused row counts under the first that it breaks."""
        mask = np.ones(len(rows), bool)
        refused = {}
        for rule in self.rules:
            bad = mask & ~_keeps(rows, rule)
            if bad.any():
                refused[rule] = int(bad.sum())
            mask &= ~bad
        return Kept(mask, refused)


def _columns(rule: str) -> list[str]:
    found = _RULE.match(rule)
    if not found:
        return [rule.strip().removesuffix(" is known").strip()]
    return [side for side in (found[1], found[3]) if not _is_number(side)]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _keeps(rows: Samples, rule: str) -> npt.NDArray[np.bool_]:
    found = _RULE.match(rule)
    if not found:
        (name,) = _columns(rule)
        known = ~np.isnan(rows.number(name)) if name in rows.numeric else rows.texts(name) != None  # noqa: E711
        return np.asarray(known, bool)
    left, right = (
        np.full(len(rows), float(side)) if _is_number(side) else rows.number(side) for side in (found[1], found[3])
    )
    return np.asarray(_SIGNS[found[2]](left, right) | np.isnan(left) | np.isnan(right), bool)
