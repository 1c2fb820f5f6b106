"""New events are inserted between real ones, at times between them, and real events stay."""

from dataclasses import replace

import numpy as np
import pytest

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.generators.sequence.infilling import among, in_place_of, inside_law


def keys(count: int) -> np.ndarray:
    return rng.user_keys([f"new{i}" for i in range(count)])


def rows() -> Histories:
    return Histories.of([[1, 2, 3], [4], [], [5, 6]], 9, times=[[0, 100, 200], [7], [], [10, 20]])


def test_time_quantiles_are_those_of_events_between_their_neighbors() -> None:
    train = Histories.of([[1, 2, 3]] * 4, 3, times=[[0, 10, 40]] * 2 + [[0, 30, 40]] * 2)
    law = inside_law(train)
    assert law.min() == 10 / 40
    assert law.max() == 30 / 40
    assert inside_law(Histories.of([[1, 2]], 2)).tolist() == np.linspace(0, 1, 257).tolist()


def test_events_are_inserted_between_real_ones_in_time_order() -> None:
    frame = among(keys(4), rows(), (2, 2), np.linspace(0, 1, 257))
    assert np.diff(frame.starts).tolist() == [5, 3, 2, 4]
    assert frame.timed
    for row in range(4):
        own = slice(frame.starts[row], frame.starts[row + 1])
        known = frame.source[own] >= 0
        assert frame.items[own][known].tolist() == rows().row(row).tolist()
        assert (np.diff(frame.times[own]) >= 0).all()
        if row in (0, 3):
            assert known[0]
            assert known[-1]
    assert frame.times[5:8].tolist() == [7, 7, 7]


def test_insert_positions_are_uniform() -> None:
    many = Histories.of([[1, 2, 3]] * 400, 9, times=[[0, 100, 200]] * 400)
    frame = among(keys(400), many, (1, 1), np.linspace(0, 1, 257))
    new = frame.times[frame.source < 0]
    assert (new < 100).mean() == pytest.approx(0.5, abs=0.08)
    assert np.quantile(new, [0.25, 0.75]) == pytest.approx([50, 150], abs=15)


def test_a_share_of_items_is_removed_and_their_times_stay() -> None:
    many = Histories.of([[1, 2, 3, 4, 5], [6]], 9, times=[[0, 1, 2, 3, 4], [9]])
    frame = in_place_of(keys(2), many, 0.4)
    assert frame.times.tolist() == many.times.tolist()
    assert (frame.source[:5] < 0).sum() == 2
    assert frame.source[5] == -1
    kept = frame.source >= 0
    assert frame.items[kept].tolist() == many.items[kept].tolist()
    nothing = in_place_of(keys(4), rows(), 0.5)
    assert np.diff(nothing.starts).tolist() == [3, 1, 1, 2]


def test_positions_do_not_depend_on_the_batch() -> None:
    many, own = rows(), keys(4)
    whole, alone = in_place_of(own, many, 0.5), in_place_of(own[3:], many.take(np.array([3])), 0.5)
    assert (whole.source[-2:] < 0).tolist() == (alone.source < 0).tolist()
    law = np.linspace(0, 1, 257)
    between = among(own[3:], replace(many.take(np.array([3]))), (1, 3), law)
    assert among(own, many, (1, 3), law).times[-len(between.times) :].tolist() == between.times.tolist()
