"""Along which few directions does a sparse matrix reach furthest?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from leaven import rng

if TYPE_CHECKING:
    import scipy.sparse as sparse

_SMALL, _SPARE, _POWERS = 200, 16, 6  # of the search for directions
Floats = npt.NDArray[np.float64]


def directions(matrix: sparse.csr_matrix, rank: int) -> tuple[Floats, Floats]:
    """(left vectors (rows, rank), singular values (rank,)) of the strongest directions.

    Large matrices are met with random vectors and powers (Halko, Martinsson and Tropp, SIAM Review 2011,
    algorithm 4.4), always the same ones.
    """
    width = rank + _SPARE
    if width >= min(matrix.shape) or min(matrix.shape) <= _SMALL:
        left, strength, _ = np.linalg.svd(matrix.toarray(), full_matrices=False)
        return left[:, :rank], strength[:rank]
    draw = rng.generator(rng.key(0, "neighbours", "directions"))
    basis = np.linalg.qr(matrix @ draw.standard_normal((matrix.shape[1], width)))[0]
    for _ in range(_POWERS):
        basis = np.linalg.qr(matrix @ np.linalg.qr(matrix.T @ basis)[0])[0]
    inner, strength, _ = np.linalg.svd((matrix.T @ basis).T, full_matrices=False)
    return (basis @ inner)[:, :rank], strength[:rank]
