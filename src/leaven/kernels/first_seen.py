"""First sale times of items."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

NEVER_ON_SALE = np.iinfo(np.int64).max
"""The first sale time of an item that is in neither catalog nor training."""


def find_first_sale_times(
    items: npt.NDArray[np.int32],
    times: npt.NDArray[np.int64],
    n_items: int,
    catalog_times: npt.NDArray[np.int64] | None = None,
) -> npt.NDArray[np.int64]:
    """int64 (n_items + 2,): first second of sale of each id; NEVER for padding, mask and unknown items.

    The earlier of the catalog's time (int64 (n_items + 1,), `Catalog.born`) and the first event: an item with an event
    was on sale then, even where the catalog disagrees.
    """
    first_sale = np.full(n_items + 2, NEVER_ON_SALE, np.int64)
    if catalog_times is not None:
        first_sale[1 : n_items + 1] = catalog_times[1 : n_items + 1]
    known = (items >= 1) & (items <= n_items)
    np.minimum.at(first_sale, items[known], times[known])
    return first_sale
