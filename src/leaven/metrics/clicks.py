"""How good are predicted chances of a click?

Every metric takes label (0 or 1) and chance, float64 (rows,), and a weight a row, so that a bootstrap over users is a
weight. Where a figure is not defined (no positive row, one class only) it is NaN, never 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from leaven.errors import SpecError

Values = npt.NDArray[np.float64]
Users = npt.NDArray[np.uint64]
_EDGE = 1e-7  # chances of exactly 0 and 1 are moved so far, else one sure mistake is infinite


@dataclass(frozen=True)
class Counts:
    """Weights of rows: found (positive, said so), alarms (said, but negative), missed, left (negative, said so)."""

    found: float
    alarms: float
    missed: float
    left: float

    @classmethod
    def at(cls, threshold: float, label: Values, chance: Values, weight: Values | None) -> Counts:
        """A row is said to be positive where its chance is `threshold` or more."""
        w = _weights(label, weight)
        said = chance >= threshold
        yes = label > 0.5
        sums = [w[said & yes], w[said & ~yes], w[~said & yes], w[~said & ~yes]]
        return cls(*(float(one.sum()) for one in sums))


@dataclass(frozen=True)
class Accuracy:
    """The share of rows that are said right at the threshold."""

    threshold: float = 0.5
    higher_is_better: ClassVar[bool] = True

    def __call__(
        self, label: Values, chance: Values, weight: Values | None = None, users: Users | None = None
    ) -> float:
        c = Counts.at(self.threshold, label, chance, weight)
        return _share(c.found + c.left, c.found + c.alarms + c.missed + c.left)


@dataclass(frozen=True)
class ClickPrecision:
    """The share of positives among the rows that are said to be positive; NaN where none is."""

    threshold: float = 0.5
    higher_is_better: ClassVar[bool] = True

    def __call__(
        self, label: Values, chance: Values, weight: Values | None = None, users: Users | None = None
    ) -> float:
        c = Counts.at(self.threshold, label, chance, weight)
        return _share(c.found, c.found + c.alarms)


@dataclass(frozen=True)
class ClickRecall:
    """The share of the positives that are said to be positive."""

    threshold: float = 0.5
    higher_is_better: ClassVar[bool] = True

    def __call__(
        self, label: Values, chance: Values, weight: Values | None = None, users: Users | None = None
    ) -> float:
        c = Counts.at(self.threshold, label, chance, weight)
        return _share(c.found, c.found + c.missed)


@dataclass(frozen=True)
class F1:
    """The harmonic mean of precision and recall at the threshold; 0 where nothing was found."""

    threshold: float = 0.5
    higher_is_better: ClassVar[bool] = True

    def __call__(
        self, label: Values, chance: Values, weight: Values | None = None, users: Users | None = None
    ) -> float:
        c = Counts.at(self.threshold, label, chance, weight)
        return _share(2 * c.found, 2 * c.found + c.alarms + c.missed)


@dataclass(frozen=True)
class Auc:
    """The chance that a positive row stands above a negative one, ties half (area under the ROC curve)."""

    higher_is_better: ClassVar[bool] = True

    def __call__(
        self, label: Values, chance: Values, weight: Values | None = None, users: Users | None = None
    ) -> float:
        positive, negative = _by_chance(label, chance, _weights(label, weight))
        below = np.cumsum(negative) - negative / 2
        return _share(float((positive * below).sum()), float(positive.sum() * negative.sum()))


@dataclass(frozen=True)
class ClickAveragePrecision:
    """Precision at the place of each positive row, averaged: the area under precision over recall, no lines drawn
    between points; rows of equal chance share one place."""

    higher_is_better: ClassVar[bool] = True

    def __call__(
        self, label: Values, chance: Values, weight: Values | None = None, users: Users | None = None
    ) -> float:
        positive, negative = (part[::-1] for part in _by_chance(label, chance, _weights(label, weight)))
        found, said = np.cumsum(positive), np.cumsum(positive + negative)
        precision = np.divide(found, said, out=np.zeros(len(found)), where=said > 0)
        return _share(float((precision * positive).sum()), float(positive.sum()))


@dataclass(frozen=True)
class LogLoss:
    """Minus the mean logarithm of the chance that was given to what happened (natural; binary cross-entropy)."""

    higher_is_better: ClassVar[bool] = False

    def __call__(
        self, label: Values, chance: Values, weight: Values | None = None, users: Users | None = None
    ) -> float:
        w, p = _weights(label, weight), np.clip(chance, _EDGE, 1 - _EDGE)
        each = -(label * np.log(p) + (1 - label) * np.log1p(-p))
        return _share(float((w * each).sum()), float(w.sum()))


@dataclass(frozen=True)
class CalibrationError:
    """How far the said chances are from the shares that happened, over groups of equal weight by chance, averaged."""

    groups: int = 15
    higher_is_better: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.groups < 1:
            raise SpecError("calibration_error.groups", "1 or more", str(self.groups), "")

    def __call__(
        self, label: Values, chance: Values, weight: Values | None = None, users: Users | None = None
    ) -> float:
        _, said, happened, size = calibration(label, chance, weight, self.groups)
        return _share(float((size * np.abs(said - happened)).sum()), float(size.sum()))


@dataclass(frozen=True)
class UserAuc:
    """The AUC among each user's own rows, averaged over users who have both classes: popularity of users is no help."""

    higher_is_better: ClassVar[bool] = True

    def __call__(
        self, label: Values, chance: Values, weight: Values | None = None, users: Users | None = None
    ) -> float:
        owners = np.zeros(len(label), np.uint64) if users is None else users
        auc, w = per_user_auc(label, chance, owners, _weights(label, weight))
        return _share(float((auc * w).sum()), float(w.sum()))


