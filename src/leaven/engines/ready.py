"""What has a process done before workers fork from it, so that none of them has to?

Importing this module does it. Reading the first kernel from its cache takes numba a third of a second; pyarrow looks
for pandas when it meets the first array.
"""

from contextlib import suppress

import numpy as np
import pyarrow.parquet

from leaven.kernels.search import holds

with suppress(ModuleNotFoundError):
    import pandas  # noqa: F401

PARQUET = pyarrow.parquet

holds(np.zeros(0, np.int32), 0, 0, 1)
