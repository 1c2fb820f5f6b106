"""Discriminator and adversarial training task of the sequence GAN."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leaven import rng
from leaven.generators.sequence.decoder import Decoder, Epoch
from leaven.generators.sequence.fitting import Ground
from leaven.nn.training import Chance

Ints = npt.NDArray[np.int64]

_SPANS = (2, 3)  # window sizes of the convolutions, in events


@dataclass(frozen=True)
class Aim:
    """loss: relativistic or source; penalty: weight of both gradient penalties, 0: none; anchor: weight of the
    likelihood of real rows in generator steps; heat: Gumbel-softmax temperature; rows, places: rows of a batch and
    maximum events of a row."""

    loss: str
    penalty: float
    anchor: float
    heat: float
    rows: int
    places: int


class Judge(nn.Module):
    """Scores rows, higher for real ones: convolutions over event embeddings, with mean and max pooling."""

    def __init__(self, items: Tensor, generator: torch.Generator) -> None:
        super().__init__()
        width = items.shape[1]
        with torch.random.fork_rng(devices=[]):
            self.items = nn.Embedding(items.shape[0], items.shape[1])
            self.spans = nn.ModuleList(nn.Conv1d(width, width, span, padding=span - 1) for span in _SPANS)
            self.rise, self.score = nn.Linear(2 * len(_SPANS) * width, width), nn.Linear(width, 1)
        with torch.no_grad():
            self.items.weight.copy_(items)
            for module in (self.spans, self.rise, self.score):
                for name, weights in module.named_parameters():
                    if name.endswith("bias"):
                        weights.zero_()
                    else:
                        weights.normal_(0.0, (2 / weights[0].numel()) ** 0.5, generator=generator)

    def forward(self, vectors: Tensor, inside: Tensor) -> Tensor:
        """Returns (rows,) for vectors (rows, positions, width) and inside bool (rows, positions)."""
        x, pooled = (vectors * inside[..., None]).transpose(1, 2), []
        for span in self.spans:
            features = F.leaky_relu(span(x)[..., : x.shape[2]], 0.2) * inside[:, None]
            pooled += [features.sum(2) / inside.sum(1, keepdim=True), features.amax(2)]
        score: Tensor = self.score(F.leaky_relu(self.rise(torch.cat(pooled, dim=1)), 0.2))
        return score[:, 0]


class Rivals(nn.Module):
    """A GRU decoder and its discriminator."""

    def __init__(self, decoder: Decoder, judge: Judge) -> None:
        super().__init__()
        self.decoder, self.judge = decoder, judge

    def forward(self, rows: Real, noise: Tensor, heat: float) -> Tensor:
        """Returns float (rows, positions, items): rows generated at the times of real ones, each event one-hot with
        the gradient of the Gumbel-softmax (Jang, Gu and Poole, ICLR 2017, sec. 2.2). noise: Gumbel, same shape."""
        net, events = self.decoder, []
        assert net.gru is not None
        table, vectors = net.items.weight[1 : net.shape.n_items + 1], net.vectors()
        hidden = net.bias.new_zeros(net.shape.layers, len(rows.items), net.shape.width)
        read = net.items.weight[net.shape.n_items + 1].expand(len(rows.items), -1)
        for position in range(rows.items.shape[1]):
            out, hidden = net.gru(read[:, None], hidden)
            state = net.last(out[:, 0]) + net.at(rows.when[:, position])
            logits = state @ vectors[:, :-1].T + vectors[:, -1] + noise[:, position]
            soft = torch.softmax(logits / heat, dim=1)
            hard = F.one_hot(logits.argmax(1), logits.shape[1]).to(soft.dtype)
            events.append(hard - soft.detach() + soft)
            read = events[-1] @ table
        return torch.stack(events, dim=1)


class Real(NamedTuple):
    """items int64 (rows, positions), padded with 0; when float64 (rows, positions): times as positions between knots;
    judging: whether the discriminator is trained, else the decoder."""

    items: Tensor
    when: Tensor
    judging: bool

    @property
    def inside(self) -> Tensor:
        """bool (rows, positions): where there is an event."""
        return self.items > 0


class Rivalry:
    """The training task (`training.Task`) that alternates discriminator and decoder; without validation."""

    def __init__(self, net: Rivals, objective: Aim, ground: Ground, key: int) -> None:
        self.net: nn.Module = net
        self.pair, self.objective, self.ground, self.key = net, objective, ground, key
        self.long = np.flatnonzero(ground.learning.lengths >= 3)  # the start id and two events

    def epoch(self, number: int, progress: float) -> Sequence[Real]:
        """Returns batches of rows, each twice: for the discriminator, then for the decoder."""
        rows = self.ground.learning
        order = self.long[np.argsort(rng.row_keys(rng.key(self.key, "order", number), rows.keys[self.long]))]
        size = self.objective.rows
        parts = [order[first : first + size] for first in range(0, len(order), size)]
        return Epoch(2 * len(parts), lambda nth: self._build_batch(parts[nth // 2], nth % 2 == 0))

    def _build_batch(self, index: Ints, judging: bool) -> Real:
        rows = self.ground.learning
        first, length = (
            rows.starts[index][:, None] + 1,
            np.minimum(rows.lengths[index] - 1, self.objective.places)[:, None],
        )
        position = np.arange(int(length.max()))
        events = np.where(position < length, first + position, first)
        knots = self.ground.knots
        when = torch.from_numpy(np.interp(rows.times[events], knots, np.arange(len(knots))))
        items = np.where(position < length, rows.items[events], 0).astype(np.int64)
        return Real(torch.from_numpy(items), when, judging)

    def loss(self, net: nn.Module, batch: Real, chance: Chance) -> tuple[Tensor, int]:
        """Returns the loss of the network that is trained, and the number of rows."""
        device, n_items = self.pair.decoder.bias.device, self.pair.decoder.shape.n_items
        real = Real(batch.items.to(device), batch.when.to(device), batch.judging)
        points = torch.rand((*real.items.shape, n_items), generator=chance.generator("gumbel")).clamp(1e-10, 1 - 1e-7)
        noise = -(-points.log()).log().to(device)
        self.pair.judge.requires_grad_(real.judging)  # the other network keeps its weights
        with torch.set_grad_enabled(not real.judging):
            events = net(real, noise, self.objective.heat)
        generated = events @ self.pair.judge.items.weight[1 : n_items + 1]
        known = self.pair.judge.items(real.items)
        if real.judging:
            return self._compute_discriminator_loss(known, generated, real.inside), len(batch.items)
        return self._compute_decoder_loss(known, generated, real), len(batch.items)

    def _compute_discriminator_loss(self, known: Tensor, generated: Tensor, inside: Tensor) -> Tensor:
        real_score, fake_score = self.pair.judge(known, inside), self.pair.judge(generated, inside)
        loss = compute_discriminator_loss(self.objective.loss, real_score, fake_score)
        if self.objective.penalty <= 0:
            return loss
        gradients = torch.autograd.grad((real_score.sum(), fake_score.sum()), (known, generated), create_graph=True)
        return loss + 0.5 * self.objective.penalty * sum((slope**2).sum((1, 2)).mean() for slope in gradients)

    def _compute_decoder_loss(self, known: Tensor, generated: Tensor, real: Real) -> Tensor:
        fake_score = self.pair.judge(generated, real.inside)
        if self.objective.loss == "source":
            loss = -F.softplus(fake_score).mean()  # log(1 - D(G(z))), which the decoder minimizes
        else:
            loss = F.softplus(self.pair.judge(known, real.inside) - fake_score).mean()
        return loss + self.objective.anchor * self._compute_surprisal(real) if self.objective.anchor > 0 else loss

    def _compute_surprisal(self, real: Real) -> Tensor:
        """Returns the mean surprisal of the events of real rows."""
        net = self.pair.decoder
        start = torch.full_like(real.items[:, :1], net.shape.n_items + 1)
        inputs, inside = torch.cat([start, real.items[:, :-1]], dim=1), real.inside
        vectors, states = net.vectors(), net.states(inputs)[inside] + net.at(real.when[inside])
        return F.cross_entropy(states @ vectors[:, :-1].T + vectors[:, -1], real.items[inside] - 1)

    def look(self, net: nn.Module) -> float | None:
        return None


def compute_discriminator_loss(loss: str, real_score: Tensor, fake_score: Tensor) -> Tensor:
    """Returns the mean loss. source: -E log D(x) - E log(1 - D(G(z))); relativistic: each real row against one
    generated at its times (Jolicoeur-Martineau, ICLR 2019; Huang et al., NeurIPS 2024, eq. 2)."""
    if loss == "source":
        return F.softplus(-real_score).mean() + F.softplus(fake_score).mean()
    return F.softplus(fake_score - real_score).mean()
