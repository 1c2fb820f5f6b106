"""Network, training task and likelihood bound of the history VAE."""

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
from leaven.generators.sequence.decoder import (
    Decoder,
    DecoderBatch,
    LazyEpoch,
    build_decoder_batch,
    group_by_length,
    move_batch,
)
from leaven.generators.sequence.fitting import SequenceTrainingSplit
from leaven.kernels.keyed_rng import draw_uniforms
from leaven.nn import losses, sequence_packing
from leaven.nn.sequence_encoder import TransformerBlock
from leaven.nn.sequence_packing import Segments
from leaven.nn.training import StepRng

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_VALIDATION_SAMPLES = 4  # latent draws for each validation row


class LatentDecoder(nn.Module):
    """An encoder of whole histories, and a decoder conditioned on the latent vector at every step (Bowman et al., CoNLL
    2016).

    The encoder is bidirectional attention with a distance penalty and mean pooling; its posterior is normal.
    """

    def __init__(self, decoder: Decoder, latent: int, generator: torch.Generator) -> None:
        super().__init__()
        self.decoder, self.latent, width = decoder, latent, decoder.shape.width
        with torch.random.fork_rng(devices=[]):
            self.reader, self.last = TransformerBlock(decoder.shape), nn.LayerNorm(width)
            self.belief, self.tastes = nn.Linear(width, 2 * latent), nn.Linear(latent, width, bias=False)
        self._initialize(generator)

    @torch.no_grad()
    def _initialize(self, generator: torch.Generator) -> None:
        for module in (self.reader, self.belief, self.tastes):
            for name, weights in module.named_parameters():
                if weights.dim() > 1:
                    weights.normal_(0.0, 0.02, generator=generator)
                elif name.endswith("bias"):
                    weights.zero_()

    def forward(self, batch: LatentBatch, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the states of the targets (targets, width), and the KL divergences from the prior (segments, latent).

        noise (segments, latent): standard normal draws, in the order of `group_by_length`.
        """
        states, divergences, first = [], [], 0
        for (inputs, is_predicting), whole in zip(batch.batch.groups, batch.histories, strict=True):
            mean, log_variance = self.encode_history(whole)
            drawn = mean + noise[first : first + len(whole)] * (0.5 * log_variance).exp()
            states.append(self.decoder.encode_events(inputs, self.tastes(drawn))[is_predicting])
            divergences.append(0.5 * (mean**2 + log_variance.exp() - 1 - log_variance))
            first += len(whole)
        return torch.cat(states) + self.decoder.embed_times(batch.batch.knot_positions), torch.cat(divergences)

    def encode_history(self, whole: Tensor) -> tuple[Tensor, Tensor]:
        """Returns mean and log-variance, both (rows, latent), of whole int64 (rows, positions), padded with 0."""
        x, inside = self.decoder.items(whole), whole > 0
        position = torch.arange(whole.shape[1], device=x.device)
        bias = -self.decoder.compute_slopes(x)[:, None, None] * (position[:, None] - position).abs().to(x.dtype)
        bias = bias.masked_fill(~inside[:, None, None], -math.inf)
        x = self.last(self.reader(x, bias)) * inside[..., None]
        mean, log_variance = self.belief(x.sum(1) / inside.sum(1, keepdim=True).clamp(min=1)).chunk(2, dim=1)
        return mean, log_variance.clamp(-12.0, 8.0)


class LatentBatch(NamedTuple):
    """wholes: int64 (rows, positions) of each group, its inputs and the last target; weight float32 (segments,);
    keys uint64 (segments,); order int64 (segments,): index of each segment; progress of the training in 0..1."""

    batch: DecoderBatch
    histories: list[Tensor]
    weight: Tensor
    keys: rng.RngKeys
    order: Ints
    progress: float


def build_latent_batch(stretches: Segments, knots: Ints, progress: float = 1.0) -> LatentBatch:
    """Returns a batch of segments."""
    wholes = []
    for part in group_by_length(stretches):
        first, length = stretches.first_inputs[part][:, None], stretches.lengths[part][:, None]
        position = np.arange(int(length.max()) + 1)
        events = np.where(position <= length, first + position, 0)
        wholes.append(torch.from_numpy(np.where(position <= length, stretches.rows.items[events], 0).astype(np.int64)))
    order = np.concatenate(group_by_length(stretches))
    weight = torch.from_numpy(stretches.weight[order])
    return LatentBatch(
        build_decoder_batch(stretches, knots), wholes, weight, stretches.segment_ids[order], order, progress
    )


@dataclass(frozen=True)
class VaeObjective:
    """The minimized objective: likelihood or squared_error; beta: weight of the KL divergence, reached after a share
    `warm_up` of the steps; free_nats: batch-mean KL of a dimension without cost."""

    objective: str
    beta: float
    warm_up: float
    free_nats: float

    def compute_beta(self, progress: float) -> float:
        """Returns the weight of the KL divergence."""
        return self.beta * (min(progress / self.warm_up, 1.0) if self.warm_up > 0 else 1.0)


class HistoryVaeTask:
    """The training task (`training.Task`) of the history VAE, validated by a likelihood bound."""

    def __init__(
        self,
        net: LatentDecoder,
        objective: VaeObjective,
        ground: SequenceTrainingSplit,
        length: int,
        events: int,
        steps: int,
        key: int,
    ) -> None:
        self.net: nn.Module = net
        self.latent, self.objective, self.ground, self.length = net, objective, ground, length
        self.events, self.steps, self.key = events, steps, key
        self.stretches = sequence_packing.build_training_segments(ground.train_rows, length)

    def build_batches(self, number: int, progress: float) -> Sequence[LatentBatch]:
        """Returns the batches of an epoch, in an order drawn for it."""
        parts = sequence_packing.split_batches(self.stretches, self.events, rng.derive_key(self.key, "order", number))

        def build(nth: int) -> LatentBatch:
            return build_latent_batch(self.stretches.take(parts[nth]), self.ground.knots, progress + nth / self.steps)

        return LazyEpoch(len(parts), build)

    def compute_loss(self, net: nn.Module, batch: LatentBatch, step_rng: StepRng) -> tuple[Tensor, int]:
        """Returns the reconstruction error plus weighted divergence per target, and the number of targets."""
        device, decoder = self.latent.decoder.bias.device, self.latent.decoder
        read = _move_latent_batch(batch, device)
        noise = torch.randn(len(batch.weight), self.latent.latent, generator=step_rng.make_generator("taste")).to(
            device
        )
        states, divergences = net(read, noise)
        compute_error = _sum_squared_errors if self.objective.objective == "squared_error" else _sum_surprisals
        total = compute_error(decoder, states.float(), read.batch)
        mean = (divergences * read.weight[:, None]).sum(0) / read.weight.sum().clamp(min=1e-12)
        divergence = mean.clamp(min=self.objective.free_nats).sum() * read.weight.sum()
        total = total + self.objective.compute_beta(batch.progress) * divergence
        return total / read.batch.weight.sum().clamp(min=1e-12), len(read.batch.targets)

    def validate_network(self, net: nn.Module) -> float | None:
        """Returns the mean log-likelihood bound of an event of the validation rows."""
        rows = self.ground.validation_rows
        if not rows.n_events:
            return None
        log_likelihoods = compute_bounds(self.latent, rows, self.ground.knots, self.length, _VALIDATION_SAMPLES)
        return float(log_likelihoods.sum() / max(int(rows.n_targets.sum()), 1))


def _sum_surprisals(decoder: Decoder, states: Tensor, batch: DecoderBatch) -> Tensor:
    """Returns the weighted sum of the negative log-probabilities of the targets."""
    states = torch.cat([states, states.new_ones(len(states), 1)], dim=1)
    vectors, own = decoder.build_item_weights().float(), batch.targets - 1
    hits = torch.stack([torch.arange(len(own), device=own.device), own])
    return losses.softmax_loss(states, vectors[own], vectors, batch.weight, hits)


def _sum_squared_errors(decoder: Decoder, states: Tensor, batch: DecoderBatch) -> Tensor:
    """Returns the weighted sum of squared distances from probabilities to one-hot targets (Brier, 1950)."""
    vectors = decoder.build_item_weights().float()
    shares = torch.softmax(states @ vectors[:, :-1].T + vectors[:, -1], dim=1)
    own = shares.gather(1, batch.targets[:, None] - 1)[:, 0]
    return (batch.weight * ((shares**2).sum(1) - 2 * own + 1)).sum()


def _move_latent_batch(read: LatentBatch, device: torch.device) -> LatentBatch:
    wholes = [whole.to(device) for whole in read.histories]
    return LatentBatch(
        move_batch(read.batch, device), wholes, read.weight.to(device), read.keys, read.order, read.progress
    )


def draw_normals(keys: rng.RngKeys, count: int, draw: int = 0) -> Floats:
    """Returns float64 (rows, count): standard normal, draw number `draw` of each key (Box and Muller, 1958)."""
    number = np.arange(count, dtype=np.int64) * 2 + 2 * count * draw
    flat, numbers = np.repeat(keys, count), np.tile(number, len(keys))
    radius = np.sqrt(-2 * np.log1p(-draw_uniforms(flat, numbers)))
    drawn: Floats = radius * np.cos(2 * np.pi * draw_uniforms(flat, numbers + 1))
    return drawn.reshape(len(keys), count)


def _compute_log_weights(latent: Tensor, noise: Tensor, log_variance: Tensor, samples: int) -> Tensor:
    """Returns float64 (rows,): log-ratio of the prior to the proposal, a mixture of prior and posterior: bounded."""
    prior, posterior = -0.5 * (latent**2).double().sum(1), -0.5 * (noise**2 + log_variance).double().sum(1)
    share = samples // 2 / samples
    proposal = posterior if share == 0 else torch.logaddexp(prior + math.log(share), posterior + math.log(1 - share))
    return prior - proposal


@torch.inference_mode()
def compute_bounds(net: LatentDecoder, rows: Histories, knots: Ints, length: int, samples: int) -> Floats:
    """Returns float64 (rows,): a lower bound of each row's log-probability, tighter with more samples.

    Importance-weighted over latent draws, half from the prior, half from the posterior (Burda, Grosse and
    Salakhutdinov, ICLR 2016, eq. 8, with a defensive mixture: Owen and Zhou, 2000); all draws derive from the row's
    key. rows start with the mask id.
    """
    stretches = sequence_packing.build_training_segments(rows, length)
    owner = np.repeat(np.arange(len(rows)), np.maximum(-(-np.minimum(rows.n_targets, rows.lengths - 1) // length), 0))
    log_bounds, vectors = np.zeros(len(rows)), net.decoder.build_item_weights()
    step = max(4_000_000 // (net.decoder.shape.n_items * 8), 1)
    for first in range(0, len(stretches), step):
        index = np.arange(first, min(first + step, len(stretches)))
        read = _move_latent_batch(build_latent_batch(stretches.take(index), knots), vectors.device)
        posteriors = [net.encode_history(whole) for whole in read.histories]
        log_variance = torch.cat([posterior[1] for posterior in posteriors])
        mean, spread = torch.cat([posterior[0] for posterior in posteriors]), (0.5 * log_variance).exp()
        log_terms = np.zeros((samples, len(index)))
        for draw in range(samples):
            noise = torch.from_numpy(draw_normals(read.keys, net.latent, draw)).to(mean)
            noise = noise if draw >= samples // 2 else (noise - mean) / spread  # the first half from the prior
            states, _ = net(read, noise)
            logits = torch.log_softmax((states @ vectors[:, :-1].T + vectors[:, -1]).double(), dim=1)
            own = logits.gather(1, read.batch.targets[:, None] - 1)[:, 0].cpu().numpy()
            np.add.at(log_terms[draw], read.batch.segment_index, own)
            log_terms[draw, read.order] += (
                _compute_log_weights(mean + noise * spread, noise, log_variance, samples).cpu().numpy()
            )
        log_bounds += np.bincount(owner[index], np.logaddexp.reduce(log_terms) - math.log(samples), minlength=len(rows))
    return log_bounds
