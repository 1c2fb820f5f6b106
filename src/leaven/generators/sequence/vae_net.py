"""What taste lies behind a history, and how likely is the history given it?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.generators.sequence.decoder import Batch, Decoder, Epoch, batch_of, moved, parts_of
from leaven.generators.sequence.fitting import Ground
from leaven.kernels.keyed_rng import uniforms
from leaven.nn import losses, sequence_packing
from leaven.nn.sequence_encoder import Block
from leaven.nn.sequence_packing import Stretches
from leaven.nn.training import Chance

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_LOOKS = 4  # draws of the taste for each judging row


class Latent(nn.Module):
    """A reader of whole histories, and a decoder that every step is told their taste (Bowman et al., CoNLL 2016).

    The reader attends both ways, nearer events more, and takes the mean of what it sees: a normal law of the taste.
    """

    def __init__(self, decoder: Decoder, latent: int, chance: torch.Generator) -> None:
        super().__init__()
        self.decoder, self.latent, width = decoder, latent, decoder.shape.width
        with torch.random.fork_rng(devices=[]):
            self.reader, self.last = Block(decoder.shape), nn.LayerNorm(width)
            self.belief, self.tastes = nn.Linear(width, 2 * latent), nn.Linear(latent, width, bias=False)
        self._draw(chance)

    @torch.no_grad()
    def _draw(self, chance: torch.Generator) -> None:
        for module in (self.reader, self.belief, self.tastes):
            for name, weights in module.named_parameters():
                if weights.dim() > 1:
                    weights.normal_(0.0, 0.02, generator=chance)
                elif name.endswith("bias"):
                    weights.zero_()

    def forward(self, batch: LatentBatch, noise: Tensor) -> tuple[Tensor, Tensor]:
        """(states of the targets (targets, width), divergence from the prior (stretches, latent)).

        noise (stretches, latent): one draw of each stretch's taste, standard normal. Stretches as `parts_of` has them.
        """
        states, apart, first = [], [], 0
        for (inputs, aim), whole in zip(batch.batch.groups, batch.wholes, strict=True):
            mean, log_variance = self.read(whole)
            drawn = mean + noise[first : first + len(whole)] * (0.5 * log_variance).exp()
            states.append(self.decoder.states(inputs, self.tastes(drawn))[aim])
            apart.append(0.5 * (mean**2 + log_variance.exp() - 1 - log_variance))
            first += len(whole)
        return torch.cat(states) + self.decoder.at(batch.batch.when), torch.cat(apart)

    def read(self, whole: Tensor) -> tuple[Tensor, Tensor]:
        """whole int64 (rows, places), 0 behind a row's end -> mean, logarithm of variance, both (rows, latent)."""
        x, inside = self.decoder.items(whole), whole > 0
        place = torch.arange(whole.shape[1], device=x.device)
        bias = -self.decoder.slopes(x)[:, None, None] * (place[:, None] - place).abs().to(x.dtype)
        bias = bias.masked_fill(~inside[:, None, None], -math.inf)
        x = self.last(self.reader(x, bias)) * inside[..., None]
        mean, log_variance = self.belief(x.sum(1) / inside.sum(1, keepdim=True).clamp(min=1)).chunk(2, dim=1)
        return mean, log_variance.clamp(-12.0, 8.0)


class LatentBatch(NamedTuple):
    """wholes: int64 (rows, places) of each group, its inputs and the last target; weight float32 (stretches,);
    keys uint64 (stretches,); order int64 (stretches,): which stretch each is; progress of the training in 0..1."""

    batch: Batch
    wholes: list[Tensor]
    weight: Tensor
    keys: rng.Keys
    order: Ints
    progress: float


def latent_batch(stretches: Stretches, knots: Ints, progress: float = 1.0) -> LatentBatch:
    """Stretches as the net reads them."""
    wholes = []
    for part in parts_of(stretches):
        first, length = stretches.first[part][:, None], stretches.length[part][:, None]
        place = np.arange(int(length.max()) + 1)
        events = np.where(place <= length, first + place, 0)
        wholes.append(torch.from_numpy(np.where(place <= length, stretches.rows.items[events], 0).astype(np.int64)))
    order = np.concatenate(parts_of(stretches))
    weight = torch.from_numpy(stretches.weight[order])
    return LatentBatch(batch_of(stretches, knots), wholes, weight, stretches.keys[order], order, progress)


@dataclass(frozen=True)
class Aim:
    """What is minimised. objective: likelihood or squared_error; beta: weight of the divergence, reached after a share
    `warm_up` of the steps; free_nats: divergence of a dimension, in the mean of a batch, that costs nothing."""

    objective: str
    beta: float
    warm_up: float
    free_nats: float

    def weight(self, progress: float) -> float:
        """Of the divergence."""
        return self.beta * (min(progress / self.warm_up, 1.0) if self.warm_up > 0 else 1.0)


