"""Checks samples before training: leaking, constant and empty columns, and labels of one class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leaven.datasets.samples import Samples

_LEAK_AUC = 0.99  # a single column above it leaks the label
_MIN_ROWS = 20  # of a category, below which the overall mean label is used
_MAX_ROWS = 200_000  # evenly spaced rows of larger samples are checked


@dataclass(frozen=True)
class SampleIssue:
    """One issue. kind: "one class", "leak", "constant", "all missing"; value: the AUC, or the affected share."""

    kind: str
    column: str
    value: float
    message: str


def find_issues(rows: Samples) -> list[SampleIssue]:
    """Labels of one class, and leaking, constant and empty columns.

    >>> rows = Samples.from_lists({"paid": [1.0, 2.0, 8.0, 9.0], "shop": [3, 3, 3, 3]}, label=[0, 0, 1, 1])
    >>> [(issue.kind, issue.column) for issue in find_issues(rows)]
    [('leak', 'paid'), ('constant', 'shop')]
    """
    rows = rows if len(rows) <= _MAX_ROWS else rows.take(np.linspace(0, len(rows) - 1, _MAX_ROWS).astype(np.int64))
    found: list[SampleIssue] = []
    if len(np.unique(rows.label)) < 2:
        found.append(SampleIssue("one class", "label", 1.0, "every row has the same label: there is nothing to learn"))
    for index, name in enumerate(rows.numeric):
        found += _check_column(name, rows.numbers[:, index], np.isnan(rows.numbers[:, index]), rows.label)
    for index, name in enumerate(rows.categorical):
        codes = rows.codes[:, index]
        counts = np.bincount(codes)
        shares = np.bincount(codes, weights=rows.label) / np.maximum(counts, 1)
        mean = float(rows.label.mean()) if len(rows.label) else 0.0
        spread: npt.NDArray[np.float64] = np.where(counts >= _MIN_ROWS, shares, mean)[codes]
        found += _check_column(name, spread, codes == 0, rows.label, codes)
    return found


def _check_column(
    name: str,
    values: npt.NDArray[np.float64],
    missing: npt.NDArray[np.bool_],
    label: npt.NDArray[np.float32],
    codes: npt.NDArray[np.int32] | None = None,
) -> list[SampleIssue]:
    if not len(values) or missing.all():
        return [SampleIssue("all missing", name, 1.0, f"{name!r} has no values and is left out")]
    cells = values[~missing] if codes is None else codes[~missing]
    if not missing.any() and cells.min() == cells.max():
        return [SampleIssue("constant", name, 1.0, f"{name!r} has one value only and no information")]
    strength = max(abs(_auc(np.where(missing, low, values), label) - 0.5) for low in (-np.inf, np.inf)) + 0.5
    if strength <= _LEAK_AUC:
        return []
    words = f"{name!r} alone separates the classes (AUC {strength:.3f}): is it known before the event?"
    return [SampleIssue("leak", name, float(strength), words)]


def _auc(values: npt.NDArray[np.float64], label: npt.NDArray[np.float32]) -> float:
    """The area under the ROC curve, ties counted half; 0.5 for one class."""
    positive = label > 0.5
    count = int(positive.sum())
    if count in (0, len(label)):
        return 0.5
    _, index, size = np.unique(values, return_inverse=True, return_counts=True)
    rank = (np.cumsum(size) - (size - 1) / 2)[index]
    return float((rank[positive].sum() - count * (count + 1) / 2) / (count * (len(label) - count)))
