"""Which rows does a filter refuse, and for which reason first?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import Histories
from leaven.protocols import Kept

Mask = npt.NDArray[np.bool_]


def kept(rows: int, refused: Mapping[str, Mask]) -> Kept:
    """Rows with no reason against them. A row counts for its first reason only, so that counts add up.

    >>> kept(3, {"odd": np.array([True, False, True]), "long": np.array([True, True, False])}).refused
    {'odd': 2, 'long': 1}
    """
    stays = np.ones(rows, np.bool_)
    counts = {}
    for reason, mask in refused.items():
        counts[reason] = int((mask & stays).sum())
        stays &= ~mask
    return Kept(stays, {reason: count for reason, count in counts.items() if count})


def any_event(rows: Histories, events: Mask) -> Mask:
    """bool (rows,): whether a row has such an event; events bool (events,)."""
    return np.bincount(rows.row_of_event()[events], minlength=len(rows)) > 0
