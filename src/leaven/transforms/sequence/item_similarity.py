"""How alike are two items, judged by who took them?

Three answers, each a sparse table (starts, items, scores) with the best of each item first, scores in 0..1,
made from the rows that are handed in and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sparse

from leaven.datasets.histories import Histories, Ints, Items
from leaven.encoders.tfidf import directions
from leaven.errors import FitError

Floats = npt.NDArray[np.float32]
Table = tuple[Ints, Items, Floats]
"""starts int64 (n_items + 2,), others int32 (pairs,), scores float32 (pairs,), best first."""

_FAINT = 1e-3
_CHUNK = 16_000_000  # cells of a block of the full matrix: 64 MB


@dataclass(frozen=True)
class Meeting:
    """What counts as a meeting of two items: top others an item; window places (0: any); fade; shrink."""

    top: int
    window: int
    fade: float
    shrink: float


def by_cooccurrence(rows: Histories, meeting: Meeting) -> Table:
    """Cosine of the users of two items, busy users counting less (item-CF with inverse user frequency).

    s(i, j) = sum of w(u) over users of both / (sqrt(W(i) W(j)) + shrink), with w(u) = 1 / log(1 + length)
    and W(i) the sum of w(u) over the events of i (the frequency from Breese and others, UAI 1998; w here is
    that of user lengths, as in item-CF-IUF).
    """
    lengths = np.maximum(rows.lengths, 2)
    weight = (1.0 / np.log1p(lengths)).astype(np.float32)
    starts, others, sums = _pairs(rows, weight, meeting.window, meeting.fade)
    mass = np.bincount(rows.items, weight[rows.row_of_event()], minlength=rows.n_items + 2)
    item = np.repeat(np.arange(rows.n_items + 1), np.diff(starts))
    sums /= (np.sqrt(mass[item] * mass[others]) + meeting.shrink).astype(np.float32)
    np.minimum(sums, 1.0, out=sums)  # an item taken twice by a user meets the other twice
    return best(starts, others, sums, meeting.top)


def by_spectrum(rows: Histories, meeting: Meeting, rank: int) -> Table:
    """Cosine of item vectors: the strongest `rank` directions of how much oftener than by chance two items meet.

    Positive pointwise mutual information, factorised (Levy and Goldberg, NeurIPS 2014: what item2vec does
    in the limit). Vectors are U sqrt(S).
    """
    starts, others, sums = _pairs(rows, np.ones(len(rows), np.float32), meeting.window, meeting.fade)
    counts = sparse.csr_matrix((sums.astype(np.float64), others, starts), shape=(rows.n_items + 1,) * 2)
    margin = np.asarray(counts.sum(axis=1)).ravel()
    item = np.repeat(np.arange(rows.n_items + 1), np.diff(starts))
    ratio = counts.data * margin.sum() / (margin[item] * margin[counts.indices])
    counts.data = np.maximum(np.log(ratio), 0.0)
    counts.eliminate_zeros()
    left, strength = directions(_met(counts), rank)
    vectors = left * np.sqrt(strength)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = (vectors / np.maximum(norms, 1e-12)).astype(np.float32)
    return _clear(best_of_products(unit, unit, meeting.top, _seen(rows)), meeting.top)


def by_regression(rows: Histories, top: int, rank: int, ridge: float) -> Table:
    """How much an item counts when another is predicted from all that a user took (Steck, EASE, WWW 2019).

    B = -P / diag(P) off the diagonal, P = (X'X + ridge)^-1, X users by items, 1 where taken. Where we differ:
    X'X is taken in its strongest `rank` directions (exact when rank reaches the number of items), so that a
    large catalogue needs no inverse; scores are divided by the largest of the table.
    """
    row = rows.row_of_event()
    taken = sparse.csr_matrix((np.ones(len(row)), (row, rows.items)), shape=(len(rows), rows.n_items + 2))
    taken.data[:] = 1.0  # twice by one user counts once
    taken = taken[:, : rows.n_items + 1]
    right, strength = directions(_met(taken.T.tocsr()), rank)
    shrunk = strength**2 / (strength**2 + ridge)
    scaled = (right * shrunk).astype(np.float32)
    diagonal = 1.0 - np.einsum("ij,ij->i", scaled, right)  # of ridge * P
    table = best_of_products(scaled, (right / diagonal[:, None]).astype(np.float32), top, _seen(rows))
    np.divide(table[2], max(float(table[2].max(initial=0.0)), 1e-12), out=table[2])
    return _clear(table, top)


def _pairs(rows: Histories, weight: Floats, window: int, fade: float) -> Table:
    """Every pair that meets, with its sum of weights."""
    from leaven.arrays.parallel import frozen
    from leaven.kernels.cooccurrence import count_pairs

    reach = (window or len(rows.items) + 1, window or len(rows.items) + 1, float(fade))
    read: list[npt.NDArray[Any]] = [rows.items, rows.starts, rows.row_of_event().astype(np.int32), weight]
    made: Table = count_pairs(*(frozen(array) for array in read), rows.n_items, reach)
    return made


def best(starts: Ints, others: Items, scores: Floats, top: int) -> Table:
    """The best of each item, best first; scores of 0 or less are left out."""
    from leaven.arrays.parallel import frozen
    from leaven.kernels.cooccurrence import strongest

    made: Table = strongest(frozen(starts), frozen(others), frozen(scores), top)
    return made


def best_of_products(left: Floats, right: Floats, top: int, able: npt.NDArray[np.bool_]) -> Table:
    """The best others of each item by left[i] · right[j]; block by block, never the whole matrix.

    left, right float32 (n_items + 1, width); able bool (n_items + 1,): items that may stand in the table.
    """
    from leaven.arrays.parallel import frozen
    from leaven.kernels.cooccurrence import strongest_columns

    size = max(_CHUNK // max(len(right), 1), 1)
    others, scores = [], []
    for begin in range(0, len(left), size):
        block = left[begin : begin + size] @ right.T  # (block, n_items + 1)
        block[~able[begin : begin + size]] = 0.0
        named, how = strongest_columns(frozen(block), begin, frozen(able), top)
        others.append(named.ravel())
        scores.append(how.ravel())
    starts = np.arange(len(left) + 1, dtype=np.int64) * top
    return best(starts, np.concatenate(others), np.concatenate(scores), top)


def _clear(table: Table, top: int) -> Table:
    """Without scores so faint that they are rounding."""
    starts, others, scores = table
    return best(starts, others, np.where(scores < _FAINT, np.float32(0), scores), top)


def _met(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """The matrix; FitError where nothing meets anything."""
    if matrix.nnz == 0:
        raise FitError("neighbours", "items that meet in some history", "none", "take by = 'cooccurrence'")
    return matrix


def _seen(rows: Histories) -> npt.NDArray[np.bool_]:
    """bool (n_items + 1,): items of these rows."""
    seen = np.bincount(rows.items, minlength=rows.n_items + 2)[: rows.n_items + 1] > 0
    seen[0] = False
    return np.asarray(seen, np.bool_)
