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
from leaven.encoders.tfidf import compute_directions
from leaven.errors import FitError

Floats = npt.NDArray[np.float32]
Table = tuple[Ints, Items, Floats]
"""starts int64 (n_items + 2,), others int32 (pairs,), scores float32 (pairs,), best first."""

_MIN_SCORE = 1e-3
_BLOCK_CELLS = 16_000_000  # cells of a block of the full matrix: 64 MB


@dataclass(frozen=True)
class CooccurrenceConfig:
    """How co-occurrence is counted.

    max_neighbors   neighbors of each item, at most
    window          largest distance in events; 0: any
    distance_decay  factor on the weight of a pair for each further event between the two
    shrinkage       added to the denominator of the cosine
    """

    max_neighbors: int
    window: int
    distance_decay: float
    shrinkage: float


def find_cooccurring_neighbors(rows: Histories, config: CooccurrenceConfig) -> Table:
    """Cosine of the users of two items, weighted by inverse user frequency (item-CF-IUF).

    s(i, j) = sum of w(u) over users of both / (sqrt(W(i) W(j)) + shrinkage), with w(u) = 1 / log(1 + length)
    and W(i) the sum of w(u) over the events of i (inverse frequency of Breese and others, UAI 1998; w here depends on
    the length of the history, as in item-CF-IUF).
    """
    lengths = np.maximum(rows.lengths, 2)
    weight = (1.0 / np.log1p(lengths)).astype(np.float32)
    starts, others, sums = _sum_pairs(rows, weight, config.window, config.distance_decay)
    mass = np.bincount(rows.items, weight[rows.event_rows()], minlength=rows.n_items + 2)
    item = np.repeat(np.arange(rows.n_items + 1), np.diff(starts))
    sums /= (np.sqrt(mass[item] * mass[others]) + config.shrinkage).astype(np.float32)
    np.minimum(sums, 1.0, out=sums)  # repeated items of a user count repeatedly
    return select_top_neighbors(starts, others, sums, config.max_neighbors)


def find_spectral_neighbors(rows: Histories, config: CooccurrenceConfig, rank: int) -> Table:
    """Cosine of item vectors from a truncated SVD of positive pointwise mutual information, of rank `rank`.

    This is the limit of item2vec (Levy and Goldberg, NeurIPS 2014). Vectors are U sqrt(S).
    """
    starts, others, sums = _sum_pairs(rows, np.ones(len(rows), np.float32), config.window, config.distance_decay)
    counts = sparse.csr_matrix((sums.astype(np.float64), others, starts), shape=(rows.n_items + 1,) * 2)
    totals = np.asarray(counts.sum(axis=1)).ravel()
    item = np.repeat(np.arange(rows.n_items + 1), np.diff(starts))
    ratio = counts.data * totals.sum() / (totals[item] * totals[counts.indices])
    counts.data = np.maximum(np.log(ratio), 0.0)
    counts.eliminate_zeros()
    left, strength = compute_directions(_require_count_pairs(counts), rank)
    vectors = left * np.sqrt(strength)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = (vectors / np.maximum(norms, 1e-12)).astype(np.float32)
    return _drop_rounding(
        find_product_neighbors(unit, unit, config.max_neighbors, _find_present_items(rows)), config.max_neighbors
    )


def find_regression_neighbors(rows: Histories, max_neighbors: int, rank: int, ridge: float) -> Table:
    """Weights of a linear item–item model (Steck, EASE, WWW 2019).

    B = -P / diag(P) off the diagonal, P = (X'X + ridge)^-1, X the binary matrix of users by items. Where we differ:
    X'X is reduced to its top `rank` singular directions (exact when rank reaches the number of items), so that a
    large catalog needs no inverse; scores are divided by the largest of the table.
    """
    row = rows.event_rows()
    interactions = sparse.csr_matrix((np.ones(len(row)), (row, rows.items)), shape=(len(rows), rows.n_items + 2))
    interactions.data[:] = 1.0  # repeated events count once
    interactions = interactions[:, : rows.n_items + 1]
    right, strength = compute_directions(_require_count_pairs(interactions.T.tocsr()), rank)
    shrunk = strength**2 / (strength**2 + ridge)
    scaled = (right * shrunk).astype(np.float32)
    diagonal = 1.0 - np.einsum("ij,ij->i", scaled, right)  # of ridge * P
    table = find_product_neighbors(
        scaled, (right / diagonal[:, None]).astype(np.float32), max_neighbors, _find_present_items(rows)
    )
    np.divide(table[2], max(float(table[2].max(initial=0.0)), 1e-12), out=table[2])
    return _drop_rounding(table, max_neighbors)


def _sum_pairs(rows: Histories, weight: Floats, window: int, fade: float) -> Table:
    """All pairs that co-occur, with their sums of weights."""
    from leaven.arrays.parallel import freeze_array
    from leaven.kernels.cooccurrence import count_pairs

    reach = (window or len(rows.items) + 1, window or len(rows.items) + 1, float(fade))
    items, starts, row = (
        freeze_array(rows.items),
        freeze_array(rows.starts),
        freeze_array(rows.event_rows().astype(np.int32)),
    )
    pairs: Table = count_pairs(items, starts, row, freeze_array(weight), rows.n_items, reach)
    return pairs


def select_top_neighbors(starts: Ints, others: Items, scores: Floats, max_neighbors: int) -> Table:
    """The top entries of each item, best first; without scores of 0 or less."""
    from leaven.arrays.parallel import freeze_array
    from leaven.kernels.cooccurrence import select_top_neighbors

    table: Table = select_top_neighbors(freeze_array(starts), freeze_array(others), freeze_array(scores), max_neighbors)
    return table


def find_product_neighbors(left: Floats, right: Floats, max_neighbors: int, eligible: npt.NDArray[np.bool_]) -> Table:
    """The top neighbors of each item by left[i] · right[j], computed in blocks of the full matrix.

    left, right float32 (n_items + 1, width); eligible bool (n_items + 1,): items that may be in the table.
    """
    from leaven.arrays.parallel import freeze_array
    from leaven.kernels.cooccurrence import select_top_columns

    size = max(_BLOCK_CELLS // max(len(right), 1), 1)
    others, scores = [], []
    for begin in range(0, len(left), size):
        block = left[begin : begin + size] @ right.T  # (block, n_items + 1)
        block[~eligible[begin : begin + size]] = 0.0
        block_others, block_scores = select_top_columns(
            freeze_array(block), begin, freeze_array(eligible), max_neighbors
        )
        others.append(block_others.ravel())
        scores.append(block_scores.ravel())
    starts = np.arange(len(left) + 1, dtype=np.int64) * max_neighbors
    return select_top_neighbors(starts, np.concatenate(others), np.concatenate(scores), max_neighbors)


def _drop_rounding(table: Table, top: int) -> Table:
    """The table without scores that are rounding errors."""
    starts, others, scores = table
    return select_top_neighbors(starts, others, np.where(scores < _MIN_SCORE, np.float32(0), scores), top)


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
