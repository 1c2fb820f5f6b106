"""Changes of timestamps."""

import numpy as np
import pytest

from leaven import rng
from leaven.datasets.histories import Histories, concat_histories
from leaven.errors import DataError, SpecError
from leaven.transforms.sequence.time_warping import Jitter, Scale, Shift, Warp

TIMES = [1000, 1100, 1400, 2000]
KINDS = [Scale(), Warp(), Jitter(), Shift()]


def rows(count: int = 1) -> Histories:
    return Histories.from_lists([[1, 2, 3, 4]] * count, n_items=4, times=[TIMES] * count)


def moved(wish, on: Histories, strength: float = 1.0) -> np.ndarray:
    fitted = wish.fit(rows())  # the last second of training is 2000
    new = fitted(on, rng.derive_row_keys(5, on.row_ids), np.full(len(on), strength, np.float32))
    return new.validate().times.reshape(len(on), -1)


def test_scale_keeps_the_anchor_and_multiplies_every_gap() -> None:
    assert moved(Scale((2.0, 2.0)), rows()).tolist() == [[0, 200, 800, 2000]]
    assert moved(Scale((0.5, 0.5), anchor="first"), rows()).tolist() == [[1000, 1050, 1200, 1500]]
    assert moved(Scale((0.5, 0.5), anchor="middle"), rows()).tolist() == [[1050, 1100, 1250, 1550]]


def test_half_the_strength_is_half_the_logarithm() -> None:
    assert moved(Scale((4.0, 4.0)), rows(), strength=0.5).tolist() == [[0, 200, 800, 2000]]


def test_nothing_moves_beyond_the_last_second_of_training() -> None:
    assert moved(Scale((3.0, 3.0), anchor="first"), rows()).tolist() == [[1000, 1300, 2000, 2000]]
    late = moved(Shift((500.0, 500.0)), rows())
    assert late.tolist() == [TIMES]  # the whole row is held back, its waits stay


def test_a_row_from_after_training_may_keep_its_own_end() -> None:
    later = Histories.from_lists([[1, 2]], n_items=4, times=[[5000, 6000]])
    assert moved(Shift((100.0, 100.0)), later).tolist() == [[5000, 6000]]
    assert moved(Shift((-100.0, -100.0)), later).tolist() == [[4900, 5900]]


def test_warp_keeps_both_ends_and_changes_times_between() -> None:
    warped = moved(Warp(), rows(500))
    assert (warped[:, [0, -1]] == [1000, 2000]).all()
    assert len(np.unique(warped[:, 1])) > 50
    assert moved(Warp((2.0, 2.0)), rows()).tolist() == [TIMES]  # the same speed everywhere is no warp


def test_jitter_moves_at_most_half_way_to_adjacent_events() -> None:
    jittered = moved(Jitter((300.0, 300.0)), rows(2000))
    away = jittered - np.array(TIMES)
    np.testing.assert_allclose(away.min(axis=0), [-300, -50, -150, -300], atol=2)
    # the last second of training bounds the last event
    np.testing.assert_allclose(away.max(axis=0), [50, 150, 300, 0], atol=2)


@pytest.mark.parametrize("wish", KINDS, ids=lambda wish: type(wish).__name__)
def test_data_without_timestamps_raises(wish) -> None:
    with pytest.raises(DataError, match="name the time column"):
        wish.fit(Histories.from_lists([[1, 2], [1, 2, 3]], n_items=3))


def test_the_last_second_is_that_of_real_rows() -> None:
    made = Histories.from_lists([[1, 2]], n_items=4, times=[[8000, 9000]])
    made.origin[:] = 2
    assert Shift().fit(concat_histories([rows(), made])).last_second == 2000


def test_rows_within_one_second_have_a_reason() -> None:
    tied = Histories.from_lists([[1, 2, 3], [1, 2, 3]], n_items=4, times=[[50, 50, 50], [50, 51, 52]])
    assert Scale().fit(rows()).reasons(tied)["all events at the same second"].tolist() == [True, False]
    assert "all events at the same second" not in Jitter().fit(rows()).reasons(tied)


@pytest.mark.parametrize(
    ("make", "where"),
    [
        (lambda: Scale(factor_range=(0.0, 1.0)), "scale.factor_range"),
        (lambda: Scale(anchor="end"), "scale.anchor"),
        (lambda: Warp(knots=0), "warp.knots"),
        (lambda: Jitter(seconds_range=(-1.0, 1.0)), "jitter.seconds_range"),
        (lambda: Shift(seconds_range=(1.0, -1.0)), "shift.seconds_range"),
    ],
)
def test_a_wrong_field_is_named(make, where) -> None:
    with pytest.raises(SpecError, match=where):
        make()
