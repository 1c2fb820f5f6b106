"""Which items do real users take along with these?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import Histories
from leaven.protocols import Ranked

_REACH = 10  # last events that count
_FADE = 0.8  # of each, against the one after it
_NEIGHBOURS = 100
_SHRINK = 5.0  # pairs seen a few times by chance count less
_BATCH = 512


@dataclass(frozen=True, eq=False)
class Neighbours:
    """A scorer of its own for filters, so that these depend on no recommender.

    similar  sparse float32 (items + 2, items + 2): shrunken cosine of who took both, the nearest of each item
    """

    similar: Any

    def recommend(self, histories: Histories, k: int) -> Ranked:
        """The k items nearest to each row's last events that it does not hold."""
        items, scores = np.zeros((len(histories), k), np.int32), np.zeros((len(histories), k), np.float32)
        for first in range(0, len(histories), _BATCH):
            rows = histories.slice(first, min(first + _BATCH, len(histories)))
            dense = (_recent(rows) @ self.similar).toarray()
            dense[rows.row_of_event(), rows.items] = 0.0
            top = np.argsort(-dense, axis=1, kind="stable")[:, :k]
            found = np.take_along_axis(dense, top, axis=1)
            part = slice(first, first + len(rows))
            items[part, : top.shape[1]] = np.where(found > 0, top, 0)
            scores[part, : top.shape[1]] = found
        return Ranked(items, scores)


def neighbours_of(train: Histories) -> Neighbours:
    """Learn from the rows as sets of items."""
    from scipy import sparse

    taken = _matrix(train, np.ones(train.events, np.float32))
    taken.data[:] = 1.0
    together = (taken.T @ taken).tocsr()
    counts = together.diagonal()
    together.setdiag(0)
    together.eliminate_zeros()
    row = np.repeat(np.arange(together.shape[0]), np.diff(together.indptr))
    shrunk = together.data * together.data / (together.data + _SHRINK)
    together.data = (shrunk / np.sqrt(counts[row] * counts[together.indices])).astype(np.float32)
    best_first = np.lexsort((together.indices, -together.data, row))
    rank = np.empty(len(row), np.int64)
    rank[best_first] = np.arange(len(row)) - np.repeat(together.indptr[:-1], np.diff(together.indptr))
    together.data[rank >= _NEIGHBOURS] = 0.0
    together.eliminate_zeros()
    return Neighbours(sparse.csr_matrix(together))


def _recent(rows: Histories) -> Any:
    """Sparse (rows, items + 2): the weights of each row's last events."""
    age = np.repeat(rows.starts[1:], rows.lengths) - 1 - np.arange(rows.events)
    return _matrix(rows, np.where(age < _REACH, _FADE**age, 0.0).astype(np.float32))


def _matrix(rows: Histories, values: npt.NDArray[np.float32]) -> Any:
    from scipy import sparse

    shape = (len(rows), rows.n_items + 2)
    return sparse.csr_matrix((values, (rows.row_of_event(), rows.items)), shape=shape)
