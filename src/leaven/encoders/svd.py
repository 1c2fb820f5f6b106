"""Truncated singular value decomposition of sparse matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from leaven import rng

if TYPE_CHECKING:
    import scipy.sparse as sparse

_EXACT_SIZE = 200  # smaller matrices are decomposed exactly
_OVERSAMPLING, _POWER_ITERATIONS = 16, 6  # of the randomized algorithm
Floats = npt.NDArray[np.float64]


def directions(matrix: sparse.csr_matrix, rank: int) -> tuple[Floats, Floats]:
    """Returns (left singular vectors (rows, n_directions), singular values (n_directions,)), strongest first.

    Large matrices use a randomized SVD with a fixed seed (Halko, Martinsson and Tropp, SIAM Review 2011, algorithm
    4.4).
    """
    width = rank + _OVERSAMPLING
    if width >= min(matrix.shape) or min(matrix.shape) <= _EXACT_SIZE:
        left, values, _ = np.linalg.svd(matrix.toarray(), full_matrices=False)
        return left[:, :rank], values[:rank]
    generator = rng.generator(rng.key(0, "neighbours", "directions"))
    basis = np.linalg.qr(matrix @ generator.standard_normal((matrix.shape[1], width)))[0]
    for _ in range(_POWER_ITERATIONS):
        basis = np.linalg.qr(matrix @ np.linalg.qr(matrix.T @ basis)[0])[0]
    inner, values, _ = np.linalg.svd((matrix.T @ basis).T, full_matrices=False)
    return (basis @ inner)[:, :rank], values[:rank]
