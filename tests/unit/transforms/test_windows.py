"""Windows of histories."""

import numpy as np
import pytest

from leaven.datasets.histories import Histories
from leaven.errors import SpecError
from leaven.transforms.sequence.windows import Windows


def split(wish: Windows, rows: Histories) -> list[list[int]]:
    new = wish.fit(rows)(rows, rows.row_ids, np.ones(len(rows), np.float32))
    return [new.row_items(i).tolist() for i in range(len(new))]


FIVE = [1, 2, 3, 4, 5]


def test_prefixes_end_at_every_event_but_the_first() -> None:
    rows = Histories.from_lists([FIVE[:3], FIVE[:2], FIVE[:1], []], n_items=5)
    assert split(Windows(), rows) == [[1, 2], [1, 2, 3], [1, 2], [1], []]
    assert split(Windows(max_events=2), rows)[:2] == [[1, 2], [2, 3]]


def test_suffixes_begin_at_every_event_but_the_last() -> None:
    rows = Histories.from_lists([FIVE[:4]], n_items=5)
    assert split(Windows(rule="suffix"), rows) == [[1, 2, 3, 4], [2, 3, 4], [3, 4]]


def test_sliding_windows_include_the_last_event() -> None:
    rows = Histories.from_lists([FIVE, FIVE[:2]], n_items=5)
    assert split(Windows(rule="slide", max_events=3), rows) == [[1, 2, 3], [2, 3, 4], [3, 4, 5], [1, 2]]
    assert split(Windows(rule="slide", max_events=2, stride=2), rows) == [[2, 3], [4, 5], [1, 2]]
    assert split(Windows(rule="slide", max_events=4, keep_whole=True), rows) == [
        [1, 2, 3, 4],
        [2, 3, 4, 5],
        FIVE,
        [1, 2],
    ]


def test_targets_are_the_last_event_or_all_but_the_first() -> None:
    rows = Histories.from_lists([FIVE], n_items=5)
    ones = np.ones(1, np.float32)
    last = Windows(rule="slide", max_events=3).fit(rows)(rows, rows.row_ids, ones)
    every = Windows(rule="slide", max_events=3, targets="all").fit(rows)(rows, rows.row_ids, ones)
    assert last.n_targets.tolist() == [1, 1, 1]
    assert every.n_targets.tolist() == [2, 2, 2]
    only = Windows(rule="whole").fit(rows)(rows, rows.row_ids, ones)
    assert only.n_targets.tolist() == [1]
    assert only.items.tolist() == FIVE


def test_a_row_that_is_its_only_window_has_a_reason() -> None:
    rows = Histories.from_lists([FIVE, FIVE[:3], FIVE[:2]], n_items=5)
    sliding = Windows(rule="slide", max_events=3, targets="all").fit(rows).reasons(rows)
    assert sliding["shorter than 4 events"].tolist() == [False, True, True]
    assert Windows().fit(rows).reasons(rows)["shorter than 3 events"].tolist() == [False, False, True]


def test_batches_of_an_index_equal_all_its_windows() -> None:
    rows = Histories.from_lists([FIVE, FIVE[:2], FIVE[1:]], n_items=5)
    index = Windows().build_index(rows)
    parts = list(index.iterate_batches(3))
    assert [len(part) for part in parts] == [3, 3, 2]
    assert np.concatenate([part.items for part in parts]).tolist() == index.take_all().items.tolist()
    assert np.concatenate([part.row_ids for part in parts]).tolist() == index.take_all().row_ids.tolist()


def test_an_unknown_rule_names_the_nearest() -> None:
    with pytest.raises(SpecError, match="did you mean 'prefix'"):
        Windows(rule="prefixes")
