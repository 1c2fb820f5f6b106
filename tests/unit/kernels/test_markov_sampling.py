"""Sampled continuations of a deterministic chain."""

import numpy as np

from leaven import rng
from leaven.kernels.inter_event_times import fit_gap_model
from leaven.kernels.markov import count_transitions
from leaven.kernels.markov_sampling import SaleOrder, sample_events
from leaven.kernels.time_popularity import fit_time_popularity

N = 200
ITEMS = np.tile(np.array([1, 2, 3], np.int32), 100)
TIMES, STARTS = np.arange(0, 3_000, 10), np.array([0, 300])


def sample(born: tuple[int, int, int] = (0, 0, 0), keep_seen: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Rows [1, ?, ?] with their times."""
    first_sale = np.array([2**62, *born, 2**62])
    order = np.argsort(first_sale[1:4], kind="stable").astype(np.int32) + np.int32(1)
    shelf = SaleOrder(first_sale, order, first_sale[order], np.array([100.0, 200.0, 300.0]), keep_seen)
    clock = fit_gap_model(ITEMS, TIMES, STARTS, np.zeros(5, np.int32), 1)
    chain = count_transitions(ITEMS, STARTS, 3, 1, concentration=1e-6)
    items, times = np.tile(np.array([1, 0, 0], np.int32), N), np.zeros(3 * N, np.int64)
    keys = rng.derive_row_keys(1, np.arange(N, dtype=np.uint64))
    fashion = fit_time_popularity(ITEMS, TIMES, 3)._replace(global_share=1.0)
    sample_events(chain, fashion, clock, shelf, keys, np.arange(0, 3 * N + 1, 3), np.ones(N, np.int64), items, times)
    return items.reshape(N, 3), times.reshape(N, 3)


def test_continuations_follow_the_chain_and_its_gaps() -> None:
    items, times = sample()
    assert (items == [1, 2, 3]).all()
    assert (np.diff(times) == 10).all()


def test_items_not_on_sale_are_never_drawn() -> None:
    items, _ = sample(born=(0, 2**40, 0))
    assert not (items == 2).any()


def test_without_repeats_new_items_are_distinct() -> None:
    items, _ = sample(born=(0, 2**40, 0), keep_seen=0.0)
    assert (items[:, 1] == 3).all()  # the only other item on sale
