"""Tests of ranked lists and their validation score."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from leaven import rng
from leaven.datasets.histories import HeldOut, Histories
from leaven.metrics.ranking.list_metrics import Ndcg
from leaven.nn import scoring, sequence_packing
from leaven.nn.ranked_lists import compute_ndcg
from leaven.nn.sequence_encoder import EncoderShape, SequenceEncoder
from leaven.protocols import RankedItems

N_ITEMS = 30


def net() -> SequenceEncoder:
    shape = EncoderShape(N_ITEMS, width=8, layers=1, heads=1, feedforward_width=8, max_length=5, dropout=0.0)
    made = SequenceEncoder(shape, torch.Generator().manual_seed(4)).eval()
    made.counts += torch.arange(N_ITEMS, 0, -1)
    return made


def users() -> Histories:
    chance = np.random.default_rng(3)
    return Histories.from_lists(
        [chance.integers(1, N_ITEMS + 2, chance.integers(0, 9)).tolist() for _ in range(40)], N_ITEMS
    )


@pytest.mark.parametrize("cells", [4_194_304, 7 * N_ITEMS])
def test_ranked_lists_equal_a_plain_sort(cells, monkeypatch) -> None:
    monkeypatch.setattr(scoring, "_MAX_SCORES", cells)
    rows, made = users(), net()
    items, scores = scoring.rank_items(made, rows, 4, rows, use_cosine=False)
    for user in range(len(rows)):
        if rows.lengths[user] == 0:
            assert items[user].tolist() == [1, 2, 3, 4]  # the most popular ones
            continue
        alone = sequence_packing.pack_segments(
            sequence_packing.build_last_segments(rows.slice(user, user + 1), 5), with_targets=False
        )
        with torch.no_grad():
            score = (made(alone, alone.targets)[0] @ made.items.get_all_vectors().T)[0].numpy().copy()
        score[[item - 1 for item in rows.row_items(user) if item <= N_ITEMS]] = -np.inf
        assert items[user].tolist() == (np.argsort(-score)[:4] + 1).tolist()
        np.testing.assert_allclose(scores[user], np.sort(score)[::-1][:4], rtol=1e-4, atol=1e-6)


def test_exhausted_lists_are_padded_with_zeros() -> None:
    rows = Histories.from_lists([[*range(1, N_ITEMS - 1)]], N_ITEMS)
    items, scores = scoring.rank_items(net(), rows, N_ITEMS + 3, rows, use_cosine=True)
    assert sorted(items[0, :2].tolist()) == [N_ITEMS - 1, N_ITEMS]
    assert items[0, 2:].tolist() == [0] * (N_ITEMS + 1)
    assert np.isneginf(scores[0, 2:]).all()


def test_the_validation_score_equals_the_ndcg_metric() -> None:
    rows, chance = users(), np.random.default_rng(5)
    counts = chance.integers(1, 15, len(rows))
    starts = np.concatenate([[0], np.cumsum(counts)])
    held = HeldOut(rows, chance.integers(1, N_ITEMS + 1, starts[-1]).astype(np.int32), np.zeros(starts[-1]), starts)
    items, scores = scoring.rank_items(net(), rows, 10, None, use_cosine=True)
    assert compute_ndcg(items, held) == pytest.approx(Ndcg(10)(RankedItems(items, scores), held, rows).mean())


def lists_with_new_items(share: float, k: int = 10) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every third item is new. (items and scores of all users with an event, which items are new)."""
    made, rows, new = net(), users(), np.arange(N_ITEMS) % 3 == 0
    made.items.get_cold_items = lambda: (torch.from_numpy(new), share)  # type: ignore[method-assign]
    rows = rows.take(np.repeat(np.flatnonzero(rows.lengths > 0), 20))
    rows = replace(rows, row_ids=rng.derive_user_ids([str(row) for row in range(len(rows))]))
    items, scores = scoring.rank_items(made, rows, k, rows, use_cosine=True)
    return items, scores, np.append(new, False)[items - 1]


@pytest.mark.parametrize("share", [0.05, 0.3, 1.0])
def test_each_position_is_cold_with_the_configured_share(share) -> None:
    items, scores, new = lists_with_new_items(share, k=5)
    assert np.allclose(new.mean(0), share, atol=0.06)
    counts = new.sum(1)
    assert set(counts) <= {int(5 * share), int(np.ceil(5 * share))}
    assert (np.diff(scores, axis=1) <= 0).all()
    assert all(len(set(row)) == 5 for row in items.tolist())


def test_an_exhausted_side_is_replaced_by_the_other() -> None:
    items, scores, new = lists_with_new_items(0.5, k=N_ITEMS)
    for row, said, score in zip(items, new, scores, strict=True):
        left = row[row > 0]
        assert len(set(left.tolist())) == len(left)
        assert said[: len(left)].sum() == len({item for item in left if item % 3 == 1})
        assert np.isfinite(score[: len(left)]).all()
        assert np.isneginf(score[len(left) :]).all()
