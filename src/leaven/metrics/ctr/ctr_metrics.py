"""How good are predicted chances of a click?

Every metric takes label (0 or 1) and chance, float64 (rows,), and a weight a row, so that a bootstrap over users is a
weight. Where a figure is not defined (no positive row, one class only) it is NaN, never 0.

Most also say `of_users`: one value a user whose mean is the metric, so that users can be resampled and compared as for
rankings. A ratio of sums is linearised (its influence function, Efron 1982): exact for the mean, first order for other
draws of users.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from leaven.errors import SpecError

Values = npt.NDArray[np.float64]
Users = npt.NDArray[np.uint64]
_EDGE = 1e-7  # chances of exactly 0 and 1 are moved so far, else one sure mistake is infinite


class Ratio(Protocol):
    """A metric that is a sum over rows over another: `rows` says what each row gives to both."""

    def rows(self, label: Values, chance: Values) -> tuple[Values, Values]: ...


def _pooled(
    metric: Ratio, label: Values, chance: Values, weight: Values | None = None, users: Users | None = None
) -> float:
    """The ratio over all rows."""
    part, whole = metric.rows(label, chance)
    w = _weights(label, weight)
    return _share(float((w * part).sum()), float((w * whole).sum()))


def _by_user(metric: Ratio, label: Values, chance: Values, users: Users) -> Values:
    """float64 (users,), in the order of their keys: values whose mean is the ratio over all rows."""
    return spread(*metric.rows(label, chance), users)


def spread(part: Values, whole: Values, users: Users) -> Values:
    """float64 (users,): θ + n (a − θ b) / B, where θ = A / B, a and b are a user's sums and n counts the users.

    >>> spread(np.array([1.0, 0.0, 1.0]), np.ones(3), np.array([5, 5, 9], np.uint64)).mean().round(6)
    np.float64(0.666667)
    """
    names, owner = np.unique(users, return_inverse=True)
    of_user = [np.bincount(owner, weights=one, minlength=len(names)) for one in (part, whole)]
    total = float(of_user[1].sum())
    theta = _share(float(of_user[0].sum()), total)
    return np.asarray(theta + len(names) * (of_user[0] - theta * of_user[1]) / (total or 1.0), np.float64)


def _said(chance: Values, threshold: float) -> Values:
    """1 where a row is said to be positive: its chance is `threshold` or more."""
    return (chance >= threshold).astype(np.float64)


@dataclass(frozen=True)
class Accuracy:
    """The share of rows that are said right at the threshold."""

    threshold: float = 0.5
    higher_is_better: ClassVar[bool] = True

    def rows(self, label: Values, chance: Values) -> tuple[Values, Values]:
        """(said right, every row)."""
        right = (_said(chance, self.threshold) > 0.5) == (label > 0.5)
        return right.astype(np.float64), np.ones(len(label))

    __call__ = _pooled
    of_users = _by_user


@dataclass(frozen=True)
class ClickPrecision:
    """The share of positives among the rows that are said to be positive; NaN where none is."""

    threshold: float = 0.5
    higher_is_better: ClassVar[bool] = True

    def rows(self, label: Values, chance: Values) -> tuple[Values, Values]:
        """(said and positive, said)."""
        said = _said(chance, self.threshold)
        return said * (label > 0.5), said

    __call__ = _pooled
    of_users = _by_user


@dataclass(frozen=True)
class ClickRecall:
    """The share of the positives that are said to be positive."""

    threshold: float = 0.5
    higher_is_better: ClassVar[bool] = True

    def rows(self, label: Values, chance: Values) -> tuple[Values, Values]:
        """(said and positive, positive)."""
        yes = (label > 0.5).astype(np.float64)
        return _said(chance, self.threshold) * yes, yes

    __call__ = _pooled
    of_users = _by_user


@dataclass(frozen=True)
class F1:
    """The harmonic mean of precision and recall at the threshold; 0 where nothing was found."""

    threshold: float = 0.5
    higher_is_better: ClassVar[bool] = True

    def rows(self, label: Values, chance: Values) -> tuple[Values, Values]:
        """(twice the found ones, said and positive ones together)."""
        said, yes = _said(chance, self.threshold), (label > 0.5).astype(np.float64)
        return 2 * said * yes, said + yes

    __call__ = _pooled
    of_users = _by_user


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

    def of_users(self, label: Values, chance: Values, users: Users) -> Values:
        """float64 (users,): the projection of the U statistic on users (Obuchowski, Biometrics 53, 1997)."""
        yes, ones = (label > 0.5).astype(np.float64), np.ones(len(label))
        value = self(label, chance)
        below, above = _ranks(chance, (1 - yes), yes)
        own = yes * (below - value) / max(float(yes.sum()), 1.0)
        own += (1 - yes) * (above - value) / max(float((1 - yes).sum()), 1.0)
        names, owner = np.unique(users, return_inverse=True)
        moved = np.bincount(owner, weights=own * ones, minlength=len(names))
        return np.asarray(value + len(names) * moved, np.float64)


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

    def rows(self, label: Values, chance: Values) -> tuple[Values, Values]:
        """(loss, every row)."""
        p = np.clip(chance, _EDGE, 1 - _EDGE)
        return -(label * np.log(p) + (1 - label) * np.log1p(-p)), np.ones(len(label))

    __call__ = _pooled


@dataclass(frozen=True)
class InformationGain:
    """The share of the log loss of knowing only the mean that the model spares: 1 is all, 0 none.

    One less the normalised entropy of He and others, "Practical lessons from predicting clicks on ads", 2014, eq. 1.
    """

    higher_is_better: ClassVar[bool] = True

    def __call__(
        self, label: Values, chance: Values, weight: Values | None = None, users: Users | None = None
    ) -> float:
        w = _weights(label, weight)
        mean = np.full(len(label), _share(float((w * label).sum()), float(w.sum())))
        known = LogLoss()(label, mean, w)
        return 1 - LogLoss()(label, chance, w) / known if 0 < mean.mean() < 1 else float("nan")

    def of_users(self, label: Values, chance: Values, users: Users) -> Values:
        """float64 (users,): by the loss of their rows, and by what they add to the mean label."""
        (loss, ones), mean = LogLoss().rows(label, chance), float(label.mean()) if len(label) else float("nan")
        known = LogLoss()(label, np.full(len(label), mean))
        slope = np.log((1 - mean) / mean) if 0 < mean < 1 else float("nan")  # of the entropy, by the mean label
        of_mean = (float(loss.mean()) / known**2) * slope * (spread(label, ones, users) - mean)
        return np.asarray(1 - spread(loss, ones, users) / known + of_mean, np.float64)


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

    def of_users(self, label: Values, chance: Values, users: Users) -> Values:
        """float64 (users,): a user with one class only has the mean of the others."""
        names, owner = np.unique(users, return_inverse=True)
        yes = np.bincount(owner, weights=label > 0.5, minlength=len(names))
        both = (yes > 0) & (yes < np.bincount(owner, minlength=len(names)))
        own = np.zeros(len(names))
        own[both] = per_user_auc(label, chance, users, np.ones(len(label)))[0]
        return spread(own, both.astype(np.float64), names)


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


def _ranks(chance: Values, negative: Values, positive: Values) -> tuple[Values, Values]:
    """(share of the negatives below each row, share of the positives above it), ties half."""
    order = np.argsort(chance, kind="stable")
    new = np.flatnonzero(np.diff(chance[order], prepend=-np.inf))
    group = np.empty(len(chance), np.int64)
    group[order] = np.cumsum(np.diff(chance[order], prepend=-np.inf) > 0) - 1
    low, high = (np.add.reduceat(one[order], new) if len(new) else np.zeros(0) for one in (negative, positive))
    below = (np.cumsum(low) - low / 2) / max(float(low.sum()), 1.0)
    above = 1 - (np.cumsum(high) - high / 2) / max(float(high.sum()), 1.0)
    return below[group], above[group]


def _weights(label: Values, weight: Values | None) -> Values:
    return np.ones(len(label)) if weight is None else weight


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else float("nan")
