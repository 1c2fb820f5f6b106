"""Since when could each item be taken?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

NEVER = np.iinfo(np.int64).max
"""The birth of an item that neither the catalogue nor training knows: no time is late enough."""


def first_days(
    items: npt.NDArray[np.int32],
    times: npt.NDArray[np.int64],
    n_items: int,
    stated: npt.NDArray[np.int64] | None = None,
) -> npt.NDArray[np.int64]:
    """int64 (n_items + 2,): first second of sale of each id; NEVER for padding, mask and unknown items.

    The earlier one of what the catalogue states (int64 (n_items + 1,), `Catalog.born`) and the first event: an
    item was on sale when it was taken, whatever a catalogue says.
    """
    born = np.full(n_items + 2, NEVER, np.int64)
    if stated is not None:
        born[1 : n_items + 1] = stated[1 : n_items + 1]
    taken = (items >= 1) & (items <= n_items)
    np.minimum.at(born, items[taken], times[taken])
    return born
