"""Do the small chains follow the transitions that they hand over?"""

import numpy as np

from leaven.simulator import simulate_first_order, simulate_second_order


def test_first_order_rows_follow_their_transitions() -> None:
    histories, law = simulate_first_order(n_items=4, rows=2000, length=12, seed=1)
    items = histories.validate().items.reshape(2000, 12)
    counts = np.zeros((4, 4))
    np.add.at(counts, (items[:, :-1].ravel() - 1, items[:, 1:].ravel() - 1), 1)
    np.testing.assert_allclose(counts / counts.sum(axis=1, keepdims=True), law, atol=0.03)


def test_second_order_rows_follow_their_transitions() -> None:
    histories, law = simulate_second_order(n_items=3, rows=4000, length=12, seed=1)
    items = histories.validate().items.reshape(4000, 12) - 1
    counts = np.zeros((3, 3, 3))
    np.add.at(counts, (items[:, :-2].ravel(), items[:, 1:-1].ravel(), items[:, 2:].ravel()), 1)
    many = counts.sum(axis=2) > 1000
    assert many.any()
    np.testing.assert_allclose((counts / counts.sum(axis=2, keepdims=True))[many], law[many], atol=0.06)


def test_the_same_seed_gives_the_same_chain() -> None:
    one, two, other = (simulate_second_order(5, 10, 8, seed)[0].items.tobytes() for seed in (1, 1, 2))
    assert one == two != other
