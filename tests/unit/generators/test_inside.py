"""New events are inserted between real ones, at times between them, and real events stay."""

from dataclasses import replace

import numpy as np
import pytest

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.generators.sequence.event_timing import compute_time_quantiles, insert_events, replace_events


def keys(count: int) -> np.ndarray:
    return rng.derive_user_ids([f"new{i}" for i in range(count)])


def rows() -> Histories:
    return Histories.from_lists([[1, 2, 3], [4], [], [5, 6]], 9, times=[[0, 100, 200], [7], [], [10, 20]])


def test_time_quantiles_are_those_of_events_between_their_neighbors() -> None:
    train = Histories.from_lists([[1, 2, 3]] * 4, 3, times=[[0, 10, 40]] * 2 + [[0, 30, 40]] * 2)
    law = compute_time_quantiles(train)
    assert law.min() == 10 / 40
    assert law.max() == 30 / 40
    assert compute_time_quantiles(Histories.from_lists([[1, 2]], 2)).tolist() == np.linspace(0, 1, 257).tolist()


def test_events_are_inserted_between_real_ones_in_time_order() -> None:
    frame = insert_events(keys(4), rows(), (2, 2), np.linspace(0, 1, 257))
    assert np.diff(frame.starts).tolist() == [5, 3, 2, 4]
    assert frame.has_times
    for row in range(4):
        own = slice(frame.starts[row], frame.starts[row + 1])
        known = frame.source_index[own] >= 0
        assert frame.items[own][known].tolist() == rows().row_items(row).tolist()
        assert (np.diff(frame.times[own]) >= 0).all()
        if row in (0, 3):
            assert known[0]
            assert known[-1]
    assert frame.times[5:8].tolist() == [7, 7, 7]


def test_insert_positions_are_uniform() -> None:
    many = Histories.from_lists([[1, 2, 3]] * 400, 9, times=[[0, 100, 200]] * 400)
    frame = insert_events(keys(400), many, (1, 1), np.linspace(0, 1, 257))
    new = frame.times[frame.source_index < 0]
    assert (new < 100).mean() == pytest.approx(0.5, abs=0.08)
    assert np.quantile(new, [0.25, 0.75]) == pytest.approx([50, 150], abs=15)


def test_a_share_of_items_is_removed_and_their_times_stay() -> None:
    many = Histories.from_lists([[1, 2, 3, 4, 5], [6]], 9, times=[[0, 1, 2, 3, 4], [9]])
    frame = replace_events(keys(2), many, 0.4)
    assert frame.times.tolist() == many.times.tolist()
    assert (frame.source_index[:5] < 0).sum() == 2
    assert frame.source_index[5] == -1
    kept = frame.source_index >= 0
    assert frame.items[kept].tolist() == many.items[kept].tolist()
    nothing = replace_events(keys(4), rows(), 0.5)
    assert np.diff(nothing.starts).tolist() == [3, 1, 1, 2]


def test_positions_do_not_depend_on_the_batch() -> None:
    many, own = rows(), keys(4)
    whole, alone = replace_events(own, many, 0.5), replace_events(own[3:], many.take(np.array([3])), 0.5)
    assert (whole.source_index[-2:] < 0).tolist() == (alone.source_index < 0).tolist()
    law = np.linspace(0, 1, 257)
    between = insert_events(own[3:], replace(many.take(np.array([3]))), (1, 3), law)
    assert insert_events(own, many, (1, 3), law).times[-len(between.times) :].tolist() == between.times.tolist()
