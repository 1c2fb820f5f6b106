"""Do these rows know when, or only in which order?"""

from __future__ import annotations

import numpy as np

from leaven.datasets.histories import Histories
from leaven.errors import DataError


def last_second(kind: str, train: Histories) -> int:
    """The last second of the real training rows.

    Raises DataError where times are places in a row (0, 1, 2 …) or all alike: there is no clock to move.
    """
    rows = train if train.is_real.all() else train.real_only()
    places = np.arange(len(rows.items)) - np.repeat(rows.starts[:-1], rows.lengths)
    if len(rows.times) == 0 or rows.times.min() == rows.times.max() or (rows.times == places).all():
        fix = f"name the time column, or leave {kind} out"
        raise DataError("data.times", f"a clock for {kind}", "places in a row, or none", fix)
    return int(rows.times.max())
