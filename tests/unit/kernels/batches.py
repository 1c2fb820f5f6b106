"""Small row batches for kernel tests."""

import numpy as np

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.kernels.batch import RowBatch, make_batch


def small_batch(rows: list[list[int]], times: list[list[int]] | None = None, strength: float = 1.0) -> RowBatch:
    """A batch of these items; every row gets an rng key of its own."""
    histories = Histories.from_lists(rows, n_items=9, times=times)
    keys = rng.derive_row_keys(rng.derive_key(7, "kernels"), histories.row_ids)
    return make_batch(histories, keys, np.full(len(rows), strength, np.float32))


def empty_ints(size: int) -> np.ndarray:
    return np.zeros(size, np.int64)
