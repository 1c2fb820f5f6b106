"""Filters of invalid rows and copies report the right reason."""

from dataclasses import replace

import numpy as np
import pytest

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import Histories
from leaven.errors import FitError, SpecError
from leaven.filters.copies import CopyFilter
from leaven.filters.validity import Validity

TRAIN = Histories.from_lists([[1, 2, 3], [4, 2]], n_items=6, times=[[10, 20, 30], [50, 60]])


def only(row: list[int], times: list[int]) -> Histories:
    return Histories.from_lists([row], n_items=6, times=[times])


def reasons(filter_, train: Histories, new: Histories) -> dict[str, int]:
    return dict(filter_.fit(train, 7)(new).rejected)


@pytest.mark.parametrize(
    ("row", "times", "reason"),
    [
        ([1, 5], [10, 20], "an unknown item"),
        ([1, 9], [10, 20], "an unknown item"),
        ([0, 1], [10, 20], "an unknown item"),
        ([1, 4], [10, 49], "an item before its first day"),
        ([1, 2], [10, 61], "an event after the last training time"),
        ([1, 2], [30, 29], "times out of order"),
        ([], [], "fewer than 1 events"),
        ([1] * 7, [10] * 7, "more than 6 events"),
    ],
)
def test_each_invalid_row_is_rejected_for_its_reason(row, times, reason) -> None:
    assert reasons(Validity(), TRAIN, only(row, times)) == {reason: 1}


def test_a_valid_row_is_accepted_next_to_an_invalid_one() -> None:
    new = Histories.from_lists([[4, 1], [2, 7, 3], [9]], n_items=6, times=[[50, 60], [20, 20, 30], [1]])
    kept = Validity().fit(TRAIN, 7)(new)  # 7 is the mask; row 1 begins before row 0 ends
    assert kept.accepted.tolist() == [True, True, False]


def test_the_catalog_may_hold_items_without_events() -> None:
    born = np.array([0, 99, 99, 99, 99, 40, np.iinfo(np.int64).max])
    train = replace(TRAIN, catalog=Catalog(ids=list("abcdef"), first_sale_times=born))
    assert reasons(Validity(), train, only([5], [39])) == {"an item before its first day": 1}
    assert reasons(Validity(), train, only([5, 1], [40, 45])) == {}  # 1 was taken before its stated day
    assert reasons(Validity(), train, only([6], [60])) == {"an unknown item": 1}


def test_limits_are_configurable() -> None:
    assert reasons(Validity(min_events=2, max_events=9), TRAIN, only([1], [10])) == {"fewer than 2 events": 1}
    with pytest.raises(SpecError):
        Validity(min_events=3, max_events=2)
    with pytest.raises(FitError, match="at least one training event"):
        Validity().fit(TRAIN.slice(0, 0), 7)


def users(rows: list[list[int]], name: str = "u", n_items: int = 99) -> Histories:
    return Histories.from_lists(rows, n_items, row_ids=rng.derive_user_ids([f"{name}{i}" for i in range(len(rows))]))


REAL = users([[1, 2, 3, 4, 5, 6], [7, 8, 9], [20, 21, 22, 23, 30], [20, 21, 22, 23, 31], []])


def test_exact_copies_and_shuffled_copies_are_rejected() -> None:
    new = users([[7, 8, 9], [9, 8, 7], [6, 5, 4, 3, 2, 1], [7, 8], [1, 2, 3, 4, 5, 6, 6]], "new")
    kept = CopyFilter(max_share=1.0).fit(REAL, 7)(new)
    assert kept.accepted.tolist() == [False, True, False, True, True]  # three items in another order: alike by chance
    assert kept.rejected == {"an exact copy of a real row": 1, "the items of a real row in another order": 1}


def test_runs_of_a_single_user_are_traces_and_shared_runs_are_not() -> None:
    new = users([[9, 1, 2, 3, 4, 5], [9, 20, 21, 22, 23, 9], [50, 51, 52, 53, 54]], "new")
    kept = CopyFilter(run_length=4, max_share=0.5).fit(REAL, 7)(new)  # 2 of 3 runs; 1 of 3, which two users share; none
    assert kept.accepted.tolist() == [False, True, True]
    assert kept.rejected == {"mostly runs of 4 items of a single real user": 1}


def test_a_continuation_may_hold_the_runs_of_its_parent() -> None:
    new = users([[1, 2, 3, 4, 5, 6, 40], [1, 2, 3, 4, 5, 6, 40]], "new")
    new = replace(new, parents=np.array([REAL.row_ids[0], REAL.row_ids[1]]))
    assert CopyFilter().fit(REAL, 7)(new).accepted.tolist() == [True, False]


def test_empty_rows_are_no_copies() -> None:
    assert CopyFilter().fit(users([]), 7)(users([[1, 2, 3, 4, 5], []])).accepted.all()
