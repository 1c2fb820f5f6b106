"""Substitution and insertion create no repeat in a log that has none."""

from itertools import pairwise

import numpy as np
import pytest

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.transforms.sequence.repeat_rule import RepeatRule
from leaven.transforms.sequence.substitution import Insert, Substitute

N_ITEMS = 12


def make_rows(has_repeats: bool, n_rows: int = 300) -> Histories:
    draw = np.random.default_rng(5)
    rows = [draw.choice(N_ITEMS, 6, replace=False) + 1 for _ in range(n_rows)]
    if has_repeats:  # far from each other, never next to each other
        rows = [np.append(row, row[0]) for row in rows]
    return Histories.from_lists([row.tolist() for row in rows], n_items=N_ITEMS)


def apply_twice(config: Substitute | Insert, rows: Histories) -> Histories:
    keys = rng.derive_row_keys(7, rows.row_ids)
    return config.fit(rows)(rows, keys, np.ones(len(rows), np.float32))


def has_adjacent_repeat(row: list[int]) -> bool:
    return any(one == other for one, other in pairwise(row))


@pytest.mark.parametrize("kind", [Substitute, Insert])
@pytest.mark.parametrize("source", ["similar", "popular", "random"])
def test_a_log_without_repeats_gets_none(kind: type, source: str) -> None:
    rows = make_rows(has_repeats=False)
    new = apply_twice(kind(share_range=(0.5, 0.9), source=source), rows)
    items = [new.row_items(row).tolist() for row in range(len(new))]
    assert all(len(set(row)) == len(row) for row in items)
    assert sum(row != rows.row_items(index).tolist() for index, row in enumerate(items)) > 250


@pytest.mark.parametrize("kind", [Substitute, Insert])
@pytest.mark.parametrize("source", ["similar", "popular", "random", "recent"])
def test_a_log_without_adjacent_repeats_gets_no_adjacent_ones(kind: type, source: str) -> None:
    new = apply_twice(kind(share_range=(0.5, 0.9), source=source), make_rows(has_repeats=True))
    assert not any(has_adjacent_repeat(new.row_items(row).tolist()) for row in range(len(new)))


def test_a_log_with_adjacent_repeats_is_drawn_from_as_it_is() -> None:
    rows = Histories.from_lists([[1, 1, 2], [3, 2]], n_items=3)
    assert RepeatRule.fit(rows, False, False) == RepeatRule(True, True, False)


def test_a_new_item_without_another_candidate_is_left_out() -> None:
    rows = Histories.from_lists([[1, 2]], n_items=2)
    rule = RepeatRule.fit(rows, inserts=True, draws_own_items=False)
    marked, drawn = rule.draw_items(rows, rows.row_ids, np.array([False, True]), lambda *_: np.array([1, 1], np.int32))
    assert marked.tolist() == [False, False]
    assert drawn.tolist()[1] == 2
