"""An encoder of texts by latent semantic analysis.

A text is a history of tokens: token ids are the items, positions the times (`quality/text_rows.py`).
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
    """weight float64 (tokens + 2,): inverse document frequency, 0 for unknown tokens; axes (tokens + 2, width)."""

    weight: Points
    axes: Points

    @classmethod
    def fit(cls, train: Histories, key: int, width: int = 32) -> TextEncoder:
        """Return latent semantic axes: principal components of log counts weighted by inverse document frequency.

        Deerwester and others, JASIS 41 (1990); Salton and Buckley, Information Processing and Management 24 (1988).
        Raises DataError if no two texts share a token.
        """
        from scipy.sparse.linalg import svds

        counts = _count_tokens(train)
        texts = np.asarray((counts > 0).sum(axis=0)).ravel()
        weight = np.where(texts > 0, np.log((1 + len(train)) / (1 + texts)) + 1, 0.0)
        if not (texts > 1).any():
            raise DataError("the real texts", "two texts that share a word", "none", "give more or longer texts")
        weighted = _weigh_counts(counts, weight)
        width = max(1, min(width, min(weighted.shape) - 2))
        start = rng.make_generator(rng.derive_key(key, "svds")).standard_normal(min(weighted.shape))
        _, _, right = svds(weighted, k=width, v0=start)
        axes = right[::-1].T
        axes = axes * np.where(axes.sum(axis=0) < 0, -1.0, 1.0)  # fixes the sign
        encoder = cls(weight, np.ascontiguousarray(axes))
        spread = encoder.embed(train).std()
        return cls(weight, encoder.axes / (spread if spread > 0 else 1.0))

    def embed(self, rows: Histories) -> Points:
        """Return float64 (texts, width); 0 for a text without known tokens."""
        return np.asarray(_weigh_counts(_count_tokens(rows), self.weight) @ self.axes, np.float64)

    def compute_features(self, rows: Histories) -> tuple[Points, list[str]]:
        """Return interpretable features, float64 (texts, 3), and their names."""
        length = np.maximum(rows.lengths, 1)
        weights = self.weight[rows.items]
        row = rows.event_rows()
        rarity = np.bincount(row, weights, len(rows)) / length
        unknown = np.bincount(row, weights == 0, len(rows)) / length
        return np.column_stack([np.log1p(rows.lengths), rarity, unknown]), ["words", "rarity of words", "unknown words"]


def _count_tokens(rows: Histories) -> Any:
    """Return the count of each token in each text, sparse (texts, tokens + 2)."""
    from scipy import sparse

    cells = (np.ones(rows.n_events), (rows.event_rows(), rows.items))
    return sparse.csr_matrix(cells, shape=(len(rows), rows.n_items + 2))


def _weigh_counts(counts: Any, weight: Points) -> Any:
    """Return weighted log counts, each text scaled to norm 1."""
    from scipy import sparse

    weighted = counts.copy()
    weighted.data = np.log1p(weighted.data)
    weighted = weighted @ sparse.diags(weight)
    norm = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel())
    return sparse.diags(1 / np.where(norm > 0, norm, 1.0)) @ weighted
