"""How much does each term say of an item? TF-IDF (Salton and Buckley, 1988) over sparse tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import scipy.sparse as sparse

Floats = npt.NDArray[np.float64]


def counted(rows: Iterable[Iterable[str]], places: dict[str, int], grow: bool) -> sparse.csr_matrix:
    """float64 (rows, terms): 1 + log of how often each row holds each term.

    places  term -> its column; with `grow`, terms that it lacks get one, else they are left out
    """
    starts, columns, weights = [0], list[int](), list[float]()
    for row in rows:
        for term, count in Counter(row).items():
            place = places.setdefault(term, len(places)) if grow else places.get(term, -1)
            if place >= 0:
                columns.append(place)
                weights.append(1.0 + np.log(count) if count > 1 else 1.0)
        starts.append(len(columns))
    shape = (len(starts) - 1, max(len(places), 1))
    return sparse.csr_matrix((np.array(weights), np.array(columns, np.int64), np.array(starts)), shape=shape)


def rarity(table: sparse.csr_matrix, items: int, common: float, least: int = 1) -> Floats:
    """float64 (terms,): log(items / items with the term); 0 for terms of fewer than `least` items, or of more
    than the share `common`, which say nothing about any of them.

    A term of one or two items is never too common, however few items there are.
    """
    having = np.bincount(table.indices, minlength=table.shape[1])
    share = having / max(items, 1)
    silent = ((share > common) & (having > 2)) | (having < least)
    return np.where(silent, 0.0, -np.log(np.maximum(share, 1e-12)))


def unit(table: sparse.csr_matrix) -> sparse.csr_matrix:
    """Every row with length 1; rows of nothing stay so."""
    norms = np.sqrt(np.asarray(table.multiply(table).sum(axis=1)).ravel())
    return (sparse.diags(1.0 / np.maximum(norms, 1e-12)) @ table).tocsr()


def unit_rows(vectors: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """float32, every row with length 1; rows of nothing stay so."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.where(norms > 1e-12, vectors / np.maximum(norms, 1e-12), 0.0).astype(np.float32)
