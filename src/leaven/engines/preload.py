"""What has a process done before workers fork from it, so that none of them has to?

Importing this module does it. Reading the first kernel from its cache takes numba a third of a second, and the first
named tuple a tenth; pyarrow looks for pandas when it meets the first array.
"""

from contextlib import suppress

import numpy as np
import pyarrow.parquet
from numba import typeof

from leaven.kernels.binary_search import holds
from leaven.kernels.markov_sampling import Shelf

with suppress(ModuleNotFoundError):
    import pandas  # noqa: F401

PARQUET = pyarrow.parquet

NONE = np.zeros(0, np.int64)

holds(NONE.astype(np.int32), 0, 0, 1)
typeof(Shelf(NONE, NONE.astype(np.int32), NONE, NONE.astype(np.float64), 1.0))
