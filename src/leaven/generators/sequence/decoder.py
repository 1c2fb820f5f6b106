"""Decoder networks that predict the next item from earlier events and the time of the next event."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar, overload

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.nn import losses, sequence_packing
from leaven.nn.sequence_encoder import EncoderShape, TransformerBlock, apply_dropout
from leaven.nn.sequence_packing import Segments
from leaven.nn.training import StepRng

Ints = npt.NDArray[np.int64]

_MAX_FULL_SOFTMAX = (
    20_000  # items up to which the softmax is full: twice the cost, and rows are less biased to popular items
)
_NEGATIVES = 4_096
_SEGMENTS_PER_PASS = 256  # segments whose likelihood is computed together
_MAX_LOGITS = 1 << 18  # held at a time: 1 MB, which stays in the cache
_GROUPS = 4  # of about equal length inside a batch, to limit padding


class Decoder(nn.Module):
    """A transformer decoder or a GRU over items; each row starts with the mask id.

    Attention uses a fixed distance slope for each head (ALiBi, Press et al., ICLR 2022, sec. 3), so that cached states
    stay valid when the row grows. The time of the next event is an embedding interpolated between `knots` and added to
    the state, because popularity drifts. Logits are dot products plus a bias initialized with item frequencies.
    """

    def __init__(self, shape: EncoderShape, cell: str, knots: int, counts: Tensor, generator: torch.Generator) -> None:
        super().__init__()
        self.shape, self.cell = shape, cell
        with torch.random.fork_rng(devices=[]):  # default initialization draws from the global generator
            self.items = nn.Embedding(shape.n_items + 2, shape.width, padding_idx=0)
            self.knots = nn.Embedding(knots, shape.width)
            self.bias = nn.Parameter(((counts + 0.1) / (counts + 0.1).sum()).log())
            layers = shape.layers if cell == "transformer" else 0
            self.blocks = nn.ModuleList(TransformerBlock(shape) for _ in range(layers))
            self.gru = nn.GRU(shape.width, shape.width, shape.layers, batch_first=True) if cell == "gru" else None
            self.last = nn.LayerNorm(shape.width)
        self._initialize(generator)

    @torch.no_grad()
    def _initialize(self, generator: torch.Generator) -> None:
        spread = 0.02 if self.gru is None else self.shape.width**-0.5
        for name, weights in self.named_parameters():
            if weights.dim() > 1:
                weights.normal_(0.0, spread if name.startswith("gru") else 0.02, generator=generator)
            elif name.startswith(("blocks", "gru")) and "bias" in name:
                weights.zero_()
        self.items.weight[0] = 0.0
        self.knots.weight.zero_()

    def forward(self, batch: DecoderBatch) -> Tensor:
        """Returns (targets, width): the predicting states, plus the embedded time of each target."""
        states = [self.encode_events(inputs)[is_predicting] for inputs, is_predicting in batch.groups]
        return torch.cat(states) + self.embed_times(batch.knot_positions)

    def encode_events(self, inputs: Tensor, latent: Tensor | None = None) -> Tensor:
        """Returns (rows, positions, width) for inputs int64 (rows, positions), padded with 0.

        latent: (rows, width), added to every event embedding; None: nothing is added.
        """
        x = apply_dropout(self.items(inputs), self.shape.dropout if self.training else 0.0)
        x = x if latent is None else x + latent[:, None]
        if self.gru is not None:
            outputs: Tensor = self.last(self.gru(x)[0])
            return outputs
        bias = self._compute_distance_bias(inputs.shape[1], x)
        for block in self.blocks:
            x = block(x, bias)
        states: Tensor = self.last(x)
        return states

    def embed_times(self, when: Tensor) -> Tensor:
        """Returns (n, width): embeddings of times, given as positions between knots."""
        low = when.floor().clamp(0, max(self.knots.num_embeddings - 2, 0)).long()
        share = (when - low).to(self.knots.weight.dtype)[:, None]
        high = (low + 1).clamp(max=self.knots.num_embeddings - 1)
        embeddings: Tensor = self.knots(low) * (1 - share) + self.knots(high) * share
        return embeddings

    def build_item_weights(self) -> Tensor:
        """Returns (items, width + 1): item weights and bias; their product with a state and a 1 is the logit."""
        return torch.cat([self.items.weight[1 : self.shape.n_items + 1], self.bias[:, None]], dim=1)

    def compute_slopes(self, like: Tensor) -> Tensor:
        """Returns (heads,): the penalty for each position of distance."""
        heads = self.shape.heads
        return 2.0 ** (-8.0 * torch.arange(1, heads + 1, dtype=like.dtype, device=like.device) / heads)

    def _compute_distance_bias(self, n_positions: int, like: Tensor) -> Tensor:
        """Returns (1, heads, positions, positions): minus slope times distance, minus infinity for later positions."""
        position = torch.arange(n_positions, device=like.device)
        back = (position[:, None] - position[None, :]).to(like.dtype)
        bias = -self.compute_slopes(like)[:, None, None] * back
        return bias.masked_fill(back < 0, -math.inf)[None]


class DecoderBatch(NamedTuple):
    """groups: pairs of inputs int64 (rows, positions) and bool (rows, positions): which states predict a target;
    targets int64 (targets,); when float64 (targets,): time of each target as a position between knots; weight float32
    (targets,); rows int64 (targets,): segment of each target."""

    groups: list[tuple[Tensor, Tensor]]
    targets: Tensor
    knot_positions: Tensor
    weight: Tensor
    segment_index: Ints


def group_by_length(stretches: Segments) -> list[Ints]:
    """Returns indices of the segments in groups of about equal length."""
    order = np.argsort(stretches.lengths, kind="stable")
    return list(np.array_split(order, min(_GROUPS, len(order))))


def build_decoder_batch(stretches: Segments, knots: Ints) -> DecoderBatch:
    """Returns a batch of segments, in groups of about equal length."""
    groups, events, rows = [], [], []
    for part in group_by_length(stretches):
        length = stretches.lengths[part]
        position = np.arange(int(length.max()))
        inside = position < length[:, None]
        event = np.where(inside, stretches.first_inputs[part][:, None] + position, 0)
        inputs = np.where(inside, stretches.rows.items[event], 0).astype(np.int64)
        is_predicting = inside & (position >= (length - stretches.n_targets[part])[:, None])
        groups.append((torch.from_numpy(inputs), torch.from_numpy(is_predicting)))
        events.append(event[is_predicting] + 1)
        rows.append(np.broadcast_to(part[:, None], is_predicting.shape)[is_predicting])
    target, row = np.concatenate(events), np.concatenate(rows)
    next_items = stretches.rows.items[target].astype(np.int64)
    when = np.interp(stretches.rows.times[target], knots, np.arange(len(knots)))
    weight = stretches.weight[row]
    return DecoderBatch(groups, torch.from_numpy(next_items), torch.from_numpy(when), torch.from_numpy(weight), row)


BatchT = TypeVar("BatchT")


@dataclass(frozen=True, eq=False)
class LazyEpoch(Sequence[BatchT]):
    """The batches of one epoch, each built on access."""

    n_batches: int
    build_batch: Callable[[int], BatchT]

    def __len__(self) -> int:
        return self.n_batches

    @overload
    def __getitem__(self, nth: int) -> BatchT: ...
    @overload
    def __getitem__(self, nth: slice) -> Sequence[BatchT]: ...
    def __getitem__(self, nth: int | slice) -> BatchT | Sequence[BatchT]:
        if isinstance(nth, slice):
            return [self.build_batch(one) for one in range(self.n_batches)[nth]]
        return self.build_batch(nth)

    def __iter__(self) -> Iterator[BatchT]:
        return (self.build_batch(nth) for nth in range(self.n_batches))


class NextEventTask:
    """The training task (`training.Task`) of next-item prediction, validated on separate rows.

    rows, valid  both start with the mask id (`prepend_start_token`); events: inputs of one step
    """

    def __init__(
        self, net: Decoder, rows: Histories, valid: Histories, knots: Ints, length: int, events: int, key: int
    ) -> None:
        self.net: nn.Module = net
        self.decoder, self.knots, self.events, self.key, self.length = net, knots, events, key, length
        self.stretches = sequence_packing.build_training_segments(rows, length)
        self.valid = valid
        share = (net.bias.detach().double().exp() * len(rows.items)).clamp(min=1.0) ** 0.75
        self.shares = share / share.sum()
        self.edges = self.shares.cumsum(0)

    def build_batches(self, number: int, progress: float) -> Sequence[DecoderBatch]:
        """Returns the batches of an epoch, in an order drawn for it."""
        parts = sequence_packing.split_batches(self.stretches, self.events, rng.derive_key(self.key, "order", number))
        return LazyEpoch(len(parts), lambda nth: build_decoder_batch(self.stretches.take(parts[nth]), self.knots))

    def compute_loss(self, net: nn.Module, batch: DecoderBatch, step_rng: StepRng) -> tuple[Tensor, int]:
        """Returns the mean cross-entropy of the targets, and their number."""
        device = self.decoder.bias.device
        batch = move_batch(batch, device)
        states = net(batch).float()
        states = torch.cat([states, states.new_ones(len(states), 1)], dim=1)
        vectors, own = self.decoder.build_item_weights().float(), batch.targets - 1
        if self.decoder.shape.n_items <= _MAX_FULL_SOFTMAX:
            hits = torch.stack([torch.arange(len(own), device=device), own])
            total = losses.softmax_loss(states, vectors[own], vectors, batch.weight, hits)
        else:
            points = torch.rand(_NEGATIVES, generator=step_rng.make_generator("negatives"), dtype=torch.float64)
            negatives = torch.searchsorted(self.edges.cpu(), points).clamp_(max=len(self.edges) - 1)
            bias = -(self.shares.cpu()[negatives] * _NEGATIVES).log().float().to(device)
            negatives = negatives.to(device)
            hits = losses.find_collisions(own, negatives)
            total = losses.softmax_loss(states, vectors[own], vectors[negatives], batch.weight, hits, bias)
        return total / batch.weight.sum().clamp(min=1e-12), len(own)

    def validate_network(self, net: nn.Module) -> float | None:
        """Returns the mean log-likelihood of an event of the validation rows."""
        if not self.valid.n_events:
            return None
        log_likelihoods = compute_event_log_likelihoods(self.decoder, self.valid, self.knots, self.length)
        return float(log_likelihoods.sum() / max(int(np.maximum(self.valid.lengths - 1, 0).sum()), 1))


def move_batch(batch: DecoderBatch, device: torch.device) -> DecoderBatch:
    """Returns the batch on another device."""
    groups = [(inputs.to(device), is_predicting.to(device)) for inputs, is_predicting in batch.groups]
    return DecoderBatch(
        groups, batch.targets.to(device), batch.knot_positions.to(device), batch.weight.to(device), batch.segment_index
    )


@torch.inference_mode()
def compute_event_log_likelihoods(net: Decoder, rows: Histories, knots: Ints, length: int) -> npt.NDArray[np.float64]:
    """Returns float64 (rows,): summed log-probabilities of each row's targets; rows start with the mask id."""
    stretches = sequence_packing.build_training_segments(rows, length)
    owner = np.repeat(np.arange(len(rows)), np.maximum(-(-np.minimum(rows.n_targets, rows.lengths - 1) // length), 0))
    sums, device = np.zeros(len(rows)), net.bias.device
    vectors = net.build_item_weights()
    weights, bias = vectors[:, :-1].T, vectors[:, -1]
    for first in range(0, len(stretches), _SEGMENTS_PER_PASS):
        index = np.arange(first, min(first + _SEGMENTS_PER_PASS, len(stretches)))
        batch = move_batch(build_decoder_batch(stretches.take(index), knots), device)
        states, own = net(batch), batch.targets - 1
        own_logits = (states * vectors[own, :-1]).sum(1) + bias[own]
        rest = [
            torch.addmm(bias, part, weights).logsumexp(1) for part in states.split(max(_MAX_LOGITS // len(bias), 1))
        ]
        log_probabilities = (own_logits.double() - torch.cat(rest).double()).cpu().numpy()
        np.add.at(sums, owner[index][batch.segment_index], log_probabilities)
    return sums
