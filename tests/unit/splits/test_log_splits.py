"""Splits: what is learned from never knows what is asked for."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import HeldOut, Histories
from leaven.datasets.log_names import LogNames
from leaven.errors import DataError, SpecError
from leaven.registry import list_kinds
from leaven.splits.log_splits import LeaveOneOut, Split, TimeSplit, compute_leak_share, split

BEGIN = 1_318_896_000


def world(users: int = 80, items: int = 50, seed: int = 7) -> Histories:
    """Users with 1 to 12 different items each, at random times with some ties."""
    draw = rng.make_generator(rng.derive_key(seed, "split"))
    rows = [draw.permutation(items)[: draw.integers(1, 13)] + 1 for _ in range(users)]
    times = [np.sort(BEGIN + draw.integers(0, 400, len(row))) for row in rows]
    rows, times = [row.tolist() for row in rows], [time.tolist() for time in times]
    return Histories.from_lists(
        rows, items, times, row_ids=rng.derive_user_ids([f"u{n}" for n in range(users)]).tolist()
    )


def events_of(histories: Histories) -> set[tuple[int, int, int]]:
    """(user's key, item, time) of every event."""
    keys = histories.row_ids[histories.event_rows()]
    return set(zip(keys.tolist(), histories.items.tolist(), histories.times.tolist(), strict=True))


def targets_of(part: HeldOut) -> set[tuple[int, int, int]]:
    keys = np.repeat(part.histories.row_ids, np.diff(part.target_starts))
    return set(zip(keys.tolist(), part.target_items.tolist(), part.target_times.tolist(), strict=True))


WISHES = (TimeSplit(), TimeSplit(targets="all", control_share=0.3), LeaveOneOut(), LeaveOneOut(control_share=0.3))


@pytest.mark.parametrize("wish", WISHES)
def test_the_parts_are_disjoint_and_come_from_the_log(wish: TimeSplit | LeaveOneOut) -> None:
    histories = world()
    parts = wish.split(histories, key=3)
    train, valid, test = events_of(parts.train), targets_of(parts.valid), targets_of(parts.test)
    assert train | valid | test <= events_of(histories)
    assert len(train | valid | test) == len(train) + len(valid) + len(test)
    assert not valid & events_of(parts.valid.histories)
    assert not test & events_of(parts.test.histories)
    for part in (parts.train, parts.valid.histories, parts.test.histories):
        part.validate()
    assert (np.diff(parts.test.target_starts) > 0).all()
    if parts.control is not None:
        apart = set(parts.control.histories.row_ids.tolist())
        assert len(apart) > 0
        assert not apart & {row[0] for row in train | valid | test}
        assert not targets_of(parts.control) & events_of(parts.control.histories)
    assert (parts.control is None) == (parts.control_histories is None)


@pytest.mark.parametrize("wish", [TimeSplit(control_share=0.3), LeaveOneOut(control_share=0.3)])
def test_control_histories_are_cut_as_training_rows_and_are_not_in_train(wish: TimeSplit | LeaveOneOut) -> None:
    histories = world()
    parts, whole = wish.split(histories, key=3), replace(wish, control_share=0.0).split(histories, key=3)
    assert parts.control_histories is not None
    assert parts.control_histories.validate().n_events > 0
    assert not events_of(parts.control_histories) & events_of(parts.train)
    assert events_of(parts.control_histories) | events_of(parts.train) == events_of(whole.train)
    assert not set(parts.control_histories.row_ids.tolist()) & set(parts.train.row_ids.tolist())


@pytest.mark.parametrize("targets", ["next", "all"])
def test_a_marker_planted_in_the_future_is_nowhere_in_train(targets: str) -> None:
    histories = world()
    marker = histories.n_items + 1  # an item of its own, so that nothing else can hold it
    times, items = histories.times, histories.items.copy()
    late = times >= np.sort(times)[int(len(times) * 0.8)]
    items[late] = marker
    planted = Histories.from_arrays(items, times, histories.starts, histories.row_ids, marker)
    clean, dirty = (TimeSplit(targets=targets).split(one, 1) for one in (histories, planted))
    assert (dirty.train.items != marker).all()
    assert (dirty.valid.histories.items != marker).all()
    assert (dirty.valid.target_items == marker).all()
    for name in ("items", "times", "starts", "row_ids"):
        assert np.array_equal(getattr(clean.train, name), getattr(dirty.train, name)), name


def test_a_small_time_split() -> None:
    rows = [[1, 2, 3, 4], [1, 3, 4, 4], [2], [5, 1]]
    times = [[1, 2, 7, 9], [1, 8, 8, 10], [3], [9, 10]]
    stamps = [[BEGIN + time for time in row] for row in times]
    # 11 events; places 6 and 8 of the sorted times 1 1 2 3 7 8 8 9 9 10 10
    wish = TimeSplit(valid_share=0.25, test_share=0.25, control_share=0.0)
    parts = wish.split(Histories.from_lists(rows, 5, stamps))
    assert [parts.train.row_items(row).tolist() for row in range(3)] == [[1, 2, 3], [1], [2]]
    assert [(parts.valid.histories.row_items(0).tolist(), parts.valid.target_items.tolist())] == [([1], [3, 4])]
    # the first user takes 4; the second has it already; the last one is not known
    assert parts.test.target_items.tolist() == [4]
    assert parts.test.histories.row_items(0).tolist() == [1, 2, 3]
    names = ("test_targets_seen", "test_users_without_past", "test_users_with_nothing_new")
    assert [parts.facts[name] for name in names] == [1, 1, 1]
    again = TimeSplit(0.25, 0.25, allow_repeats=True, control_share=0.0).split(Histories.from_lists(rows, 5, stamps))
    assert again.test.target_items.tolist() == [4, 4]


def test_next_targets_are_the_first_new_second_and_all_targets_every_new_item() -> None:
    stamps = [[BEGIN + time for time in (0, 1, 2, 3, 4, 90, 91, 91, 92, 93)]]
    rows = [[1, 2, 3, 4, 5, 1, 6, 7, 6, 8]]
    wish = TimeSplit(valid_share=0.1, test_share=0.4, control_share=0.0)
    wide = TimeSplit(valid_share=0.1, test_share=0.4, control_share=0.0, targets="all", allow_repeats=True)
    with pytest.raises(DataError, match="valid"):
        wish.split(Histories.from_lists(rows, 8, stamps))
    assert wide.split(Histories.from_lists(rows, 8, stamps)).test.target_items.tolist() == [6, 7, 8]
    others = [*rows, [2, 3, 9, 9]], [*stamps, [BEGIN + time for time in (0, 1, 90, 90)]]
    near = TimeSplit(valid_share=0.3, test_share=0.3, control_share=0.0).split(
        Histories.from_lists(others[0], 9, others[1])
    )
    assert near.valid.target_items.tolist() == [4]
    assert near.test.target_items.tolist() == [6, 7, 9]


def test_leave_one_out_is_the_last_event_and_the_one_before() -> None:
    parts = split(Histories.from_lists([[1, 2, 3, 4], [5], [2, 3], [4, 5, 1]], n_items=5), "leave_one_out")
    assert [parts.train.row_items(row).tolist() for row in range(4)] == [[1, 2], [5], [2, 3], [4]]
    assert (parts.valid.target_items.tolist(), parts.test.target_items.tolist()) == ([3, 5], [4, 1])
    assert parts.test.histories.row_items(0).tolist() == [1, 2, 3]
    assert parts.facts["users_too_short"] == 2


def test_targets_that_tie_with_the_known_history_are_counted() -> None:
    rows, times = [[1, 2, 3], [1, 2, 3]], [[1, 5, 5], [1, 2, 3]]
    assert split(Histories.from_lists(rows, 3, times), "leave_one_out").facts["test_targets_on_a_tie"] == 1


def test_control_users_are_the_same_in_any_order() -> None:
    histories = world()
    shuffled = histories.take(np.arange(len(histories))[::-1].copy())
    wish = TimeSplit(control_share=0.25)
    ours, theirs = wish.split(histories, 5).control, wish.split(shuffled, 5).control
    other = wish.split(histories, 6).control
    assert ours is not None
    assert theirs is not None
    assert other is not None
    assert targets_of(ours) == targets_of(theirs) != targets_of(other)


def test_release_times_come_from_the_catalog_or_from_training() -> None:
    unknown = np.iinfo(np.int64).min
    catalog = Catalog(["a", "b", "c", "d"], first_sale_times=np.array([unknown, BEGIN - 5, unknown, unknown, unknown]))
    rows, times = [[1, 2], [2, 3], [2, 4]], [[BEGIN, BEGIN + 1], [BEGIN + 2, BEGIN + 8], [BEGIN + 3, BEGIN + 9]]
    histories = Histories.from_lists(rows, 4, times)
    parts = TimeSplit(0.16, 0.16, control_share=0.0).split(Histories(**{**vars(histories), "catalog": catalog}))
    found = parts.train.catalog
    assert found is not None
    assert found.first_sale_times is not None
    assert found.first_sale_times[1:].tolist() == [BEGIN - 5, BEGIN + 1, unknown, unknown]
    assert parts.test.histories.catalog is parts.valid.histories.catalog is found


def test_the_leak_is_the_mean_share_of_training_after_the_target() -> None:
    # both users learn from 1 event; the first one is tested at 3, before the training event at 9
    histories = Histories.from_lists([[1, 2, 3], [1, 2, 3]], 3, [[1, 2, 3], [9, 10, 11]])
    assert compute_leak_share(histories) == (1 / 2 + 0 / 2) / 2
    assert compute_leak_share(Histories.from_lists([[1, 2]], 2)) is None


@pytest.mark.parametrize("kind", ["time", "leave_one_out"])
def test_users_with_one_event_leave_no_targets(kind: str) -> None:
    with pytest.raises(DataError, match=r"split, (valid|test|train)") as caught:
        split(Histories.from_lists([[1], [2], [1]], 2, [[BEGIN], [BEGIN + 1], [BEGIN + 2]]), kind)
    assert "→" in str(caught.value)


def test_no_events_and_invalid_configs_are_errors_with_the_key() -> None:
    with pytest.raises(DataError, match="events"):
        split(Histories.from_lists([], 3))
    wishes: list[tuple[Any, str]] = [
        (lambda: TimeSplit(valid_share=0.0), "valid_share"),
        (lambda: TimeSplit(valid_share=0.5, test_share=0.5), "less than 1"),
        (lambda: TimeSplit(targets="nxt"), "did you mean 'next'"),
        (lambda: LeaveOneOut(control_share=1.0), "control_share"),
        (lambda: split(world(), "tiem"), "did you mean 'time'"),
    ]
    for wish, words in wishes:
        with pytest.raises(SpecError, match=words):
            wish()


def test_a_log_without_a_clock_is_reported() -> None:
    rows = [[1, 2, 3, 4, 5, 6, 7, 8]] * 4
    facts = TimeSplit(0.25, 0.25, control_share=0.0, allow_repeats=True).split(Histories.from_lists(rows, 8)).facts
    assert "leave_one_out" in facts["clock"]


def test_all_kinds_are_registered() -> None:
    assert set(list_kinds("splits")) == {"given", "leave_one_out", "time"}


@settings(deadline=None, max_examples=60)
@given(
    rows=st.lists(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 9)), max_size=7), min_size=1, max_size=8),
    every=st.booleans(),
    repeats=st.booleans(),
)
def test_any_log_is_split_correctly_or_is_an_error(
    rows: list[list[tuple[int, int]]], every: bool, repeats: bool
) -> None:
    rows = [sorted(row, key=lambda event: event[1]) for row in rows]
    items, times = [[event[0] for event in row] for row in rows], [[event[1] for event in row] for row in rows]
    histories = Histories.from_lists(items, 5, times)
    wish = TimeSplit(0.3, 0.3, "all" if every else "next", repeats, control_share=0.2)
    for one in (wish, LeaveOneOut(allow_repeats=repeats)):
        try:
            parts = one.split(histories, 1)
        except DataError:
            continue
        _lawful(parts, isinstance(one, TimeSplit), repeats)


