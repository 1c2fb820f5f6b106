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
from leaven.generators.sequence.decoder import Decoder, LazyEpoch
from leaven.generators.sequence.fitting import SequenceTrainingSplit
from leaven.nn.training import StepRng

Ints = npt.NDArray[np.int64]

_SPANS = (2, 3)  # window sizes of the convolutions, in events


@dataclass(frozen=True)
class AdversarialObjective:
    """loss: relativistic or source; penalty: weight of both gradient penalties, 0: none; likelihood_weight: weight of
    the likelihood of real rows in generator steps; gumbel_temperature: Gumbel-softmax temperature; batch_rows, places:
    rows of a batch and maximum events of a row."""

    loss: str
    penalty: float
    likelihood_weight: float
    gumbel_temperature: float
    batch_rows: int
    max_events: int


class Discriminator(nn.Module):
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


class AdversarialPair(nn.Module):
    """A GRU decoder and its discriminator."""

    def __init__(self, decoder: Decoder, judge: Discriminator) -> None:
        super().__init__()
        self.decoder, self.discriminator = decoder, judge

    def forward(self, rows: RealBatch, noise: Tensor, heat: float) -> Tensor:
        """Returns float (rows, positions, items): rows generated at the times of real ones, each event one-hot with
        the gradient of the Gumbel-softmax (Jang, Gu and Poole, ICLR 2017, sec. 2.2). noise: Gumbel, same shape."""
        net, events = self.decoder, []
        assert net.gru is not None
        table, vectors = net.items.weight[1 : net.shape.n_items + 1], net.build_item_weights()
        hidden = net.bias.new_zeros(net.shape.layers, len(rows.items), net.shape.width)
        read = net.items.weight[net.shape.n_items + 1].expand(len(rows.items), -1)
        for position in range(rows.items.shape[1]):
            out, hidden = net.gru(read[:, None], hidden)
            state = net.last(out[:, 0]) + net.embed_times(rows.knot_positions[:, position])
            logits = state @ vectors[:, :-1].T + vectors[:, -1] + noise[:, position]
            soft = torch.softmax(logits / heat, dim=1)
            hard = F.one_hot(logits.argmax(1), logits.shape[1]).to(soft.dtype)
            events.append(hard - soft.detach() + soft)
            read = events[-1] @ table
        return torch.stack(events, dim=1)


class RealBatch(NamedTuple):
    """items int64 (rows, positions), padded with 0; when float64 (rows, positions): times as positions between knots;
    trains_discriminator: whether the discriminator is trained, else the decoder."""

    items: Tensor
    knot_positions: Tensor
    trains_discriminator: bool

    @property
    def inside(self) -> Tensor:
        """bool (rows, positions): where there is an event."""
        return self.items > 0


class AdversarialTask:
    """The training task (`training.Task`) that alternates discriminator and decoder; without validation."""

    def __init__(
        self, net: AdversarialPair, objective: AdversarialObjective, ground: SequenceTrainingSplit, key: int
    ) -> None:
        self.net: nn.Module = net
        self.pair, self.objective, self.ground, self.key = net, objective, ground, key
        self.long = np.flatnonzero(ground.train_rows.lengths >= 3)  # the start id and two events

    def build_batches(self, number: int, progress: float) -> Sequence[RealBatch]:
        """Returns batches of rows, each twice: for the discriminator, then for the decoder."""
        rows = self.ground.train_rows
        order = self.long[
            np.argsort(rng.derive_row_keys(rng.derive_key(self.key, "order", number), rows.row_ids[self.long]))
        ]
        size = self.objective.batch_rows
        parts = [order[first : first + size] for first in range(0, len(order), size)]
        return LazyEpoch(2 * len(parts), lambda nth: self._build_batch(parts[nth // 2], nth % 2 == 0))

    def _build_batch(self, index: Ints, judging: bool) -> RealBatch:
        rows = self.ground.train_rows
        first, length = (
            rows.starts[index][:, None] + 1,
            np.minimum(rows.lengths[index] - 1, self.objective.max_events)[:, None],
        )
        position = np.arange(int(length.max()))
        events = np.where(position < length, first + position, first)
        knots = self.ground.knots
        when = torch.from_numpy(np.interp(rows.times[events], knots, np.arange(len(knots))))
        items = np.where(position < length, rows.items[events], 0).astype(np.int64)
        return RealBatch(torch.from_numpy(items), when, judging)

    def compute_loss(self, net: nn.Module, batch: RealBatch, step_rng: StepRng) -> tuple[Tensor, int]:
        """Returns the loss of the network that is trained, and the number of rows."""
        device, n_items = self.pair.decoder.bias.device, self.pair.decoder.shape.n_items
        real = RealBatch(batch.items.to(device), batch.knot_positions.to(device), batch.trains_discriminator)
        points = torch.rand((*real.items.shape, n_items), generator=step_rng.make_generator("gumbel")).clamp(
            1e-10, 1 - 1e-7
        )
        noise = -(-points.log()).log().to(device)
        self.pair.discriminator.requires_grad_(real.trains_discriminator)  # the other network keeps its weights
        with torch.set_grad_enabled(not real.trains_discriminator):
            events = net(real, noise, self.objective.gumbel_temperature)
        generated = events @ self.pair.discriminator.items.weight[1 : n_items + 1]
        known = self.pair.discriminator.items(real.items)
        if real.trains_discriminator:
            return self._compute_discriminator_loss(known, generated, real.inside), len(batch.items)
        fake_score = self.pair.discriminator(generated, real.inside)
        if self.objective.loss == "source":
            loss = -F.softplus(fake_score).mean()  # log(1 - D(G(z))), which the decoder minimizes
        else:
            loss = F.softplus(self.pair.discriminator(known, real.inside) - fake_score).mean()
        return (
            loss + self.objective.likelihood_weight * self._compute_surprisal(real)
            if self.objective.likelihood_weight > 0
            else loss
        ), len(batch.items)

    def _compute_discriminator_loss(self, known: Tensor, generated: Tensor, inside: Tensor) -> Tensor:
        real_score, fake_score = self.pair.discriminator(known, inside), self.pair.discriminator(generated, inside)
        loss = compute_discriminator_loss(self.objective.loss, real_score, fake_score)
        if self.objective.penalty <= 0:
            return loss
        gradients = torch.autograd.grad((real_score.sum(), fake_score.sum()), (known, generated), create_graph=True)
        return loss + 0.5 * self.objective.penalty * sum((slope**2).sum((1, 2)).mean() for slope in gradients)

    def _compute_surprisal(self, real: RealBatch) -> Tensor:
        net = self.pair.decoder
        start = torch.full_like(real.items[:, :1], net.shape.n_items + 1)
        inputs, inside = torch.cat([start, real.items[:, :-1]], dim=1), real.inside
        vectors, states = (
            net.build_item_weights(),
            net.encode_events(inputs)[inside] + net.embed_times(real.knot_positions[inside]),
        )
        return F.cross_entropy(states @ vectors[:, :-1].T + vectors[:, -1], real.items[inside] - 1)

    def validate_network(self, net: nn.Module) -> float | None:
        return None


def compute_discriminator_loss(loss: str, real_score: Tensor, fake_score: Tensor) -> Tensor:
    """Returns the mean loss. source: -E log D(x) - E log(1 - D(G(z))); relativistic: each real row against one
    generated at its times (Jolicoeur-Martineau, ICLR 2019; Huang et al., NeurIPS 2024, eq. 2)."""
    if loss == "source":
        return F.softplus(-real_score).mean() + F.softplus(fake_score).mean()
    return F.softplus(fake_score - real_score).mean()
