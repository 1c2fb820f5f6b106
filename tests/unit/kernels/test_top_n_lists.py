"""Top-n lists by popularity and by neighbors."""

import numpy as np

from leaven.arrays.parallel import freeze_array
from leaven.kernels.top_n_lists import NeighborLists, fill_neighbor_lists, fill_popular_lists

ORDER = np.array([3, 1, 2, 4], np.int32)
NEIGHBORS = NeighborLists(
    *(
        freeze_array(array)
        for array in (
            np.array([0, 0, 2, 3, 3, 3]),  # 1 -> 2 and 4, 2 -> 4
            np.array([2, 4, 4], np.int32),
            np.array([0.5, 0.25, 1.0], np.float32),
            ORDER,
            np.array([0, 0.02, 0.01, 0.03, 0.0]),
        )
    )
)


def near(history: list[int], k: int, repeats: bool = False) -> tuple[list[int], np.ndarray]:
    items, scores = np.zeros((1, k), np.int32), np.full((1, k), -np.inf, np.float32)
    past, starts = freeze_array(np.array(history, np.int32)), freeze_array(np.array([0, len(history)]))
    fill_neighbor_lists(NEIGHBORS, past, starts, freeze_array(np.array([1.0, 0.5])), repeats, items, scores)
    return items[0].tolist(), scores[0]


def test_popular_lists_skip_the_history_unless_repeats_are_allowed() -> None:
    items, starts = np.array([3, 2], np.int32), np.array([0, 2, 2])
    out = np.zeros((2, 3), np.int32)
    fill_popular_lists(freeze_array(ORDER), freeze_array(items), freeze_array(starts), False, out)
    assert out.tolist() == [[1, 4, 0], [3, 1, 2]]
    out[:] = 0
    fill_popular_lists(freeze_array(ORDER), freeze_array(items), freeze_array(starts), True, out)
    assert out.tolist() == [[3, 1, 2], [3, 1, 2]]


def test_neighbor_lists_sum_similarities_by_recency() -> None:
    items, scores = near([2, 1], 3)  # 4: 1 * 0.25 + 0.5 * 1
    assert items == [4, 3, 0]
    np.testing.assert_allclose(scores[:2], [0.75, 0.03], rtol=1e-6)
    assert scores[2] == -np.inf


def test_repeats_allow_items_of_the_history() -> None:
    assert near([2, 1], 2, repeats=True)[0] == [4, 2]


def test_unknown_items_and_empty_histories_give_popular_items() -> None:
    assert near([9], 2)[0] == [3, 1]
    assert near([], 2)[0] == [3, 1]
