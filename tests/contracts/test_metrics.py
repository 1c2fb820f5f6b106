"""Every registered metric satisfies its contract."""

from importlib import import_module

import numpy as np
import pytest

from leaven.datasets.histories import HeldOut, Histories
from leaven.metrics.metric_names import is_catalog_metric
from leaven.protocols import RankedItems
from leaven.registry import list_kinds

N_ITEMS, USERS, K = 60, 40, 10
PER_USER = [kind for kind in list_kinds("metrics") if not is_catalog_metric(f"{kind}@{K}")]
OF_CATALOG = [kind for kind in list_kinds("metrics") if is_catalog_metric(f"{kind}@{K}")]
ACCURACY = ["ndcg", "recall", "hit", "mrr", "precision", "map"]


def made(kind: str):
    module, _, name = list_kinds("metrics")[kind].partition(":")
    return getattr(import_module(module), name)(k=K)


def frozen(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array


def world(seed: int) -> tuple[RankedItems, HeldOut, Histories]:
    """Random lists, one to five items taken by each user; every array read-only."""
    chance = np.random.default_rng(seed)
    train = Histories.from_lists([chance.integers(1, N_ITEMS + 1, 6).tolist() for _ in range(USERS)], N_ITEMS)
    counts = chance.integers(1, 6, USERS)
    starts = frozen(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64))
    taken = frozen(np.concatenate([chance.permutation(N_ITEMS)[:c] + 1 for c in counts]).astype(np.int32))
    held = HeldOut(train, taken, frozen(np.zeros(starts[-1], np.int64)), starts)
    items = np.stack([chance.permutation(N_ITEMS)[:K] + 1 for _ in range(USERS)]).astype(np.int32)
    return RankedItems(frozen(items), frozen(-np.sort(-chance.random(items.shape, np.float32), axis=1))), held, train


def perfect(held: HeldOut) -> RankedItems:
    """Each user's own items first, others after them."""
    rows = []
    for user in range(len(held)):
        own = held.target_items[held.target_starts[user] : held.target_starts[user + 1]]
        rows.append(np.concatenate([own, np.setdiff1d(np.arange(1, N_ITEMS + 1), own)])[:K])
    return RankedItems(np.array(rows, np.int32), np.zeros((len(held), K), np.float32))


@pytest.mark.parametrize("kind", PER_USER)
def test_there_is_one_finite_value_per_user(kind) -> None:
    values = made(kind)(*world(1))
    assert values.shape == (USERS,)
    assert values.dtype == np.float64
    assert np.isfinite(values).all()
    assert (values >= 0).all()


@pytest.mark.parametrize("kind", PER_USER)
def test_the_value_of_a_user_does_not_depend_on_other_users(kind) -> None:
    ranked, held, train = world(2)
    rows = np.array([31, 4, 7])
    alone = made(kind)(RankedItems(ranked.items[rows], ranked.scores[rows]), held.take(rows), train)
    assert alone.tolist() == made(kind)(ranked, held, train)[rows].tolist()


@pytest.mark.parametrize("kind", [kind for kind in PER_USER if kind in ACCURACY])
def test_the_ideal_list_has_the_best_value_and_a_miss_has_0(kind) -> None:
    ranked, held, train = world(3)
    best = made(kind)(perfect(held), held, train)
    assert (made(kind)(ranked, held, train) <= best + 1e-12).all()
    assert (best <= 1 + 1e-12).all()
    if kind != "precision":  # k places cannot all be hits of fewer items
        np.testing.assert_allclose(best, 1.0)
    missed = RankedItems(np.zeros_like(ranked.items), ranked.scores)
    assert made(kind)(missed, held, train).tolist() == [0.0] * USERS


@pytest.mark.parametrize("kind", OF_CATALOG)
def test_a_catalog_metric_is_one_number_independent_of_user_order(kind) -> None:
    ranked, _, train = world(4)
    value = made(kind)(ranked, train)
    assert isinstance(value, float)
    assert 0 <= value <= 1
    assert made(kind)(RankedItems(ranked.items[::-1], ranked.scores), train) == value


def test_every_registered_metric_is_tested() -> None:
    assert sorted([*PER_USER, *OF_CATALOG]) == sorted(list_kinds("metrics"))
    assert set(ACCURACY) <= set(PER_USER)
