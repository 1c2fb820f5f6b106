"""Every registered filter satisfies its contract."""

from dataclasses import replace

import numpy as np
import pytest

from contracts.registered import frozen, wish_of
from leaven import rng
from leaven.datasets.histories import Histories
from leaven.registry import list_kinds
from leaven.simulator import simulate_first_order

KINDS = list(list_kinds("filters"))
ITEMS = 60


def real() -> Histories:
    return frozen(simulate_first_order(ITEMS, rows=300, length=8, seed=1)[0])


def mixture() -> Histories:
    """Rows of the true law, noise, real rows again, unknown items, an empty row, and drifted children of real rows."""
    chance = np.random.default_rng(3)
    good = simulate_first_order(ITEMS, rows=120, length=8, seed=1)[0].take(np.arange(119, -1, -1))
    shuffled = [chance.permutation(good.row_items(i)).tolist() for i in range(60)]
    noise = [chance.integers(1, ITEMS + 1, chance.integers(1, 12)).tolist() for _ in range(60)]
    again = [real().row_items(i).tolist() for i in range(20)]
    rows = [*[good.row_items(i).tolist() for i in range(60)], *shuffled, *noise, *again, [3, ITEMS + 1, 2], []]
    made = Histories.from_lists(rows, ITEMS, row_ids=rng.derive_user_ids([f"new{i}" for i in range(len(rows))]))
    parents = np.zeros(len(rows), np.uint64)
    parents[60:120] = real().row_ids[:60]  # the shuffled rows
    return frozen(replace(made, parents=parents, origin=np.ones(len(rows), np.int16)))


@pytest.mark.parametrize("kind", KINDS)
def test_accepted_rows_are_accepted_again(kind) -> None:
    fitted, new = wish_of("filters", kind)().fit(real(), 7), mixture()
    stays = fitted(new)
    again = fitted(new.take(stays.accepted))
    assert again.accepted.all()
    assert sum(again.rejected.values()) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_every_rejected_row_is_counted_once(kind) -> None:
    new = mixture()
    stays = wish_of("filters", kind)().fit(real(), 7)(new)
    assert stays.accepted.dtype == bool
    assert stays.accepted.shape == (len(new),)
    assert sum(stays.rejected.values()) == int((~stays.accepted).sum())
    assert all(count > 0 for count in stays.rejected.values())


@pytest.mark.parametrize("kind", KINDS)
def test_some_rows_are_accepted_and_some_rejected(kind) -> None:
    mask = wish_of("filters", kind)().fit(real(), 7)(mixture()).accepted
    assert 0 < mask.sum() < len(mask)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_key_fits_the_same_filter(kind) -> None:
    one, two = (wish_of("filters", kind)().fit(real(), 7)(mixture()) for _ in range(2))
    assert one.accepted.tolist() == two.accepted.tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_no_rows_give_an_empty_answer(kind) -> None:
    nothing = wish_of("filters", kind)().fit(real(), 7)(mixture().take(np.zeros(0, np.int64)))
    assert nothing.accepted.shape == (0,)
    assert not nothing.rejected
