"""Ridge regression of each item on a small neighborhood of other items: the sparse form of a linear item–item model.

Column *j* of the model solves `(G[N, N] + diag(penalty[N])) w = C[N, j]` for a neighborhood N of at most
`max_neighbors` items. With every item but *j* in N this is EASE. Memory holds the neighborhoods only, never a dense
matrix.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from leaven.kernels.top_n_lists import pop_sorted, push_item

Floats = npt.NDArray[np.float64]
Items = npt.NDArray[np.int32]


class SparseRows(NamedTuple):
    """Rows of a sparse matrix. starts int64 (rows + 1,), columns int64 (entries,), values float64 (entries,)."""

    starts: npt.NDArray[np.int64]
    columns: npt.NDArray[np.int64]
    values: Floats


class RidgeProblem(NamedTuple):
    """The normal equations of all items.

    gram     symmetric products of the source columns, one row per item
    targets  row *j*: products of target *j* with the sources; positive entries are candidates for its neighborhood
    diagonal float64 (items,): gram[i, i], 0 for items without events
    penalty  float64 (items,): added to the diagonal, above 0
    """

    gram: SparseRows
    targets: SparseRows
    diagonal: Floats
    penalty: Floats


@njit(cache=True, nogil=True)
def solve_neighborhoods(
    problem: RidgeProblem, first: int, last: int, max_neighbors: int
) -> tuple[Items, Items, npt.NDArray[np.float32]]:
    """Return (lengths, sources, weights) of the targets first..last - 1, one target after the other.

    The neighborhood of a target holds the sources with the largest `target · source / sqrt(diagonal + penalty)`, ties
    by id. A source without a positive product, such as the target itself where its product is left out, is none.
    """
    gram, targets = problem.gram, problem.targets
    place = np.full(len(problem.diagonal), -1, np.int32)
    lengths = np.zeros(last - first, np.int32)
    room = 0
    for target in range(first, last):
        room += min(targets.starts[target + 1] - targets.starts[target], max_neighbors)
    sources, weights = np.zeros(room, np.int32), np.zeros(room, np.float32)
    best, best_scores = np.zeros(max_neighbors, np.int32), np.zeros(max_neighbors)
    kept, kept_scores = np.zeros(max_neighbors, np.int32), np.zeros(max_neighbors, np.float32)
    end = 0
    for target in range(first, last):
        size = 0
        for entry in range(targets.starts[target], targets.starts[target + 1]):
            source = targets.columns[entry]
            if targets.values[entry] > 0.0:
                score = targets.values[entry] / np.sqrt(problem.diagonal[source] + problem.penalty[source])
                size = push_item(best_scores, best, size, score, source)
        if size == 0:
            continue
        pop_sorted(best_scores, best, size, kept, kept_scores)
        for index in range(size):
            place[kept[index]] = index
        matrix, right = np.zeros((size, size)), np.zeros(size)
        for entry in range(targets.starts[target], targets.starts[target + 1]):
            if place[targets.columns[entry]] >= 0:
                right[place[targets.columns[entry]]] = targets.values[entry]
        for index in range(size):
            source = kept[index]
            for entry in range(gram.starts[source], gram.starts[source + 1]):
                if place[gram.columns[entry]] >= 0:
                    matrix[index, place[gram.columns[entry]]] = gram.values[entry]
            matrix[index, index] += problem.penalty[source]
        solution = np.linalg.solve(matrix, right)
        for index in range(size):
            sources[end + index], weights[end + index] = kept[index], solution[index]
            place[kept[index]] = -1
        lengths[target - first] = size
        end += size
    return lengths, sources[:end], weights[:end]
