"""Random target positions."""

import numpy as np
from tests.unit.kernels.batches import empty_ints, small_batch

from leaven.kernels.crop import draw_target_positions

N = 4_000


def test_targets_follow_the_item_weights_and_never_are_the_first_event() -> None:
    weights = np.ones(11)
    weights[3] = 2.0
    lasts = empty_ints(N)
    draw_target_positions(0, N, small_batch([[1, 2, 3, 4]] * N), weights, 1.0, lasts)
    share = np.bincount(lasts - 4 * np.arange(N), minlength=4) / N
    np.testing.assert_allclose(share, [0, 0.25, 0.5, 0.25], atol=0.03)


def test_unchanged_rows_keep_their_last_event() -> None:
    lasts = empty_ints(2)
    draw_target_positions(0, 2, small_batch([[1, 2, 3], [1, 2]]), np.ones(11), 0.0, lasts)
    assert lasts.tolist() == [2, 4]
