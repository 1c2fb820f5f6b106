"""Sorting of codes compared with NumPy."""

import numpy as np
import pytest

from leaven.arrays.codes import sort_codes


@pytest.mark.parametrize("highest", [1, 7, 1 << 40, 1 << 62])
@pytest.mark.parametrize("count", [0, 1, 2, 1000])
def test_the_sort_is_stable(highest: int, count: int) -> None:
    codes = np.random.default_rng(5).integers(0, highest, count)
    ascending, places = sort_codes(codes)
    assert places.tolist() == np.argsort(codes, kind="stable").tolist()
    assert ascending.tolist() == sorted(codes.tolist())
