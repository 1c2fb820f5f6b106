"""Where does a text lie among others, by the words in it?

A text is a row of words: ids in place of items, places in place of times (`quality/text_rows.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.errors import DataError

Points = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TextEncoder:
    """weight float64 (words + 2,): how much a word tells, 0 for those of no training text; axes (words + 2, width)."""

    weight: Points
    axes: Points

    @classmethod
    def fit(cls, train: Histories, key: int, width: int = 32) -> TextEncoder:
        """Latent semantic axes: principal components of log counts weighted by inverse document frequency.

        Deerwester and others, JASIS 41 (1990); Salton and Buckley, Information Processing and Management 24 (1988).
        Raises DataError where no two texts share a word.
        """
        from scipy.sparse.linalg import svds

        counts = _counts(train)
        texts = np.asarray((counts > 0).sum(axis=0)).ravel()
        weight = np.where(texts > 0, np.log((1 + len(train)) / (1 + texts)) + 1, 0.0)
        if not (texts > 1).any():
            raise DataError("the real texts", "two texts that share a word", "none", "give more or longer texts")
        weighed = _weighed(counts, weight)
        width = max(1, min(width, min(weighed.shape) - 2))
        start = rng.generator(rng.key(key, "svds")).standard_normal(min(weighed.shape))
        _, _, right = svds(weighed, k=width, v0=start)
        axes = right[::-1].T
        axes = axes * np.where(axes.sum(axis=0) < 0, -1.0, 1.0)  # else a sign of chance
        encoder = cls(weight, np.ascontiguousarray(axes))
        spread = encoder.points(train).std()
        return cls(weight, encoder.axes / (spread if spread > 0 else 1.0))

    def points(self, rows: Histories) -> Points:
        """float64 (texts, width); 0 for a text without known words."""
        return np.asarray(_weighed(_counts(rows), self.weight) @ self.axes, np.float64)

    def features(self, rows: Histories) -> tuple[Points, list[str]]:
        """(float64 (texts, 3), names): what words alone tell."""
        length = np.maximum(rows.lengths, 1)
        told = self.weight[rows.items]
        row = rows.row_of_event()
        rarity = np.bincount(row, told, len(rows)) / length
        strange = np.bincount(row, told == 0, len(rows)) / length
        return np.column_stack([np.log1p(rows.lengths), rarity, strange]), ["words", "rarity of words", "unknown words"]


def _counts(rows: Histories) -> Any:
    """Sparse (texts, words + 2): how often each text has each word."""
    from scipy import sparse

    cells = (np.ones(rows.events), (rows.row_of_event(), rows.items))
    return sparse.csr_matrix(cells, shape=(len(rows), rows.n_items + 2))


def _weighed(counts: Any, weight: Points) -> Any:
    """Log counts times weights, each text of length 1."""
    from scipy import sparse

    found = counts.copy()
    found.data = np.log1p(found.data)
    found = found @ sparse.diags(weight)
    norm = np.sqrt(np.asarray(found.multiply(found).sum(axis=1)).ravel())
    return sparse.diags(1 / np.where(norm > 0, norm, 1.0)) @ found
