"""TF-IDF weights (Salton and Buckley, 1988) of sparse term counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import scipy.sparse as sparse

Floats = npt.NDArray[np.float64]


def counted(rows: Iterable[Iterable[str]], places: dict[str, int], grow: bool) -> sparse.csr_matrix:
    """Returns 1 + log of the count of each term in each row, float64 (rows, terms); 0 for absent terms.

    term_index  term -> its column; new terms are added if `grow`, else ignored
    """
    import scipy.sparse as sparse

    starts, columns, weights = [0], list[int](), list[float]()
    for row in rows:
        for term, count in Counter(row).items():
            column = places.setdefault(term, len(places)) if grow else places.get(term, -1)
            if column >= 0:
                columns.append(column)
                weights.append(1.0 + np.log(count) if count > 1 else 1.0)
        starts.append(len(columns))
    shape = (len(starts) - 1, max(len(places), 1))
    return sparse.csr_matrix((np.array(weights), np.array(columns, np.int64), np.array(starts)), shape=shape)


def rarity(table: sparse.csr_matrix, items: int, common: float, least: int = 1) -> Floats:
    """Returns log(items / items with the term), float64 (terms,); 0 for terms of fewer than `min_items` items or of
    more than the share `max_share`.

    A term of one or two items is never too common.
    """
    counts = np.bincount(table.indices, minlength=table.shape[1])
    share = counts / max(items, 1)
    is_ignored = ((share > common) & (counts > 2)) | (counts < least)
    return np.where(is_ignored, 0.0, -np.log(np.maximum(share, 1e-12)))


def unit(table: sparse.csr_matrix) -> sparse.csr_matrix:
    """Scales rows to norm 1; zero rows stay zero."""
    import scipy.sparse as sparse

    norms = np.sqrt(np.asarray(table.multiply(table).sum(axis=1)).ravel())
    return (sparse.diags(1.0 / np.maximum(norms, 1e-12)) @ table).tocsr()


def unit_rows(vectors: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """Scales rows to norm 1, as float32; zero rows stay zero."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.where(norms > 1e-12, vectors / np.maximum(norms, 1e-12), 0.0).astype(np.float32)
