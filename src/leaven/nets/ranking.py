"""Which items score highest, without a score of every user and item in memory?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from leaven.data.histories import HeldOut, Histories
from leaven.nets import lists, packs
from leaven.nets.layers import Encoder

_CELLS = 4_194_304  # scores held at a time: 16 MB
_MOST_USERS = 1024
_STEERING = 10  # items of the lists by which a lift is chosen
LIFTS = tuple(nth / 40 for nth in range(41))
"""What may be added to the cosines of items that nobody took."""

Items = npt.NDArray[np.int32]
Scores = npt.NDArray[np.float32]


@torch.inference_mode()
def rank(
    net: Encoder,
    histories: Histories,
    k: int,
    seen: Histories | None,
    unit: bool,
    among: npt.NDArray[np.bool_] | None = None,
) -> tuple[Items, Scores]:
    """(items int32 (users, k) best first, scores float32 (users, k)); 0 and minus infinity where nothing is left.

    seen: histories of the same users whose items are left out, or None; unit: cosines instead of dot products; among
    bool (items,): the items that may be listed, None: all. Who has no event yet gets the items that are taken most
    often.
    """
    items, scores = np.zeros((len(histories), k), np.int32), np.full((len(histories), k), -np.inf, np.float32)
    vectors = _table(net, unit)
    rows = min(max(_CELLS // max(net.shape.n_items, 1), 1), _MOST_USERS)
    barred = None if among is None else torch.from_numpy(~among).to(vectors.device)
    order = np.argsort(histories.lengths, kind="stable")  # users of one length fill lines well
    for users in _runs(order, int((histories.lengths == 0).sum()), rows):
        known = histories.take(users)
        scored = _scores(net, known, vectors, unit) if known.events else net.counts.repeat(len(users), 1)
        if seen is not None:
            _leave_out(scored, seen.take(users))
        if barred is not None:
            scored = scored.masked_fill(barred, -torch.inf)
        top, place = scored.topk(min(k, scored.shape[1]), dim=1)
        listed = torch.where(top == -torch.inf, 0, place + 1)
        items[users, : top.shape[1]], scores[users, : top.shape[1]] = listed.cpu().numpy(), top.cpu().numpy()
    return items, scores


def best_lift(net: Encoder, users: HeldOut, absent: npt.NDArray[np.bool_]) -> tuple[float, list[float]]:
    """(what to add to the cosines of absent items, NDCG@10 of these users for each of `LIFTS`): the least of the best.

    absent bool (items,). Each user has a list of absent items and one of the others, which are merged for each lift.
    """
    known = users.histories
    common, rare = (rank(net, known, _STEERING, known, True, side) for side in (~absent, absent))
    items, reached = np.concatenate([common[0], rare[0]], axis=1), []
    for lift in LIFTS:
        scores = np.concatenate([common[1], rare[1] + np.float32(lift)], axis=1)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :_STEERING]
        reached.append(lists.ndcg(np.take_along_axis(items, order, 1), users))
    return LIFTS[int(np.argmax(reached))], reached


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
    pack = packs.pack(packs.last_stretches(known, net.shape.length), learn=False)
    states, _ = net(pack.to(vectors.device), pack.targets.to(vectors.device))
    scored = (F.normalize(states, dim=-1) if unit else states).float() @ vectors
    lifts = net.items.lifts()
    return scored if lifts is None else scored + lifts


def _leave_out(scores: Tensor, seen: Histories) -> None:
    """Minus infinity for the items that each user had."""
    known = seen.items <= seen.n_items
    rows = torch.from_numpy(seen.row_of_event()[known])
    items = torch.from_numpy(seen.items[known].astype(np.int64) - 1)
    scores[rows.to(scores.device), items.to(scores.device)] = -torch.inf
