"""Small row batches for kernel tests."""

import numpy as np

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.kernels.batch import Batch, batch


def small_batch(rows: list[list[int]], times: list[list[int]] | None = None, strength: float = 1.0) -> Batch:
    """A batch of these items; every row gets an rng key of its own."""
    histories = Histories.of(rows, n_items=9, times=times)
    keys = rng.row_keys(rng.key(7, "kernels"), histories.keys)
    return batch(histories, keys, np.full(len(rows), strength, np.float32))


def empty_ints(size: int) -> np.ndarray:
    return np.zeros(size, np.int64)
