"""Compiled draws compared with NumPy draws."""

import numpy as np

from leaven import rng
from leaven.kernels.keyed_rng import draw_bits, draw_uniform

KEYS = np.array([0, 1, 7, 2**63, 2**64 - 1, 0x9E3779B97F4A7C15], np.uint64)


def test_compiled_draws_equal_numpy_draws_bit_by_bit() -> None:
    for draw in (0, 1, 2, 1000, 2**31):
        assert [int(draw_bits(key, draw)) for key in KEYS] == rng.draw_bits(KEYS, draw).tolist()
        assert [draw_uniform(key, draw) for key in KEYS] == rng.draw_uniform(KEYS, draw).tolist()
