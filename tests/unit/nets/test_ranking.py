"""Ranked lists: the best items, none that was had, none that does not exist."""

import numpy as np
import pytest
import torch

from leaven.contracts import Ranked
from leaven.data.histories import HeldOut, Histories
from leaven.metrics.ranking import Ndcg
from leaven.nets import lists, packs, ranking
from leaven.nets.layers import Encoder, Shape

N_ITEMS = 30


def net() -> Encoder:
    shape = Shape(N_ITEMS, width=8, layers=1, heads=1, hidden=8, length=5, dropout=0.0)
    made = Encoder(shape, torch.Generator().manual_seed(4)).eval()
    made.counts += torch.arange(N_ITEMS, 0, -1)
    return made


def users() -> Histories:
    chance = np.random.default_rng(3)
    return Histories.of([chance.integers(1, N_ITEMS + 2, chance.integers(0, 9)).tolist() for _ in range(40)], N_ITEMS)


@pytest.mark.parametrize("cells", [4_194_304, 7 * N_ITEMS])
def test_the_lists_are_those_of_a_plain_sort(cells, monkeypatch) -> None:
    monkeypatch.setattr(ranking, "_CELLS", cells)
    rows, made = users(), net()
    items, scores = ranking.rank(made, rows, 4, rows, unit=False)
    for user in range(len(rows)):
        if rows.lengths[user] == 0:
            assert items[user].tolist() == [1, 2, 3, 4]  # the most popular ones
            continue
        alone = packs.pack(packs.last_stretches(rows.slice(user, user + 1), 5), learn=False)
        with torch.no_grad():
            score = (made(alone, alone.targets)[0] @ made.items.every().T)[0].numpy().copy()
        score[[item - 1 for item in rows.row(user) if item <= N_ITEMS]] = -np.inf
        assert items[user].tolist() == (np.argsort(-score)[:4] + 1).tolist()
        np.testing.assert_allclose(scores[user], np.sort(score)[::-1][:4], rtol=1e-4, atol=1e-6)


def test_where_nothing_is_left_the_list_ends_with_zeros() -> None:
    rows = Histories.of([[*range(1, N_ITEMS - 1)]], N_ITEMS)
    items, scores = ranking.rank(net(), rows, N_ITEMS + 3, rows, unit=True)
    assert sorted(items[0, :2].tolist()) == [N_ITEMS - 1, N_ITEMS]
    assert items[0, 2:].tolist() == [0] * (N_ITEMS + 1)
    assert np.isneginf(scores[0, 2:]).all()


def test_the_figure_that_steers_training_is_the_metric() -> None:
    rows, chance = users(), np.random.default_rng(5)
    counts = chance.integers(1, 15, len(rows))
    starts = np.concatenate([[0], np.cumsum(counts)])
    held = HeldOut(rows, chance.integers(1, N_ITEMS + 1, starts[-1]).astype(np.int32), np.zeros(starts[-1]), starts)
    items, scores = ranking.rank(net(), rows, 10, None, unit=True)
    assert lists.ndcg(items, held) == pytest.approx(Ndcg(10)(Ranked(items, scores), held, rows).mean())


def test_only_the_items_asked_for_are_listed() -> None:
    among = np.arange(N_ITEMS) % 3 == 0
    items, _ = ranking.rank(net(), users(), 5, None, True, among)
    assert among[items - 1].all()


def test_a_lift_is_the_least_that_serves_its_users_best() -> None:
    rows, absent = users().take(users().lengths > 0), np.arange(N_ITEMS) % 3 == 0
    made, starts = net(), np.arange(len(rows) + 1)
    first = ranking.rank(made, rows, 1, rows, True, absent)[0][:, 0]
    lift, reached = ranking.best_lift(made, HeldOut(rows, first, np.zeros(len(rows)), starts), absent)
    assert reached[-1] == max(reached) == 1.0
    assert lift == ranking.LIFTS[reached.index(1.0)] > 0
    common = ranking.rank(made, rows, 1, rows, True, ~absent)[0][:, 0]
    assert ranking.best_lift(made, HeldOut(rows, common, np.zeros(len(rows)), starts), absent)[0] == 0.0
