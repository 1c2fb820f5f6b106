"""First sale times of items."""

import numpy as np

from leaven.kernels.first_seen import NEVER, first_days

ITEMS, TIMES = np.array([2, 1, 2, 4, 0], np.int32), np.array([30, 20, 10, 5, 1])


def test_the_first_event_is_the_first_sale() -> None:
    assert first_days(ITEMS, TIMES, 3).tolist() == [NEVER, 20, 10, NEVER, NEVER]  # padding, three items, mask


def test_the_earlier_of_catalog_and_first_event_counts() -> None:
    stated = np.array([0, 25, 7, 8])
    assert first_days(ITEMS, TIMES, 3, stated).tolist() == [NEVER, 20, 7, 8, NEVER]
