"""Permutations of windows."""

import numpy as np
from tests.unit.kernels.batches import small_batch

from leaven.kernels.permutation import REVERSE, ROTATE, SHUFFLE, SWAP, permute_windows

ROW = [1, 2, 3, 4]


def permute(mode: int, n: int = 1, share: float = 1.0, amount: tuple[float, float] = (0.0, 0.0), tail: int = 0):
    rows = small_batch([ROW] * n)
    items, source = np.zeros(4 * n, np.int32), np.zeros(4 * n, np.int64)
    permute_windows(0, n, rows, mode, (share, share), amount, tail, 1.0, items, source)
    assert (rows.items[source] == items).all()
    return items.reshape(n, 4)


def test_a_reversed_window_spares_the_last_events() -> None:
    assert permute(REVERSE).tolist() == [[4, 3, 2, 1]]
    assert permute(REVERSE, tail=1).tolist() == [[3, 2, 1, 4]]


def test_a_rotation_moves_items_to_the_right() -> None:
    assert permute(ROTATE, amount=(0.25, 0.25)).tolist() == [[4, 1, 2, 3]]


def test_all_orders_of_a_shuffle_are_equally_likely() -> None:
    orders, counts = np.unique(permute(SHUFFLE, n=4_800), axis=0, return_counts=True)
    assert len(orders) == 24
    assert (np.abs(counts - 200) < 5 * np.sqrt(200)).all()


def test_one_swap_of_neighbors_exchanges_two_adjacent_items() -> None:
    rows = permute(SWAP, n=200, share=0.5, amount=(1.0, 1.0))
    assert set(map(tuple, rows.tolist())) == {(2, 1, 3, 4), (1, 3, 2, 4), (1, 2, 4, 3)}
