"""Ranked lists, their NDCG and losses of users, computed in blocks so that not all scores are in memory."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from leaven import rng
from leaven.datasets.histories import HeldOut, Histories
from leaven.nn import sequence_packing
from leaven.nn.sequence_encoder import SequenceEncoder

_MAX_SCORES = 4_194_304  # in memory: 16 MB
_MAX_USERS = 1024

Items = npt.NDArray[np.int32]
Scores = npt.NDArray[np.float32]
_ItemsAndScores = tuple[Items, Scores]


@torch.inference_mode()
def rank_items(
    net: SequenceEncoder,
    histories: Histories,
    k: int,
    excluded: Histories | None,
    use_cosine: bool,
    vectors: Tensor | None = None,
) -> _ItemsAndScores:
    """Returns (items int32 (users, k) best first, scores float32 (users, k)), padded with 0 and minus infinity.

    excluded: histories of the same users whose items are left out, or None; use_cosine: cosines instead of dot
    products; vectors: from `transpose_vectors`, where the network does not change any more. Users without events get
    the most frequent items. A share of the positions is reserved for cold items if
    the network's item table defines one (`FusedItemTable.cold_item_share`).
    """
    items, scores = np.zeros((len(histories), k), np.int32), np.full((len(histories), k), -np.inf, np.float32)
    vectors = transpose_vectors(net, use_cosine) if vectors is None else vectors
    cold_items = net.items.get_cold_items()
    rows = min(max(_MAX_SCORES // max(net.shape.n_items, 1), 1), _MAX_USERS)
    order = np.argsort(histories.lengths, kind="stable")  # users of equal length pack without gaps
    for users in _split_users(order, int((histories.lengths == 0).sum()), rows):
        block = histories.take(users)
        user_scores = (
            _score_items(net, block, vectors, use_cosine) if block.n_events else net.counts.repeat(len(users), 1)
        )
        if excluded is not None:
            _exclude_items(user_scores, excluded.take(users))
        if cold_items is None or not block.n_events:
            ranked = _select_top(user_scores, k)
        else:
            is_cold, share = cold_items
            warm, cold = (_select_top(user_scores.masked_fill(barred, -torch.inf), k) for barred in (is_cold, ~is_cold))
            ranked = _merge_cold_items(warm, cold, block.row_ids, share)
        width = ranked[0].shape[1]
        items[users, :width], scores[users, :width] = ranked
    return items, scores


def _select_top(scores: Tensor, k: int) -> _ItemsAndScores:
    """Returns the k best items of each user and their scores, padded with 0 and minus infinity."""
    top, index = scores.topk(min(k, scores.shape[1]), dim=1)
    return torch.where(top == -torch.inf, 0, index + 1).int().cpu().numpy(), top.cpu().numpy()


def _merge_cold_items(
    warm: _ItemsAndScores, cold: _ItemsAndScores, row_ids: npt.NDArray[np.uint64], share: float
) -> _ItemsAndScores:
    """Returns lists (items int32, scores float32 (users, k)) with about `share` of the positions for cold items.

    Systematic sampling: position p is cold if p * share + u passes an integer, with u drawn from the user's row id. So
    cold items are spread evenly and every position is cold with probability `share`. If one side is exhausted, the
    other fills the list. A cold item gets the score of the warm item that it displaces, so that scores decrease.
    """
    (warm_items, warm_scores), (cold_items, cold_scores) = warm, cold
    k = warm_items.shape[1]
    n_cold, n_warm = ((side > 0).sum(1)[:, None] for side in (cold_items, warm_items))
    is_cold = np.diff(np.floor(np.arange(k + 1) * share + rng.draw_uniform(row_ids, 0)[:, None]), axis=1) > 0
    is_cold &= is_cold.cumsum(1) <= n_cold
    is_cold |= (~is_cold).cumsum(1) > n_warm
    index = np.where(is_cold, is_cold.cumsum(1), (~is_cold).cumsum(1)) - 1
    items = np.where(is_cold, np.take_along_axis(cold_items, index, 1), np.take_along_axis(warm_items, index, 1))
    displaced = np.minimum((~is_cold).cumsum(1) - ~is_cold, k - 1)
    scores = np.take_along_axis(warm_scores, displaced, 1)
    scores = np.where(is_cold & np.isneginf(scores), np.take_along_axis(cold_scores, index, 1), scores)
    return items, np.where(items > 0, np.minimum.accumulate(scores, axis=1), -np.inf).astype(np.float32)


@torch.inference_mode()
def compute_user_losses(net: SequenceEncoder, held_out: HeldOut, temperature: float | None) -> npt.NDArray[np.float64]:
    """Returns each user's mean softmax cross-entropy of the targets over all items, float64 (users,).

    No history may be empty. temperature: of cosine logits; None: dot products.
    """
    use_cosine = temperature is not None
    vectors = transpose_vectors(net, use_cosine)
    rows = min(max(_MAX_SCORES // max(net.shape.n_items, 1), 1), _MAX_USERS)
    mean_losses = np.zeros(len(held_out), np.float64)
    for block in _split_users(np.argsort(held_out.histories.lengths, kind="stable"), 0, rows):
        part = held_out.take(block)
        logits = _score_items(net, part.histories, vectors, use_cosine) / (temperature or 1.0)
        row = torch.from_numpy(np.repeat(np.arange(len(block)), np.diff(part.target_starts))).to(logits.device)
        item = torch.from_numpy(part.target_items.astype(np.int64) - 1).to(logits.device)
        target_losses = (logits.logsumexp(dim=1)[row] - logits[row, item]).double().cpu().numpy()
        sums = np.bincount(row.cpu().numpy(), target_losses, minlength=len(block))
        mean_losses[block] = sums / np.diff(part.target_starts)
    return mean_losses


@torch.inference_mode()
def transpose_vectors(net: SequenceEncoder, normalize: bool) -> Tensor:
    """Returns the item vectors as columns, (width, items)."""
    vectors = net.items.get_all_vectors()
    return (F.normalize(vectors, dim=-1) if normalize else vectors).T.contiguous()


def _split_users(order: npt.NDArray[np.int64], first: int, rows: int) -> list[npt.NDArray[np.int64]]:
    """Splits the first `first` users and the others into blocks of at most `rows`."""
    parts = [order[:first], order[first:]]
    return [part[low : low + rows] for part in parts for low in range(0, len(part), rows)]


def _score_items(net: SequenceEncoder, histories: Histories, vectors: Tensor, normalize: bool) -> Tensor:
    pack = sequence_packing.pack_segments(
        sequence_packing.build_last_segments(histories, net.shape.max_length), with_targets=False
    )
    states, _ = net(pack.to(vectors.device), pack.targets.to(vectors.device))
    return (F.normalize(states, dim=-1) if normalize else states).float() @ vectors


def _exclude_items(scores: Tensor, histories: Histories) -> None:
    """Sets the scores of the items in each user's history to minus infinity, in place."""
    is_item = histories.items <= histories.n_items
    rows = torch.from_numpy(histories.event_rows()[is_item])
    items = torch.from_numpy(histories.items[is_item].astype(np.int64) - 1)
    scores[rows.to(scores.device), items.to(scores.device)] = -torch.inf
