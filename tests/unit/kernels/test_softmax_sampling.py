"""Softmax sampling by blocks compared with a softmax in double precision."""

import numpy as np
import pytest

from leaven.kernels.softmax_sampling import build_item_blocks, record_seen_items, sample_from_logits, sample_from_states


def one(u: float, now: int = 9, held: tuple[int, ...] = (), keep_seen: float = 1.0) -> int:
    """A draw among items of probability .1, .4, .3, .2, on sale from 0, 0, 5 and 9."""
    shelves = build_item_blocks(np.zeros((4, 3)), np.log([0.1, 0.4, 0.3, 0.2]), np.array([0, 0, 5, 9]))
    taken = np.full((1, 4), -1, np.int32)
    taken[0, : len(held)] = held
    state = np.ones((1, 3), np.float32)
    return int(sample_from_states(shelves, state, np.array([now]), taken, keep_seen, np.array([u]))[0])


def test_draws_follow_the_probabilities() -> None:
    assert [one(u) for u in (0.0, 0.09, 0.11, 0.49, 0.51, 0.79, 0.81, 1 - 2**-53)] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert [one(u, now=4) for u in (0.19, 0.21, 0.99)] == [0, 1, 1]  # .1 and .4 of .5
    assert [one(u, held=(1,), keep_seen=0.0) for u in (0.16, 0.17, 0.99)] == [0, 2, 3]  # .1, .3 and .2 of .6
    assert [one(u, held=(1,), keep_seen=0.5) for u in (0.12, 0.13, 0.37, 0.38)] == [0, 1, 1, 2]  # .2 of .8
    assert [one(u, held=(0, 1, 2, 3), keep_seen=0.0) for u in (0.09, 0.11)] == [0, 1]  # repeats are allowed
    assert one(0.99, now=-1) == 3  # nothing is on sale yet


@pytest.mark.parametrize(("items", "width"), [(5, 3), (256, 8), (1000, 7)])
def test_draws_equal_those_in_double_precision(items, width) -> None:
    chance = np.random.default_rng(items)
    vectors, bias = chance.normal(0, 2, (items, width)), chance.normal(-60, 30, items)  # far apart: no overflow
    states, born = chance.normal(0, 2, (300, width)), chance.integers(0, 100, items)
    now, u = chance.integers(100, 120, 300), chance.random(300)
    held = np.full((300, 6), -1, np.int32)
    record_seen_items(held, np.arange(300).repeat(4), chance.integers(0, items, 1200))
    shelves = build_item_blocks(vectors, bias, born)
    taken = np.zeros((300, items), np.uint8)
    np.put_along_axis(taken, np.where(held < 0, held[:, :1], held), 1, axis=1)
    order = shelves.item_order
    logits = (states @ vectors.T + bias)[:, order]
    wanted = order[sample_from_logits(np.ascontiguousarray(logits), born[order], now, taken[:, order].copy(), 0.2, u)]
    found = sample_from_states(shelves, states.astype(np.float32), now, held, 0.2, u)
    assert (found == wanted).mean() > 0.98  # single precision moves a boundary by a millionth


def test_the_item_of_a_row_does_not_depend_on_other_rows() -> None:
    chance = np.random.default_rng(1)
    shelves = build_item_blocks(chance.normal(size=(700, 9)), chance.normal(size=700), chance.integers(0, 9, 700))
    states, now, u = chance.normal(size=(50, 9)).astype(np.float32), np.full(50, 5), chance.random(50)
    nothing = np.full((50, 0), -1, np.int32)
    whole = sample_from_states(shelves, states, now, nothing, 1.0, u)
    alone = [
        sample_from_states(shelves, states[i : i + 1], now[:1], nothing[:1], 1.0, u[i : i + 1])[0] for i in range(50)
    ]
    assert whole.tolist() == alone


def test_seen_items_are_recorded_once() -> None:
    held = np.full((2, 3), -1, np.int32)
    record_seen_items(held, np.array([0, 0, 1, 0]), np.array([7, 7, 5, 2]))
    assert held.tolist() == [[7, 2, -1], [5, -1, -1]]
