"""Every registered strategy satisfies its contract."""

from dataclasses import replace

import numpy as np
import pytest

from contracts.registered import frozen, wish_of
from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import Histories
from leaven.registry import list_kinds

KINDS = list(list_kinds("strategies"))


def world(rows: int = 300, n_items: int = 40) -> Histories:
    chance = np.random.default_rng(1)
    popularity = 1 / np.arange(1, n_items + 1)
    made = [chance.choice(n_items, n, p=popularity / popularity.sum()) + 1 for n in chance.integers(1, 12, rows)]
    category = np.concatenate([[0], 1 + np.arange(n_items) % 5]).astype(np.int32)
    catalog = Catalog(ids=[f"i{i:02d}" for i in range(n_items)], category=category)
    histories = Histories.from_lists(
        [row.tolist() for row in made], n_items, row_ids=rng.derive_user_ids([str(r) for r in range(rows)])
    )
    return frozen(replace(histories, catalog=catalog))


@pytest.mark.parametrize("kind", KINDS)
def test_copies_are_one_count_per_row(kind) -> None:
    copies = wish_of("strategies", kind)()(world(), 7)
    assert copies.dtype == np.int32
    assert copies.shape == (300,)
    assert copies.min() >= 0
    assert copies.sum() > 0


@pytest.mark.parametrize("kind", KINDS)
def test_copies_depend_on_the_key_and_the_row_id_not_on_position(kind) -> None:
    rows, strategy = world(), wish_of("strategies", kind)()
    copies = strategy(rows, 7)
    order = np.random.default_rng(2).permutation(len(rows))
    assert strategy(rows.take(order), 7).tolist() == copies[order].tolist()
    assert strategy(rows, 7).tolist() == copies.tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_the_defaults_add_as_many_rows_as_there_are(kind) -> None:
    assert wish_of("strategies", kind)()(world(), 3).sum() == 300
