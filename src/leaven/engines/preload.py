"""Imports and first calls in the process that workers fork from, so that no worker repeats them.

Reading the first kernel from its cache takes numba 0.3 s, the first named tuple 0.1 s; pyarrow imports pandas at the
first array.
"""

from contextlib import suppress

import numpy as np
import pyarrow.parquet
from numba import typeof

from leaven.kernels.binary_search import contains_item
from leaven.kernels.markov_sampling import SaleOrder

with suppress(ModuleNotFoundError):
    import pandas  # noqa: F401

PARQUET = pyarrow.parquet

NONE = np.zeros(0, np.int64)

contains_item(NONE.astype(np.int32), 0, 0, 1)
typeof(SaleOrder(NONE, NONE.astype(np.int32), NONE, NONE.astype(np.float64), 1.0))
