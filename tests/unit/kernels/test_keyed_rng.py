"""Compiled draws compared with NumPy draws."""

import numpy as np

from leaven import rng
from leaven.kernels.keyed_rng import derive_copy_keys, draw_bits, draw_uniform

KEYS = np.array([0, 1, 7, 2**63, 2**64 - 1, 0x9E3779B97F4A7C15], np.uint64)


def test_compiled_draws_equal_numpy_draws_bit_by_bit() -> None:
    for draw in (0, 1, 2, 1000, 2**31):
        assert [int(draw_bits(key, draw)) for key in KEYS] == rng.draw_bits(KEYS, draw).tolist()
        assert [draw_uniform(key, draw) for key in KEYS] == rng.draw_uniform(KEYS, draw).tolist()


def test_keys_of_all_copies_in_one_pass_equal_the_keys_of_each_copy() -> None:
    copies = np.array([0, 3, 1, 0, 40, 1])
    keys = derive_copy_keys(2**64 - 7, KEYS, copies, epoch=5)
    one_by_one = [rng.derive_row_keys(2**64 - 7, KEYS[[row]], copy, 5) for row, copy in enumerate(copies.tolist())]
    assert keys.tolist() == np.concatenate(one_by_one).tolist()
    assert len(derive_copy_keys(7, KEYS[:0], copies[:0], 0)) == 0
