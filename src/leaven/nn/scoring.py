"""Which items score highest, without a score of every user and item in memory?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from leaven import rng
from leaven.datasets.histories import HeldOut, Histories
from leaven.nn import sequence_packing
from leaven.nn.sequence_encoder import Encoder

_CELLS = 4_194_304  # scores held at a time: 16 MB
_MOST_USERS = 1024

Items = npt.NDArray[np.int32]
Scores = npt.NDArray[np.float32]
Listed = tuple[Items, Scores]


@torch.inference_mode()
def rank(net: Encoder, histories: Histories, k: int, seen: Histories | None, unit: bool) -> Listed:
    """(items int32 (users, k) best first, scores float32 (users, k)); 0 and minus infinity where nothing is left.

    seen: histories of the same users whose items are left out, or None; unit: cosines instead of dot products. Who
    has no event yet gets the items that are taken most often. Where the net's item vectors say so, a share of the
    places is kept for items that nobody took (`FusedTable.newcomers`).
    """
    items, scores = np.zeros((len(histories), k), np.int32), np.full((len(histories), k), -np.inf, np.float32)
    vectors, apart = _table(net, unit), net.items.apart()
    rows = min(max(_CELLS // max(net.shape.n_items, 1), 1), _MOST_USERS)
    order = np.argsort(histories.lengths, kind="stable")  # users of one length fill lines well
    for users in _runs(order, int((histories.lengths == 0).sum()), rows):
        known = histories.take(users)
        scored = _scores(net, known, vectors, unit) if known.events else net.counts.repeat(len(users), 1)
        if seen is not None:
            _leave_out(scored, seen.take(users))
        if apart is None or not known.events:
            listed = _best(scored, k)
        else:
            new, share = apart
            common, fresh = (_best(scored.masked_fill(barred, -torch.inf), k) for barred in (new, ~new))
            listed = _mixed(common, fresh, known.keys, share)
        width = listed[0].shape[1]
        items[users, :width], scores[users, :width] = listed
    return items, scores


def _best(scored: Tensor, k: int) -> Listed:
    """The k best items of each user and their scores; 0 and minus infinity where nothing is left."""
    top, place = scored.topk(min(k, scored.shape[1]), dim=1)
    return torch.where(top == -torch.inf, 0, place + 1).int().cpu().numpy(), top.cpu().numpy()


def _mixed(common: Listed, new: Listed, keys: npt.NDArray[np.uint64], share: float) -> Listed:
    """(items int32, scores float32 (users, k)) of lists in which about that share of the places belongs to new items.

    Systematic sampling: a place is new where place * share + u passes a whole number, u drawn from the user's key. So
    new items are spread evenly, and each place has one as often as `share` says. Where one side has no item left the
    other goes on. A new item takes the score of the common one whose place it has, so that scores still fall.
    """
    (of_common, at_common), (of_new, at_new) = common, new
    k = of_common.shape[1]
    lasting_new, lasting_common = ((side > 0).sum(1)[:, None] for side in (of_new, of_common))
    is_new = np.diff(np.floor(np.arange(k + 1) * share + rng.uniform(keys, 0)[:, None]), axis=1) > 0
    is_new &= is_new.cumsum(1) <= lasting_new
    is_new |= (~is_new).cumsum(1) > lasting_common
    nth = np.where(is_new, is_new.cumsum(1), (~is_new).cumsum(1)) - 1
    items = np.where(is_new, np.take_along_axis(of_new, nth, 1), np.take_along_axis(of_common, nth, 1))
    displaced = np.minimum((~is_new).cumsum(1) - ~is_new, k - 1)
    scores = np.take_along_axis(at_common, displaced, 1)
    scores = np.where(is_new & np.isneginf(scores), np.take_along_axis(at_new, nth, 1), scores)
    return items, np.where(items > 0, np.minimum.accumulate(scores, axis=1), -np.inf).astype(np.float32)


@torch.inference_mode()
def losses(net: Encoder, users: HeldOut, temperature: float | None) -> npt.NDArray[np.float64]:
    """float64 (users,): mean over a user's targets of minus the logarithm of their share in a softmax over all items.

    No history may be empty. temperature: of cosines; None: dot products.
    """
    known, unit = users.histories, temperature is not None
    vectors = _table(net, unit)
    rows = min(max(_CELLS // max(net.shape.n_items, 1), 1), _MOST_USERS)
    found = np.zeros(len(users), np.float64)
    for some in _runs(np.argsort(known.lengths, kind="stable"), 0, rows):
        part = users.take(some)
        logits = _scores(net, part.histories, vectors, unit) / (temperature or 1.0)
        row = torch.from_numpy(np.repeat(np.arange(len(some)), np.diff(part.starts))).to(logits.device)
        item = torch.from_numpy(part.items.astype(np.int64) - 1).to(logits.device)
        wrong = (logits.logsumexp(dim=1)[row] - logits[row, item]).double().cpu().numpy()
        found[some] = np.bincount(row.cpu().numpy(), wrong, minlength=len(some)) / np.diff(part.starts)
    return found


def _table(net: Encoder, unit: bool) -> Tensor:
    """(width, items)."""
    vectors = net.items.every()
    return (F.normalize(vectors, dim=-1) if unit else vectors).T.contiguous()


def _runs(order: npt.NDArray[np.int64], first: int, rows: int) -> list[npt.NDArray[np.int64]]:
    """The first `first` users, then the others, in runs of at most `rows`."""
    parts = [order[:first], order[first:]]
    return [part[low : low + rows] for part in parts for low in range(0, len(part), rows)]


def _scores(net: Encoder, known: Histories, vectors: Tensor, unit: bool) -> Tensor:
    """float32 (users, items)."""
    pack = sequence_packing.pack(sequence_packing.last_stretches(known, net.shape.length), learn=False)
    states, _ = net(pack.to(vectors.device), pack.targets.to(vectors.device))
    return (F.normalize(states, dim=-1) if unit else states).float() @ vectors


def _leave_out(scores: Tensor, seen: Histories) -> None:
    """Minus infinity for the items that each user had."""
    known = seen.items <= seen.n_items
    rows = torch.from_numpy(seen.row_of_event()[known])
    items = torch.from_numpy(seen.items[known].astype(np.int64) - 1)
    scores[rows.to(scores.device), items.to(scores.device)] = -torch.inf