def per_user_auc(label: Values, chance: Values, users: Users, weight: Values) -> tuple[Values, Values]:
    """(AUC, mean weight) of each user who has both classes, in the order of the users' keys."""
    _, owner = np.unique(users, return_inverse=True)
    order = np.lexsort((chance, owner))
    y, owner, p, w = label[order] > 0.5, owner[order], chance[order], weight[order]
    new = np.flatnonzero(np.diff(owner, prepend=-1) | np.diff(p, prepend=np.nan).astype(bool))
    first = owner[new]  # groups of equal chance inside a user
    positive = np.add.reduceat(y.astype(np.float64), new) if len(new) else np.zeros(0)
    negative = np.add.reduceat((~y).astype(np.float64), new) if len(new) else np.zeros(0)
    users_n = int(owner.max()) + 1 if len(owner) else 0
    before = np.cumsum(negative) - negative
    begin = before[np.searchsorted(first, np.arange(users_n))] if users_n else np.zeros(0)
    below = before - begin[first] + negative / 2
    wins = np.bincount(first, weights=positive * below, minlength=users_n)
    pairs = np.bincount(first, weights=positive, minlength=users_n)
    pairs = pairs * np.bincount(first, weights=negative, minlength=users_n)
    size = np.bincount(owner, minlength=users_n)
    mean_weight = np.bincount(owner, weights=w, minlength=users_n) / np.maximum(size, 1)
    both = pairs > 0
    return wins[both] / pairs[both], mean_weight[both]


def calibration(
    label: Values, chance: Values, weight: Values | None = None, groups: int = 15
) -> tuple[Values, Values, Values, Values]:
    """(largest chance, mean chance, share of positives, weight) of groups of equal weight, ascending: for a plot."""
    w = _weights(label, weight)
    order = np.argsort(chance, kind="stable")
    total = np.cumsum(w[order])
    if not len(w) or total[-1] <= 0:
        return (np.zeros(0),) * 4
    group = np.minimum(((total - w[order] / 2) / total[-1] * groups).astype(np.int64), groups - 1)
    size = np.bincount(group, weights=w[order], minlength=groups).astype(np.float64)
    safe = np.where(size > 0, size, 1.0)
    said = np.bincount(group, weights=w[order] * chance[order], minlength=groups) / safe
    happened = np.bincount(group, weights=w[order] * label[order], minlength=groups) / safe
    top = np.zeros(groups)
    np.maximum.at(top, group, chance[order])
    held = size > 0
    return top[held], said[held], happened[held], size[held]


def best_threshold(label: Values, chance: Values, weight: Values | None = None) -> float:
    """The chance from which on rows are said to be positive, so that F1 is best; for validation rows, never test.

    >>> best_threshold(np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.1, 0.3, 0.2, 0.4]))
    0.2
    """
    w = _weights(label, weight)
    positive, negative = _by_chance(label, chance, w)
    if not len(positive) or positive.sum() == 0:
        return 0.5
    found, said = np.cumsum(positive[::-1]), np.cumsum((positive + negative)[::-1])
    f1 = 2 * found / (said + positive.sum())
    return float(np.unique(chance)[::-1][int(np.argmax(f1))])


def _by_chance(label: Values, chance: Values, weight: Values) -> tuple[Values, Values]:
    """Weights of the positive and of the negative rows at each distinct chance, ascending."""
    if not len(chance):
        return np.zeros(0), np.zeros(0)
    order = np.argsort(chance, kind="stable")
    new = np.flatnonzero(np.diff(chance[order], prepend=-np.inf))
    yes, w = label[order] > 0.5, weight[order]
    return np.add.reduceat(w * yes, new), np.add.reduceat(w * ~yes, new)


def _weights(label: Values, weight: Values | None) -> Values:
    return np.ones(len(label)) if weight is None else weight


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else float("nan")
