"""Differentially private training of a decoder."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.generators.privacy import Privacy
from leaven.generators.sequence.decoder import Decoder
from leaven.generators.sequence.fitted_decoder import OfNet, Writer
from leaven.generators.sequence.fitting import Ground, begun, pen_of
from leaven.generators.sequence.sequence_scaffold import Frames
from leaven.nn import dp_sgd
from leaven.nn.sequence_encoder import Shape
from leaven.progress import Tell, quiet

Ints = npt.NDArray[np.int64]

_KNOTS = 32
_STEPS = 500
_N_VALIDATIONS = 10


class OneUser(nn.Module):
    """The mean cross-entropy of one user's events."""

    def __init__(self, net: Decoder) -> None:
        super().__init__()
        self.net = net

    def forward(self, inputs: Tensor, next_items: Tensor, when: Tensor) -> Tensor:
        """Returns the loss of inputs, next_items int64 (positions,), padded with 0; when float (positions,)."""
        states = self.net.states(inputs[None])[0] + self.net.at(when)
        vectors = self.net.vectors()
        logits = F.log_softmax(states @ vectors[:, :-1].T + vectors[:, -1], dim=1)
        is_target = (next_items > 0).to(logits.dtype)
        own = logits.gather(1, (next_items - 1).clamp(min=0)[:, None])[:, 0]
        return -(own * is_target).sum() / is_target.sum().clamp(min=1.0)


def learned_privately(
    config: OfNet, shape: Shape, privacy: Privacy, train: Histories, key: int, tell: Tell = quiet
) -> Writer:
    """Returns the trained generator. Each row is one example, truncated to its last `length` events.

    No statistic that influences items is used: no frequencies, validation rows, repeat rates or first days of sale.
    """
    rows, knots = begun(train), public_knots(train, _KNOTS)
    generator = torch.Generator().manual_seed(rng.key(key, "weights"))
    counts = torch.zeros(train.n_items)
    net = Decoder(shape, "transformer", len(knots), counts, generator).eval()  # no dropout: the noise regularizes
    steps = config.steps or _STEPS
    course = dp_sgd.PrivateCourse(
        key=rng.key(key, "private"),
        steps=steps,
        learning_rate=config.learning_rate,
        rate=privacy.rate(len(rows)),
        clip=privacy.clip,
        noise=privacy.noise(len(rows), steps),
        look_every=max(steps // _N_VALIDATIONS, 1),
        tell=tell,
    )
    curve = dp_sgd.train(
        OneUser(net), len(rows), lambda chosen: _build_tensors(rows, chosen, knots, config.length), course
    )
    pen = pen_of(config, train, Ground(train, rows, rows.slice(0, 0), knots), 1.0)
    pen = replace(pen, born=np.full_like(pen.born, int(train.times.min())))
    curve = [record | {"epsilon": privacy.epsilon} for record in curve]
    return Writer("autoregressive", config, net, pen, Frames.of(train, config), curve)


def _build_tensors(rows: Histories, chosen: Ints, knots: Ints, length: int) -> tuple[Tensor, ...]:
    """Returns inputs, next items and times of these users, each (users, positions)."""
    targets = np.minimum(rows.lengths[chosen] - 1, length)
    width = max(int(targets.max(initial=0)), 1)
    position = np.arange(width)
    inside = position < targets[:, None]
    event = np.where(inside, (rows.starts[1:][chosen] - 1 - targets)[:, None] + position, 0)
    inputs = np.where(inside, rows.items[event], 0).astype(np.int64)
    after = np.minimum(event + 1, max(rows.events - 1, 0))
    next_items = np.where(inside, rows.items[after], 0).astype(np.int64)
    when = np.where(inside, np.interp(rows.times[after], knots, np.arange(len(knots))), 0.0).astype(np.float32)
    return torch.from_numpy(inputs), torch.from_numpy(next_items), torch.from_numpy(when)


def public_knots(rows: Histories, n_knots: int) -> Ints:
    """Returns int64 (at most `n_knots`,): even times from the first to the last second, which count as public."""
    return np.unique(np.linspace(rows.times.min(), rows.times.max(), n_knots).astype(np.int64))
