"""Hidden items of shortened rows: pairs, ranks and random draws."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from leaven.datasets.hidden_items import Unused
from leaven.datasets.histories import Histories

N = 6
rows = st.lists(st.lists(st.integers(1, N), max_size=6), min_size=1, max_size=5)


def left(whole: list[int], held: list[int]) -> list[int]:
    return sorted(set(whole) - set(held))


@given(rows, st.data())
def test_hidden_pairs_equal_the_set_difference(whole: list[list[int]], data: st.DataObject) -> None:
    held = [data.draw(st.lists(st.integers(1, N), max_size=4)) for _ in whole]
    unused = Unused.of(Histories.of(whole, N), Histories.of(held, N))
    pairs = list(zip(unused.row.tolist(), unused.items.tolist(), strict=True))
    assert pairs == [(row, item) for row in range(len(whole)) for item in left(whole[row], held[row])]
    asked = np.array([data.draw(st.integers(1, N)) for _ in whole], np.int32)
    assert unused.took(asked).tolist() == [item in row for item, row in zip(asked.tolist(), whole, strict=True)]


@given(rows, st.data())
def test_the_rank_is_that_of_the_first_hidden_item(whole: list[list[int]], data: st.DataObject) -> None:
    held = [data.draw(st.lists(st.integers(1, N), max_size=4)) for _ in whole]
    listed = np.array([data.draw(st.permutations(range(N + 1)))[:4] for _ in whole], np.int32)
    of_row = np.array([[item in row for item in one] for one, row in zip(listed.tolist(), held, strict=True)])
    unused = Unused.of(Histories.of(whole, N), Histories.of(held, N))
    found, told = unused.best(listed), unused.best(listed, of_row)
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
    unused = Unused.of(Histories.of([[4, 5]], N), Histories.of([[1], [4], [2]], N), np.array([1]))
    assert (unused.row.tolist(), unused.items.tolist()) == ([1], [5])
    assert np.isnan(unused.best(np.zeros((3, 0), np.int32))).tolist() == [True, False, True]


def test_draws_follow_the_weights_and_are_uniform_without_listed_items() -> None:
    users = 3_000
    whole, held = Histories.of([[1, 2, 3, 4]] * users, N), Histories.of([[1]] * users, N)
    unused = Unused.of(whole, held)
    u = (np.arange(users) + 0.5) / users

    def often(listed: list[int], shares: list[float], fine: np.ndarray | None = None) -> list[int]:
        chosen = np.ones(len(unused.row), bool) if fine is None else fine
        found = unused.drawn(np.array([listed] * users, np.int32), np.array([shares] * users), u, chosen)
        return np.bincount(found, minlength=5)[:5].tolist()

    assert often([1, 2, 4], [0.7, 0.1, 0.2]) == [0, 0, 1000, 0, 2000]  # 3 is not listed, others are
    assert often([1, 5], [0.7, 0.3]) == [0, 0, 1000, 1000, 1000]
    assert often([2, 3], [0.5, 0.5], unused.items == 4) == [0, 0, 0, 0, users]
    assert often([2, 3], [0.5, 0.5], np.zeros(len(unused.row), bool)) == [users, 0, 0, 0, 0]
