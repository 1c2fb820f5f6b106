"""Hidden items of shortened rows: pairs, ranks and random draws."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from leaven.datasets.hidden_items import HiddenItems
from leaven.datasets.histories import Histories

N = 6
rows = st.lists(st.lists(st.integers(1, N), max_size=6), min_size=1, max_size=5)


def left(whole: list[int], held: list[int]) -> list[int]:
    return sorted(set(whole) - set(held))


@given(rows, st.data())
def test_hidden_pairs_equal_the_set_difference(whole: list[list[int]], data: st.DataObject) -> None:
    held = [data.draw(st.lists(st.integers(1, N), max_size=4)) for _ in whole]
    unused = HiddenItems.from_histories(Histories.from_lists(whole, N), Histories.from_lists(held, N))
    pairs = list(zip(unused.pair_rows.tolist(), unused.pair_items.tolist(), strict=True))
    assert pairs == [(row, item) for row in range(len(whole)) for item in left(whole[row], held[row])]
    asked = np.array([data.draw(st.integers(1, N)) for _ in whole], np.int32)
    assert unused.is_taken(asked).tolist() == [item in row for item, row in zip(asked.tolist(), whole, strict=True)]


@given(rows, st.data())
def test_the_rank_is_that_of_the_first_hidden_item(whole: list[list[int]], data: st.DataObject) -> None:
    held = [data.draw(st.lists(st.integers(1, N), max_size=4)) for _ in whole]
    listed = np.array([data.draw(st.permutations(range(N + 1)))[:4] for _ in whole], np.int32)
    of_row = np.array([[item in row for item in one] for one, row in zip(listed.tolist(), held, strict=True)])
    unused = HiddenItems.from_histories(Histories.from_lists(whole, N), Histories.from_lists(held, N))
    found, told = unused.find_first_rank(listed), unused.find_first_rank(listed, of_row)
    for row, items in enumerate(listed.tolist()):
        wanted = left(whole[row], held[row])
        places = [place for place, item in enumerate(items, 1) if item in wanted]
        others = [item for item in items if item not in held[row]]
        again = [place for place, item in enumerate(others, 1) if item in wanted]
        if not wanted:
            assert np.isnan(found[row])
            assert np.isnan(told[row])
        else:
            assert found[row] == (places[0] if places else np.inf)
            assert told[row] == (again[0] if again else np.inf)


def test_full_histories_may_cover_selected_rows() -> None:
    unused = HiddenItems.from_histories(
        Histories.from_lists([[4, 5]], N), Histories.from_lists([[1], [4], [2]], N), np.array([1])
    )
    assert (unused.pair_rows.tolist(), unused.pair_items.tolist()) == ([1], [5])
    assert np.isnan(unused.find_first_rank(np.zeros((3, 0), np.int32))).tolist() == [True, False, True]


def test_draws_follow_the_weights_and_are_uniform_without_listed_items() -> None:
    users = 3_000
    whole, held = Histories.from_lists([[1, 2, 3, 4]] * users, N), Histories.from_lists([[1]] * users, N)
    unused = HiddenItems.from_histories(whole, held)
    u = (np.arange(users) + 0.5) / users

    def often(listed: list[int], shares: list[float], fine: np.ndarray | None = None) -> list[int]:
        chosen = np.ones(len(unused.pair_rows), bool) if fine is None else fine
        found = unused.sample_items(np.array([listed] * users, np.int32), np.array([shares] * users), u, chosen)
        return np.bincount(found, minlength=5)[:5].tolist()

    assert often([1, 2, 4], [0.7, 0.1, 0.2]) == [0, 0, 1000, 0, 2000]  # 3 is not listed, others are
    assert often([1, 5], [0.7, 0.3]) == [0, 0, 1000, 1000, 1000]
    assert often([2, 3], [0.5, 0.5], unused.pair_items == 4) == [0, 0, 0, 0, users]
    assert often([2, 3], [0.5, 0.5], np.zeros(len(unused.pair_rows), bool)) == [users, 0, 0, 0, 0]
