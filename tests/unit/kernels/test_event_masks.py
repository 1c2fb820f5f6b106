"""Random event masks."""

import numpy as np
from tests.unit.kernels.batches import empty_ints, small_batch

from leaven.kernels.event_masks import copy_unmarked, mark_events, mask_marked

NO_ITEMS, NO_WEIGHTS = np.zeros(0, np.bool_), np.zeros(0, np.float32)
N = 2_000


def mark(share: float, bounds: tuple[int, int, int], able: np.ndarray = NO_ITEMS, weights: np.ndarray = NO_WEIGHTS):
    rows = small_batch([[1, 2, 3, 4]] * N)
    marked, counts = np.ones(4 * N, np.bool_), empty_ints(N)
    mark_events(0, N, rows, (share, share), 1.0, bounds, able, weights, marked, counts)
    marked = marked.reshape(N, 4)
    assert (marked.sum(axis=1) == counts).all()
    return marked


def test_the_share_is_exact_and_every_event_equally_likely() -> None:
    marked = mark(0.5, (2, 0, 0))
    assert (marked.sum(axis=1) == 2).all()
    np.testing.assert_allclose(marked.mean(axis=0), 0.5, atol=0.04)


def test_a_fractional_count_is_rounded_stochastically() -> None:
    assert abs(mark(0.3, (2, 0, 0)).sum(axis=1).mean() - 1.2) < 0.04


def test_last_events_and_spare_events_are_never_marked() -> None:
    marked = mark(1.0, (2, 1, 2))
    assert not marked[:, 3].any()
    assert (marked.sum(axis=1) == 2).all()


def test_only_eligible_items_are_marked() -> None:
    able = np.zeros(11, np.bool_)
    able[[2, 4]] = True
    marked = mark(0.25, (2, 0, 0), able=able)
    np.testing.assert_allclose(marked.mean(axis=0), [0, 0.5, 0, 0.5], atol=0.04)


def test_weights_set_the_probability_of_a_single_mark() -> None:
    weights = np.tile(np.array([1, 2, 3, 4], np.float32), N)
    np.testing.assert_allclose(mark(0.25, (2, 0, 0), weights=weights).mean(axis=0), [0.1, 0.2, 0.3, 0.4], atol=0.04)


def test_too_short_rows_have_no_marks() -> None:
    assert not mark(0.5, (5, 0, 0)).any()


def test_marked_events_are_masked_or_removed() -> None:
    rows, marked = small_batch([[1, 2], [3, 4]]), np.array([True, False, False, True])
    items = np.zeros(4, np.int32)
    mask_marked(0, 2, rows, marked, 10, items)
    assert items.tolist() == [10, 2, 3, 10]
    kept, times, source = np.zeros(2, np.int32), empty_ints(2), empty_ints(2)
    copy_unmarked(0, 2, rows, marked, np.array([0, 1, 2]), kept, times, source)
    assert (kept.tolist(), times.tolist(), source.tolist()) == ([2, 3], [1, 0], [1, 2])