class Tastes:
    """The task (`training.Task`) of an autoencoder of histories, judged by a bound of the likelihood."""

    def __init__(self, net: Latent, aim: Aim, ground: Ground, length: int, events: int, steps: int, key: int) -> None:
        self.net: nn.Module = net
        self.latent, self.aim, self.ground, self.length = net, aim, ground, length
        self.events, self.steps, self.key = events, steps, key
        self.stretches = sequence_packing.training_stretches(ground.learning, length)

    def epoch(self, number: int, progress: float) -> Sequence[LatentBatch]:
        """The batches of an epoch, in an order of its own."""
        cuts = sequence_packing.batches(self.stretches, self.events, rng.key(self.key, "order", number))

        def made(nth: int) -> LatentBatch:
            return latent_batch(self.stretches.take(cuts[nth]), self.ground.knots, progress + nth / self.steps)

        return Epoch(len(cuts), made)

    def loss(self, net: nn.Module, batch: LatentBatch, chance: Chance) -> tuple[Tensor, int]:
        """(error of the targets and weighted divergence of the rows, per target; how many)."""
        device, decoder = self.latent.decoder.bias.device, self.latent.decoder
        read = _moved(batch, device)
        noise = torch.randn(len(batch.weight), self.latent.latent, generator=chance.generator("taste")).to(device)
        states, apart = net(read, noise)
        error = _squared_error if self.aim.objective == "squared_error" else _surprisal
        total = error(decoder, states.float(), read.batch)
        free = (apart * read.weight[:, None]).sum(0) / read.weight.sum().clamp(min=1e-12)
        divergence = free.clamp(min=self.aim.free_nats).sum() * read.weight.sum()
        total = total + self.aim.weight(batch.progress) * divergence
        return total / read.batch.weight.sum().clamp(min=1e-12), len(read.batch.targets)

    def look(self, net: nn.Module) -> float | None:
        """Mean bound of the log-likelihood of an event of the rows to judge by."""
        judge = self.ground.judge
        if not judge.events:
            return None
        found = bounds(self.latent, judge, self.ground.knots, self.length, _LOOKS)
        return float(found.sum() / max(int(judge.targets.sum()), 1))


def _surprisal(decoder: Decoder, states: Tensor, batch: Batch) -> Tensor:
    """Minus the logarithm of the probability of each target, weighted and summed up."""
    states = torch.cat([states, states.new_ones(len(states), 1)], dim=1)
    vectors, own = decoder.vectors().float(), batch.targets - 1
    hits = torch.stack([torch.arange(len(own), device=own.device), own])
    return losses.against(states, vectors[own], vectors, batch.weight, hits)


def _squared_error(decoder: Decoder, states: Tensor, batch: Batch) -> Tensor:
    """Squared distance of the probabilities from a 1 at the target, weighted and summed up (Brier, 1950)."""
    vectors = decoder.vectors().float()
    shares = torch.softmax(states @ vectors[:, :-1].T + vectors[:, -1], dim=1)
    own = shares.gather(1, batch.targets[:, None] - 1)[:, 0]
    return (batch.weight * ((shares**2).sum(1) - 2 * own + 1)).sum()


def _moved(read: LatentBatch, device: torch.device) -> LatentBatch:
    wholes = [whole.to(device) for whole in read.wholes]
    return LatentBatch(moved(read.batch, device), wholes, read.weight.to(device), read.keys, read.order, read.progress)


def normals(keys: rng.Keys, count: int, draw: int = 0) -> Floats:
    """float64 (rows, count): standard normal, draw number `draw` of each key (Box and Muller, 1958)."""
    number = np.arange(count, dtype=np.int64) * 2 + 2 * count * draw
    flat, places = np.repeat(keys, count), np.tile(number, len(keys))
    radius = np.sqrt(-2 * np.log1p(-uniforms(flat, places)))
    drawn: Floats = radius * np.cos(2 * np.pi * uniforms(flat, places + 1))
    return drawn.reshape(len(keys), count)


def _weight(taste: Tensor, noise: Tensor, log_variance: Tensor, samples: int) -> Tensor:
    """float64 (rows,): logarithm of the prior over what was drawn from, a mixture of prior and belief: never large."""
    prior, belief = -0.5 * (taste**2).double().sum(1), -0.5 * (noise**2 + log_variance).double().sum(1)
    share = samples // 2 / samples
    mixed = belief if share == 0 else torch.logaddexp(prior + math.log(share), belief + math.log(1 - share))
    return prior - mixed


@torch.inference_mode()
def bounds(net: Latent, rows: Histories, knots: Ints, length: int, samples: int) -> Floats:
    """float64 (rows,): a lower bound of the logarithm of each row's probability, tighter with more samples.

    Importance-weighted over tastes, half of them drawn from the prior, half from what the reader believes (Burda,
    Grosse and Salakhutdinov, ICLR 2016, eq. 8, with a defensive mixture: Owen and Zhou, 2000); every draw follows from
    the row's key. rows begun with the mask's id.
    """
    stretches = sequence_packing.training_stretches(rows, length)
    owner = np.repeat(np.arange(len(rows)), np.maximum(-(-np.minimum(rows.targets, rows.lengths - 1) // length), 0))
    found, vectors = np.zeros(len(rows)), net.decoder.vectors()
    step = max(4_000_000 // (net.decoder.shape.n_items * 8), 1)
    for first in range(0, len(stretches), step):
        index = np.arange(first, min(first + step, len(stretches)))
        read = _moved(latent_batch(stretches.take(index), knots), vectors.device)
        beliefs = [net.read(whole) for whole in read.wholes]
        log_variance = torch.cat([belief[1] for belief in beliefs])
        mean, spread = torch.cat([belief[0] for belief in beliefs]), (0.5 * log_variance).exp()
        known = np.zeros((samples, len(index)))
        for draw in range(samples):
            noise = torch.from_numpy(normals(read.keys, net.latent, draw)).to(mean)
            noise = noise if draw >= samples // 2 else (noise - mean) / spread  # the first half from the prior
            states, _ = net(read, noise)
            logits = torch.log_softmax((states @ vectors[:, :-1].T + vectors[:, -1]).double(), dim=1)
            own = logits.gather(1, read.batch.targets[:, None] - 1)[:, 0].cpu().numpy()
            np.add.at(known[draw], read.batch.rows, own)
            known[draw, read.order] += _weight(mean + noise * spread, noise, log_variance, samples).cpu().numpy()
        found += np.bincount(owner[index], np.logaddexp.reduce(known) - math.log(samples), minlength=len(rows))
    return found
