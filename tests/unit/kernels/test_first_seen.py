"""First sale times of items."""

import numpy as np

from leaven.kernels.time_popularity import NEVER_ON_SALE, find_first_sale_times

ITEMS, TIMES = np.array([2, 1, 2, 4, 0], np.int32), np.array([30, 20, 10, 5, 1])


def test_the_first_event_is_the_first_sale() -> None:
    assert find_first_sale_times(ITEMS, TIMES, 3).tolist() == [
        NEVER_ON_SALE,
        20,
        10,
        NEVER_ON_SALE,
        NEVER_ON_SALE,
    ]  # padding, three items, mask


def test_the_earlier_of_catalog_and_first_event_counts() -> None:
    stated = np.array([0, 25, 7, 8])
    assert find_first_sale_times(ITEMS, TIMES, 3, stated).tolist() == [NEVER_ON_SALE, 20, 7, 8, NEVER_ON_SALE]
