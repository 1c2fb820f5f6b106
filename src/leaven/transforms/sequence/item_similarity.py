"""Computes item–item similarity from histories: co-occurrence, spectral and regression.

Each function returns a sparse table (starts, items, scores), the best of each item first, with scores in 0..1,
computed from the given rows only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sparse

from leaven.datasets.histories import Histories, Ints, Items
from leaven.encoders.tfidf import directions
from leaven.errors import FitError

Floats = npt.NDArray[np.float32]
Table = tuple[Ints, Items, Floats]
"""starts int64 (n_items + 2,), others int32 (pairs,), scores float32 (pairs,), best first."""

_MIN_SCORE = 1e-3
_BLOCK_CELLS = 16_000_000  # cells of a block of the full matrix: 64 MB


@dataclass(frozen=True)
class Meeting:
    """How co-occurrence is counted.

    max_neighbors   neighbors of each item, at most
    window          largest distance in events; 0: any
    distance_decay  factor on the weight of a pair for each further event between the two
    shrinkage       added to the denominator of the cosine
    """

    top: int
    window: int
    fade: float
    shrink: float


def by_cooccurrence(rows: Histories, meeting: Meeting) -> Table:
    """Cosine of the users of two items, weighted by inverse user frequency (item-CF-IUF).

    s(i, j) = sum of w(u) over users of both / (sqrt(W(i) W(j)) + shrinkage), with w(u) = 1 / log(1 + length)
    and W(i) the sum of w(u) over the events of i (inverse frequency of Breese and others, UAI 1998; w here depends on
    the length of the history, as in item-CF-IUF).
    """
    lengths = np.maximum(rows.lengths, 2)
    weight = (1.0 / np.log1p(lengths)).astype(np.float32)
    starts, others, sums = _sum_pairs(rows, weight, meeting.window, meeting.fade)
    mass = np.bincount(rows.items, weight[rows.row_of_event()], minlength=rows.n_items + 2)
    item = np.repeat(np.arange(rows.n_items + 1), np.diff(starts))
    sums /= (np.sqrt(mass[item] * mass[others]) + meeting.shrink).astype(np.float32)
    np.minimum(sums, 1.0, out=sums)  # repeated items of a user count repeatedly
    return best(starts, others, sums, meeting.top)


def by_spectrum(rows: Histories, meeting: Meeting, rank: int) -> Table:
    """Cosine of item vectors from a truncated SVD of positive pointwise mutual information, of rank `rank`.

    This is the limit of item2vec (Levy and Goldberg, NeurIPS 2014). Vectors are U sqrt(S).
    """
    starts, others, sums = _sum_pairs(rows, np.ones(len(rows), np.float32), meeting.window, meeting.fade)
    counts = sparse.csr_matrix((sums.astype(np.float64), others, starts), shape=(rows.n_items + 1,) * 2)
    totals = np.asarray(counts.sum(axis=1)).ravel()
    item = np.repeat(np.arange(rows.n_items + 1), np.diff(starts))
    ratio = counts.data * totals.sum() / (totals[item] * totals[counts.indices])
    counts.data = np.maximum(np.log(ratio), 0.0)
    counts.eliminate_zeros()
    left, strength = directions(_require_count_pairs(counts), rank)
    vectors = left * np.sqrt(strength)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = (vectors / np.maximum(norms, 1e-12)).astype(np.float32)
    return _drop_rounding(best_of_products(unit, unit, meeting.top, _find_present_items(rows)), meeting.top)


def by_regression(rows: Histories, top: int, rank: int, ridge: float) -> Table:
    """Weights of a linear item–item model (Steck, EASE, WWW 2019).

    B = -P / diag(P) off the diagonal, P = (X'X + ridge)^-1, X the binary matrix of users by items. Where we differ:
    X'X is reduced to its top `rank` singular directions (exact when rank reaches the number of items), so that a
    large catalog needs no inverse; scores are divided by the largest of the table.
    """
    row = rows.row_of_event()
    interactions = sparse.csr_matrix((np.ones(len(row)), (row, rows.items)), shape=(len(rows), rows.n_items + 2))
    interactions.data[:] = 1.0  # repeated events count once
    interactions = interactions[:, : rows.n_items + 1]
    right, strength = directions(_require_count_pairs(interactions.T.tocsr()), rank)
    shrunk = strength**2 / (strength**2 + ridge)
    scaled = (right * shrunk).astype(np.float32)
    diagonal = 1.0 - np.einsum("ij,ij->i", scaled, right)  # of ridge * P
    table = best_of_products(scaled, (right / diagonal[:, None]).astype(np.float32), top, _find_present_items(rows))
    np.divide(table[2], max(float(table[2].max(initial=0.0)), 1e-12), out=table[2])
    return _drop_rounding(table, top)


def _sum_pairs(rows: Histories, weight: Floats, window: int, fade: float) -> Table:
    """All pairs that co-occur, with their sums of weights."""
    from leaven.arrays.parallel import frozen
    from leaven.kernels.cooccurrence import count_pairs

    reach = (window or len(rows.items) + 1, window or len(rows.items) + 1, float(fade))
    items, starts, row = frozen(rows.items), frozen(rows.starts), frozen(rows.row_of_event().astype(np.int32))
    pairs: Table = count_pairs(items, starts, row, frozen(weight), rows.n_items, reach)
    return pairs


def best(starts: Ints, others: Items, scores: Floats, top: int) -> Table:
    """The top entries of each item, best first; without scores of 0 or less."""
    from leaven.arrays.parallel import frozen
    from leaven.kernels.cooccurrence import strongest

    table: Table = strongest(frozen(starts), frozen(others), frozen(scores), top)
    return table


def best_of_products(left: Floats, right: Floats, top: int, able: npt.NDArray[np.bool_]) -> Table:
    """The top neighbors of each item by left[i] · right[j], computed in blocks of the full matrix.

    left, right float32 (n_items + 1, width); eligible bool (n_items + 1,): items that may be in the table.
    """
    from leaven.arrays.parallel import frozen
    from leaven.kernels.cooccurrence import strongest_columns

    size = max(_BLOCK_CELLS // max(len(right), 1), 1)
    others, scores = [], []
    for begin in range(0, len(left), size):
        block = left[begin : begin + size] @ right.T  # (block, n_items + 1)
        block[~able[begin : begin + size]] = 0.0
        block_others, block_scores = strongest_columns(frozen(block), begin, frozen(able), top)
        others.append(block_others.ravel())
        scores.append(block_scores.ravel())
    starts = np.arange(len(left) + 1, dtype=np.int64) * top
    return best(starts, np.concatenate(others), np.concatenate(scores), top)


def _drop_rounding(table: Table, top: int) -> Table:
    """The table without scores that are rounding errors."""
    starts, others, scores = table
    return best(starts, others, np.where(scores < _MIN_SCORE, np.float32(0), scores), top)


def _require_count_pairs(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return the matrix; raise FitError where no two items co-occur."""
    if matrix.nnz == 0:
        raise FitError("neighbors", "items that share a history", "none", "take sources = ['cooccurrence']")
    return matrix


def _find_present_items(rows: Histories) -> npt.NDArray[np.bool_]:
    """bool (n_items + 1,): items of these rows."""
    present = np.bincount(rows.items, minlength=rows.n_items + 2)[: rows.n_items + 1] > 0
    present[0] = False
    return np.asarray(present, np.bool_)
