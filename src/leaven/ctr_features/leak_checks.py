"""What is odd about these samples, before a model learns it?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leaven.datasets.samples import Samples

LEAK_AUC = 0.99
"""A single column that tells the classes apart so well knows the answer."""
_FEWEST = 20  # rows of a category whose mean label is looked at
_MOST_ROWS = 200_000  # of one look: evenly spaced rows beyond it


@dataclass(frozen=True)
class Oddity:
    """One finding. kind: "one class", "leak", "constant", "all missing"; value: the AUC, or the share concerned."""

    kind: str
    column: str
    value: float
    words: str


def look(rows: Samples) -> list[Oddity]:
    """One-class labels, columns that leak the label, constant and all-missing columns, each named.

    >>> rows = Samples.of({"paid": [1.0, 2.0, 8.0, 9.0], "shop": [3, 3, 3, 3]}, label=[0, 0, 1, 1])
    >>> [(odd.kind, odd.column) for odd in look(rows)]
    [('leak', 'paid'), ('constant', 'shop')]
    """
    rows = rows if len(rows) <= _MOST_ROWS else rows.take(np.linspace(0, len(rows) - 1, _MOST_ROWS).astype(np.int64))
    found: list[Oddity] = []
    if len(np.unique(rows.label)) < 2:
        found.append(Oddity("one class", "label", 1.0, "every row has the same label: nothing can be learned"))
    for place, name in enumerate(rows.numeric):
        found += _of_column(name, rows.numbers[:, place], np.isnan(rows.numbers[:, place]), rows.label)
    for place, name in enumerate(rows.categorical):
        codes = rows.codes[:, place]
        found += _of_column(name, _label_shares(codes, rows.label), codes == 0, rows.label, codes)
    return found


def _of_column(
    name: str,
    values: npt.NDArray[np.float64],
    missing: npt.NDArray[np.bool_],
    label: npt.NDArray[np.float32],
    codes: npt.NDArray[np.int32] | None = None,
) -> list[Oddity]:
    if not len(values) or missing.all():
        return [Oddity("all missing", name, 1.0, f"{name!r} holds no value at all and is left out")]
    cells = values[~missing] if codes is None else codes[~missing]
    if not missing.any() and cells.min() == cells.max():
        return [Oddity("constant", name, 1.0, f"{name!r} holds one value only and says nothing")]
    strength = max(abs(_auc(np.where(missing, low, values), label) - 0.5) for low in (-np.inf, np.inf)) + 0.5
    if strength <= LEAK_AUC:
        return []
    words = f"{name!r} alone tells the classes apart (AUC {strength:.3f}): is it known before the event?"
    return [Oddity("leak", name, float(strength), words)]


def _label_shares(codes: npt.NDArray[np.int32], label: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """float64 (rows,): mean label of the row's category; of one with few rows, whose mean is chance, that of all."""
    counts = np.bincount(codes)
    shares = np.bincount(codes, weights=label) / np.maximum(counts, 1)
    mean = float(label.mean()) if len(label) else 0.0
    spread: npt.NDArray[np.float64] = np.where(counts >= _FEWEST, shares, mean)[codes]
    return spread


def _auc(values: npt.NDArray[np.float64], label: npt.NDArray[np.float32]) -> float:
    """Chance that a positive row has the higher value, ties half; 0.5 where there is one class."""
    positive = label > 0.5
    count = int(positive.sum())
    if count in (0, len(label)):
        return 0.5
    _, place, size = np.unique(values, return_inverse=True, return_counts=True)
    rank = (np.cumsum(size) - (size - 1) / 2)[place]
    return float((rank[positive].sum() - count * (count + 1) / 2) / (count * (len(label) - count)))