def _lawful(parts: Split, by_time: bool, repeats: bool) -> None:
    for part in (parts.valid, parts.test):
        assert (np.diff(part.target_starts) > 0).all()
        assert (part.histories.lengths > 0).all()
        for row in range(len(part)):
            asked = part.target_items[part.target_starts[row] : part.target_starts[row + 1]].tolist()
            assert len(set(asked)) == len(asked)
            assert repeats or not set(asked) & set(part.histories.row_items(row).tolist())
    if by_time:
        assert parts.train.times.max() < parts.valid.target_times.min()
        assert parts.valid.target_times.max() < parts.test.target_times.min()
        assert parts.test.histories.times.max() < parts.test.target_times.min()


def rows_with_carts() -> Histories:
    """Carts (code 1) and purchases (code 0) of two users; the second one buys an item that was in the cart."""
    rows = Histories.from_lists([[1, 2, 3, 4], [1, 5, 2, 5]], 5)
    names = replace(LogNames.from_users(rows.row_ids, ["a", "b"]), kinds=["buy", "cart"])
    return replace(rows, extra={"kind": np.array([0, 0, 1, 1, 0, 1, 0, 0])}, names=names)


def test_targets_are_events_of_the_target_kind_that_are_new_with_this_kind() -> None:
    test = LeaveOneOut(target_kind="buy").split(rows_with_carts()).test
    assert test.target_items.tolist() == [5]
    assert test.histories.row_items(0).tolist() == [1, 5, 2]


def test_an_unknown_target_kind_names_the_nearest() -> None:
    with pytest.raises(SpecError, match="buy"):
        LeaveOneOut(target_kind="buyy").split(rows_with_carts())


def test_a_target_kind_of_a_log_without_kinds_is_an_error() -> None:
    with pytest.raises(DataError, match="kinds of events"):
        LeaveOneOut(target_kind="buy").split(Histories.from_lists([[1, 2, 3]], 3))
