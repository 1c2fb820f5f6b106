"""Draws from candidate pools, and insertion of the drawn items."""

import numpy as np
from tests.unit.kernels.batches import empty_ints, small_batch

from leaven.kernels.candidate_sampling import CandidatePools, build_alias_slots, draw_candidates, insert_candidates

STARTS = np.array([0, 3, 4], np.int64)
ITEMS = np.array([1, 2, 3, 4], np.int32)
WEIGHTS = np.array([1.0, 2.0, 5.0, 9.0])


def pools(recent: int = 0) -> CandidatePools:
    pool = np.full(11, -1, np.int32)
    pool[1], pool[4] = 0, 1
    return CandidatePools(pool, STARTS, build_alias_slots(STARTS, ITEMS, WEIGHTS), recent)


def test_alias_slots_give_every_candidate_its_weight() -> None:
    slots = build_alias_slots(STARTS, ITEMS, WEIGHTS)
    share = np.zeros(5)
    for first, alias, probability in slots[:3]:
        share[first] += probability / 2**31 / 3
        share[alias] += (1 - probability / 2**31) / 3
    np.testing.assert_allclose(share[1:4], [1 / 8, 2 / 8, 5 / 8], atol=1e-8)
    assert slots[3].tolist() == [4, 4, 2**31 - 1]


def test_marked_events_get_another_item_of_their_pool_by_weight() -> None:
    rows = small_batch([[1, 5, 4]] * 3_000)
    drawn = np.zeros(9_000, np.int32)
    draw_candidates(0, 3_000, rows, np.tile([True, True, True], 3_000), pools(), drawn)
    first, second, third = drawn.reshape(-1, 3).T
    assert set(first.tolist()) == {2, 3}
    assert abs((first == 3).mean() - 5 / 7) < 0.03
    assert (second == 5).all()  # no pool
    assert (third == 4).all()  # no other candidate


def test_unmarked_events_keep_their_item() -> None:
    rows = small_batch([[1, 1]])
    drawn = np.zeros(2, np.int32)
    draw_candidates(0, 1, rows, np.zeros(2, np.bool_), pools(), drawn)
    assert drawn.tolist() == [1, 1]


def test_recent_items_of_the_row_are_drawn() -> None:
    rows = small_batch([[6, 7, 8, 1]] * 300)
    drawn = np.zeros(1_200, np.int32)
    draw_candidates(0, 300, rows, np.tile([False, False, False, True], 300), pools(recent=2), drawn)
    assert set(drawn.reshape(-1, 4)[:, 3].tolist()) == {7, 8}


def test_a_drawn_item_is_inserted_half_way_before_its_event() -> None:
    rows = small_batch([[1, 2], [3]], times=[[10, 20], [5]])
    marked, drawn = np.array([False, True, True]), np.array([1, 8, 9], np.int32)
    items, times, source = np.zeros(5, np.int32), empty_ints(5), empty_ints(5)
    insert_candidates(0, 2, rows, marked, drawn, np.array([0, 3, 5]), items, times, source)
    assert items.tolist() == [1, 8, 2, 9, 3]
    assert times.tolist() == [10, 15, 20, 5, 5]
    assert source.tolist() == [0, -1, 1, -1, 2]
