"""How does a decoder learn rows of which no single user may show?"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.generators.privacy import Privacy
from leaven.generators.sequence.decoder import Decoder
from leaven.generators.sequence.fitting import Curve, Ground, Taste, begun, pen_of, shape_of
from leaven.generators.sequence.fitting import Wish as NetWish
from leaven.generators.sequence.item_sampling import Pen
from leaven.generators.sequence.sequence_scaffold import Frames
from leaven.nn import dp_sgd
from leaven.progress import Tell, quiet

Ints = npt.NDArray[np.int64]

_KNOTS = 32
_STEPS = 500
_LOOKS = 10


class Wish(NetWish, Taste, Protocol):
    """The fields of a wish for a decoder that writes."""


class OneUser(nn.Module):
    """Mean cross-entropy of one user's events."""

    def __init__(self, net: Decoder) -> None:
        super().__init__()
        self.net = net

    def forward(self, inputs: Tensor, coming: Tensor, when: Tensor) -> Tensor:
        """inputs, coming int64 (places,), 0 behind the end; when float (places,)."""
        states = self.net.states(inputs[None])[0] + self.net.at(when)
        vectors = self.net.vectors()
        logits = F.log_softmax(states @ vectors[:, :-1].T + vectors[:, -1], dim=1)
        there = (coming > 0).to(logits.dtype)
        own = logits.gather(1, (coming - 1).clamp(min=0)[:, None])[:, 0]
        return -(own * there).sum() / there.sum().clamp(min=1.0)


def learned_privately(
    wish: Wish, privacy: Privacy, train: Histories, frames: Frames, key: int, tell: Tell = quiet
) -> tuple[Decoder, Pen, Frames, Curve]:
    """(net, pen, frames, how training went). Each row is one example, cut to its last `length` events.

    Nothing that chooses items is counted: frequencies, judging rows, shares of repeats, first days stay unknown.
    """
    rows, knots = begun(train), public_knots(train, _KNOTS)
    chance = torch.Generator().manual_seed(rng.key(key, "weights"))
    counts = torch.zeros(train.n_items)
    net = Decoder(shape_of(wish, train.n_items), wish.cell, len(knots), counts, chance).eval()  # noise is enough
    steps = wish.steps or _STEPS
    course = dp_sgd.PrivateCourse(
        key=rng.key(key, "private"),
        steps=steps,
        learning_rate=wish.learning_rate,
        rate=privacy.rate(len(rows)),
        clip=privacy.clip,
        noise=privacy.noise(len(rows), steps),
        look_every=max(steps // _LOOKS, 1),
        tell=tell,
    )
    curve = dp_sgd.train(OneUser(net), len(rows), lambda chosen: _tensors(rows, chosen, knots, wish.length), course)
    pen = pen_of(wish, train, Ground(train, rows, rows.slice(0, 0), knots), 1.0)
    pen = replace(pen, born=np.full_like(pen.born, int(train.times.min())))
    return net, pen, frames, [record | {"epsilon": privacy.epsilon} for record in curve]


def _tensors(rows: Histories, chosen: Ints, knots: Ints, length: int) -> tuple[Tensor, ...]:
    """(inputs, coming, when) of these users, (users, places)."""
    targets = np.minimum(rows.lengths[chosen] - 1, length)
    width = max(int(targets.max(initial=0)), 1)
    place = np.arange(width)
    inside = place < targets[:, None]
    event = np.where(inside, (rows.starts[1:][chosen] - 1 - targets)[:, None] + place, 0)
    inputs = np.where(inside, rows.items[event], 0).astype(np.int64)
    after = np.minimum(event + 1, max(rows.events - 1, 0))
    coming = np.where(inside, rows.items[after], 0).astype(np.int64)
    when = np.where(inside, np.interp(rows.times[after], knots, np.arange(len(knots))), 0.0).astype(np.float32)
    return torch.from_numpy(inputs), torch.from_numpy(coming), torch.from_numpy(when)


def public_knots(rows: Histories, most: int) -> Ints:
    """int64 (at most `most`,): evenly between the first and the last second, which count as known."""
    return np.unique(np.linspace(rows.times.min(), rows.times.max(), most).astype(np.int64))
