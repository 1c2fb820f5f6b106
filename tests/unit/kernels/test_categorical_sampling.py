"""Categorical draws from logits with sale times and a factor for seen items."""

import numpy as np

from leaven.kernels.softmax_sampling import sample_from_logits

LOGITS = np.log([[0.1, 0.4, 0.3, 0.2]])
FIRST_SALE = np.array([0, 0, 5, 9])


def draw(u: float, now: int = 9, seen: tuple[int, ...] = (), factor: float = 1.0) -> int:
    held = np.zeros((1, 4), np.uint8)
    held[0, list(seen)] = 1
    return int(sample_from_logits(LOGITS, FIRST_SALE, np.array([now]), held, factor, np.array([u]))[0])


def test_draws_follow_the_probabilities() -> None:
    assert [draw(u) for u in (0.0, 0.09, 0.11, 0.49, 0.51, 0.79, 0.81, 1 - 2**-53)] == [0, 0, 1, 1, 2, 2, 3, 3]


def test_items_not_on_sale_are_excluded_unless_all_are() -> None:
    assert [draw(u, now=4) for u in (0.19, 0.21, 0.99)] == [0, 1, 1]
    assert draw(0.99, now=-1) == 3


def test_seen_items_are_scaled_unless_all_are_seen() -> None:
    assert [draw(u, seen=(1,), factor=0.0) for u in (0.16, 0.17, 0.99)] == [0, 2, 3]
    assert [draw(u, seen=(1,), factor=0.5) for u in (0.12, 0.13, 0.37, 0.38)] == [0, 1, 1, 2]
    assert [draw(u, seen=(0, 1, 2, 3), factor=0.0) for u in (0.09, 0.11)] == [0, 1]


def test_no_columns_mean_that_nothing_is_seen() -> None:
    nothing = np.zeros((1, 0), np.uint8)
    assert sample_from_logits(LOGITS, FIRST_SALE, np.array([9]), nothing, 0.0, np.array([0.3])).tolist() == [1]
