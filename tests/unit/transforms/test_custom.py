"""Transforms from functions of one history."""

import numpy as np
import pytest

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.errors import DataError, SpecError
from leaven.transforms.sequence.compose import Chain
from leaven.transforms.sequence.custom import make_row_transform
from leaven.transforms.sequence.reorder import Reverse

ROWS = Histories.from_lists([[1, 2, 3], [4], [], [2, 2]], n_items=4)


def shuffled(items, times, generator):
    return generator.permutation(items), times


def changed(wish, rows: Histories, strength: float = 1.0) -> Histories:
    return wish.fit(rows)(
        rows, rng.derive_row_keys(5, rows.row_ids), np.full(len(rows), strength, np.float32)
    ).validate()


def test_the_function_gets_one_history_and_returns_the_new_one() -> None:
    new = changed(make_row_transform(lambda items, times, _: (items[:1], times[:1]), min_events=2), ROWS)
    assert [new.row_items(i).tolist() for i in range(4)] == [[1], [4], [], [2]]


def test_draws_depend_on_the_key_of_the_row_only() -> None:
    rows = Histories.from_lists([list(range(1, 21))] * 50, n_items=20)
    wish, keys = make_row_transform(shuffled), rng.derive_row_keys(5, rows.row_ids)
    whole = changed(wish, rows)
    last = wish.fit(rows)(rows.slice(49, 50), keys[49:], np.ones(1, np.float32))
    assert last.items.tolist() == whole.row_items(49).tolist()
    assert len(np.unique(whole.items.reshape(50, 20), axis=0)) == 50


def test_strength_is_the_probability_that_a_row_changes() -> None:
    rows = Histories.from_lists([list(range(1, 21))] * 2000, n_items=20)
    same = changed(make_row_transform(shuffled, p=0.5), rows, strength=0.5).items.reshape(2000, 20) == np.arange(1, 21)
    assert same.all(axis=1).mean() == pytest.approx(0.75, abs=0.03)


def test_the_function_cannot_modify_the_data() -> None:
    def wiped(items, times, generator):
        items[:] = 1
        return items, times

    rows = Histories.from_lists([[1, 2, 3]], n_items=3)
    assert changed(make_row_transform(wiped), rows).items.tolist() == [1, 1, 1]
    assert rows.items.tolist() == [1, 2, 3]


def test_a_row_transform_works_in_plans_and_combinations() -> None:
    assert changed(Chain((make_row_transform(shuffled), Reverse())), ROWS).lengths.tolist() == [3, 1, 0, 2]


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (lambda items, times: items, "as many times|pair"),
        (lambda items, times: None, "a pair"),
        (lambda items, times: (items[:0], times[:0]), "one or more"),
        (lambda items, times: (items, times[:-1]), "as many times"),
        (lambda items, times: (items * 0, times), "ids in 1..5"),
        (lambda items, times: (items * 0.5, times), "whole ids"),
        (lambda items, times: (items, times[::-1]), "ascending"),
    ],
)
def test_a_result_that_is_no_history_is_refused_with_the_function_name(answer, wanted) -> None:
    def odd(items, times, generator):
        return answer(items, times)

    with pytest.raises(DataError, match=wanted) as caught:
        changed(make_row_transform(odd), Histories.from_lists([[1, 2, 3]], n_items=4))
    assert caught.value.where == "row_transform odd"


def test_other_values_than_functions_are_refused() -> None:
    with pytest.raises(SpecError, match="a function of one history"):
        make_row_transform("shuffle")
