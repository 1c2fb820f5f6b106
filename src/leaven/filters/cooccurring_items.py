"""Item neighbors by co-occurrence in real histories: a scorer for filters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import Histories
from leaven.protocols import RankedItems

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_MAX_AGE = 10  # last events of a row that are scored
_DECAY = 0.8  # weight of an event relative to the next one
_N_NEIGHBORS = 100
_SHRINK = 5.0  # shrinks pairs with few co-occurrences
_BATCH = 512


@dataclass(frozen=True, eq=False)
class CooccurringItems:
    """Item neighbors that score histories independently of any recommender.

    similar  sparse float32 (items + 2, items + 2): shrunken cosine of co-occurrence, the nearest neighbors of each item
    """

    similar: csr_matrix

    def recommend(self, histories: Histories, k: int) -> RankedItems:
        """Return the k items nearest to each row's last events, without the row's own items."""
        items, scores = np.zeros((len(histories), k), np.int32), np.zeros((len(histories), k), np.float32)
        for first in range(0, len(histories), _BATCH):
            rows = histories.slice(first, min(first + _BATCH, len(histories)))
            # decayed weights of each row's last events, sparse (rows, items + 2)
            age = np.repeat(rows.starts[1:], rows.lengths) - 1 - np.arange(rows.n_events)
            recent_items = _build_matrix(rows, np.where(age < _MAX_AGE, _DECAY**age, 0.0).astype(np.float32))
            dense = (recent_items @ self.similar).toarray()
            dense[rows.event_rows(), rows.items] = 0.0
            top = np.argsort(-dense, axis=1, kind="stable")[:, :k]
            found = np.take_along_axis(dense, top, axis=1)
            part = slice(first, first + len(rows))
            items[part, : top.shape[1]] = np.where(found > 0, top, 0)
            scores[part, : top.shape[1]] = found
        return RankedItems(items, scores)


def fit_cooccurring_items(train: Histories) -> CooccurringItems:
    """Return item neighbors fitted on the rows as sets of items."""
    from scipy import sparse

    matrix = _build_matrix(train, np.ones(train.n_events, np.float32))
    matrix.data[:] = 1.0
    counts_of_pairs = (matrix.T @ matrix).tocsr()
    counts = counts_of_pairs.diagonal()
    counts_of_pairs.setdiag(0)
    counts_of_pairs.eliminate_zeros()
    row = np.repeat(np.arange(counts_of_pairs.shape[0]), np.diff(counts_of_pairs.indptr))
    shrunk = counts_of_pairs.data * counts_of_pairs.data / (counts_of_pairs.data + _SHRINK)
    counts_of_pairs.data = (shrunk / np.sqrt(counts[row] * counts[counts_of_pairs.indices])).astype(np.float32)
    best_first = np.lexsort((counts_of_pairs.indices, -counts_of_pairs.data, row))
    rank = np.empty(len(row), np.int64)
    rank[best_first] = np.arange(len(row)) - np.repeat(counts_of_pairs.indptr[:-1], np.diff(counts_of_pairs.indptr))
    counts_of_pairs.data[rank >= _N_NEIGHBORS] = 0.0
    counts_of_pairs.eliminate_zeros()
    return CooccurringItems(sparse.csr_matrix(counts_of_pairs))


def _build_matrix(rows: Histories, values: npt.NDArray[np.float32]) -> csr_matrix:
    from scipy import sparse

    shape = (len(rows), rows.n_items + 2)
    return sparse.csr_matrix((values, (rows.event_rows(), rows.items)), shape=shape)
