"""Bidirectional masked network of the denoising generator: training, likelihood and decoding."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.generators.sequence.decoder import LazyEpoch
from leaven.generators.sequence.event_timing import DRAWS_PER_EVENT, draw_item_uniforms, draw_times
from leaven.generators.sequence.fitting import RepeatCounter, SequenceTrainingSplit
from leaven.generators.sequence.item_sampling import DecodingConfig, ItemSampler
from leaven.generators.sequence.sequence_scaffold import Scaffold
from leaven.kernels.keyed_rng import draw_uniforms
from leaven.nn import losses
from leaven.nn.sequence_encoder import EncoderShape, TransformerBlock, apply_dropout
from leaven.nn.training import StepRng

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_REACH = 16  # larger distances share one bias
_ROWS = 512  # decoded together
_ORDER = 1 << 40  # first draw of the decoding order, beyond those of events


class MaskedModel(nn.Module):
    """Bidirectional self-attention over items and times, with masked items as the mask id (BERT4Rec, CIKM 2019).

    Where we differ: a learned bias for each head and signed distance in place of absolute positions, the time of every
    event, masked ones included, and no separate output layer.
    """

    def __init__(self, shape: EncoderShape, knots: int, counts: Tensor, generator: torch.Generator) -> None:
        super().__init__()
        self.shape = shape
        with torch.random.fork_rng(devices=[]):
            self.items = nn.Embedding(shape.n_items + 2, shape.width, padding_idx=0)
            self.knots = nn.Embedding(knots, shape.width)
            self.blocks = nn.ModuleList(TransformerBlock(shape) for _ in range(shape.layers))
            self.last = nn.LayerNorm(shape.width)
        head, distance = torch.arange(shape.heads)[:, None], torch.arange(-_REACH, _REACH + 1)[None]
        slopes = 4.0 ** -(head // 2)
        is_opposite = torch.where(head % 2 == 0, distance <= 0, distance >= 0)  # query position minus key position
        self.near = nn.Parameter(-slopes * distance.abs() - 4.0 * is_opposite)
        self.bias = nn.Parameter(((counts + 0.1) / (counts + 0.1).sum()).log())
        with torch.no_grad():
            for name, weights in self.named_parameters():
                if weights.dim() > 1 and name != "near":
                    weights.normal_(0.0, 0.02, generator=generator)
                elif name.startswith("blocks") and name.endswith("bias"):
                    weights.zero_()
            self.items.weight[0] = 0.0
            self.knots.weight.zero_()

    def forward(self, inputs: Tensor, when: Tensor, is_asked: Tensor) -> Tensor:
        """Returns (asked positions, width): predicting states. inputs int64, padded with 0; when float, positions
        between knots; is_asked bool; each (rows, positions)."""
        low = when.floor().clamp(0, max(self.knots.num_embeddings - 2, 0)).long()
        share, high = (when - low)[..., None], (low + 1).clamp(max=self.knots.num_embeddings - 1)
        time_embeddings = self.knots(low) * (1 - share) + self.knots(high) * share
        x = apply_dropout(self.items(inputs) + time_embeddings, self.shape.dropout if self.training else 0.0)
        position = torch.arange(inputs.shape[1], device=inputs.device)
        distance = (position[:, None] - position[None, :]).clamp(-_REACH, _REACH) + _REACH
        bias = self.near[:, distance].masked_fill((inputs == 0)[:, None, None], -math.inf)
        for block in self.blocks:
            x = block(x, bias)
        states: Tensor = self.last(x[is_asked]) + time_embeddings[is_asked]
        return states

    def build_item_weights(self) -> Tensor:
        """Returns (items, width + 1): item weights and bias; their product with a state and a 1 is the logit."""
        return torch.cat([self.items.weight[1 : self.shape.n_items + 1], self.bias[:, None]], dim=1)


@dataclass(frozen=True, eq=False)
class MaskedBatch:
    """items, times int64 (rows, positions), padded with 0; hidden bool: masked events, which the net predicts."""

    items: Ints
    times: Ints
    is_masked: Mask

    def to_tensors(self, mask_id: int, knots: Ints) -> tuple[Tensor, Tensor, Tensor]:
        """Returns inputs, times and masks for `MaskedModel.forward`."""
        inputs = np.where(self.is_masked, mask_id, self.items).astype(np.int64)
        when = np.interp(self.times, knots, np.arange(len(knots))).astype(np.float32)
        return torch.from_numpy(inputs), torch.from_numpy(when), torch.from_numpy(self.is_masked)


def split_rows(rows: Histories, length: int) -> tuple[Ints, Ints]:
    """Returns row and first event, int64, of each piece of at most `length` events; rows start with the mask id."""
    lengths = np.maximum(rows.lengths - 1, 0)
    count = -(-lengths // length)
    row = np.repeat(np.arange(len(rows)), count)
    nth = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    return row, rows.starts[row] + 1 + nth * length


def build_grid(rows: Histories, row: Ints, first: Ints, length: int) -> tuple[Ints, Ints]:
    """Returns items and times, int64 (pieces, positions)."""
    own = np.minimum(rows.starts[row + 1] - first, length)[:, None]
    position = np.arange(int(own.max(initial=1)))
    inside = position < own
    events = np.where(inside, first[:, None] + position, 0)
    return np.where(inside, rows.items[events], 0), np.where(inside, rows.times[events], 0)


class MaskedItemTask:
    """The training task (`training.Task`) of predicting masked items; the masked number is uniform for each row."""

    def __init__(self, net: MaskedModel, ground: SequenceTrainingSplit, length: int, events: int, key: int) -> None:
        self.net: nn.Module = net
        self.denoiser, self.ground, self.length, self.events, self.key = net, ground, length, events, key
        self.row, self.first = split_rows(ground.train_rows, length)

    def build_batches(self, number: int, progress: float) -> Sequence[MaskedBatch]:
        """Returns batches of pieces of about equal length, in an order drawn for the epoch."""
        rows = self.ground.train_rows
        drawn = rng.derive_row_keys(
            rng.derive_key(self.key, "epoch", number), rows.row_ids[self.row] + self.first.astype(np.uint64)
        )
        order = np.argsort(drawn, kind="stable")
        size = np.minimum(rows.starts[self.row + 1] - self.first, self.length)[order]
        parts = list(_split_batches(order, size, self.events))
        return LazyEpoch(len(parts), lambda nth: self._mask_pieces(parts[nth], drawn[parts[nth]]))

    def _mask_pieces(self, pieces: Ints, keys: rng.RngKeys) -> MaskedBatch:
        items, times = build_grid(self.ground.train_rows, self.row[pieces], self.first[pieces], self.length)
        return MaskedBatch(items, times, draw_masks(items, keys))

    def compute_loss(self, net: nn.Module, batch: MaskedBatch, step_rng: StepRng) -> tuple[Tensor, int]:
        """Returns the mean surprisal of the masked items, and their number."""
        device, knots = self.denoiser.bias.device, self.ground.knots
        inputs, when, hidden = batch.to_tensors(self.denoiser.shape.n_items + 1, knots)
        states = net(inputs.to(device), when.to(device), hidden.to(device)).float()
        states = torch.cat([states, states.new_ones(len(states), 1)], dim=1)
        own = torch.from_numpy(batch.items[batch.is_masked] - 1).to(device)
        vectors, weight = self.denoiser.build_item_weights().float(), torch.ones(len(own), device=device)
        hits = torch.stack([torch.arange(len(own), device=device), own])
        return losses.softmax_loss(states, vectors[own], vectors, weight, hits) / max(len(own), 1), len(own)

    def validate_network(self, net: nn.Module) -> float | None:
        """Returns the mean log-likelihood of an event of the validation rows, from left to right."""
        rows = self.ground.validation_rows
        if not rows.n_events:
            return None
        log_likelihoods = compute_masked_log_likelihoods(
            self.denoiser, rows, self.ground.knots, self.length, left_to_right=True
        )
        return float(log_likelihoods.sum() / max(int(np.maximum(rows.lengths - 2, 0).sum()), 1))


def draw_masks(items: Ints, keys: rng.RngKeys) -> Mask:
    """Returns bool (rows, positions): k random events of each row of n, with k uniform in 1..n."""
    is_event = items > 0
    count = is_event.sum(1)
    width = items.shape[1]
    draws = draw_uniforms(np.repeat(keys, width), np.tile(np.arange(1, width + 1), len(keys))).reshape(items.shape)
    rank = np.where(is_event, draws, 2.0).argsort(axis=1).argsort(axis=1)
    n_masked = 1 + (rng.draw_uniform(keys, 0) * count).astype(np.int64)
    hidden: Mask = is_event & (rank < n_masked[:, None])
    return hidden


def _split_batches(order: Ints, size: Ints, events: int) -> Iterator[Ints]:
    """Yields batches of about `events` events, in the given order."""
    passed = np.cumsum(size)
    edges = np.searchsorted(passed, np.arange(events, int(passed[-1]) if len(passed) else 0, events))
    for part in np.split(order, edges):
        if len(part):
            yield part


@torch.inference_mode()
def compute_masked_log_likelihoods(
    net: MaskedModel, rows: Histories, knots: Ints, length: int, left_to_right: bool
) -> Floats:
    """Returns float64 (rows,): summed log-probabilities of each row's items except the first, given all times.

    left_to_right: each given the items before it; else each given all others. rows start with the mask id.
    """
    row, first = split_rows(rows, length)
    own = np.minimum(rows.starts[row + 1] - first, length)
    piece = np.repeat(np.arange(len(row)), own)
    position = np.arange(len(piece)) - np.repeat(np.cumsum(own) - own, own)
    asked = np.flatnonzero(first[piece] + position > rows.starts[row[piece]] + 1)  # not the row's first
    piece, position, sums, vectors = piece[asked], position[asked], np.zeros(len(rows)), net.build_item_weights()
    for low in range(0, len(piece), _ROWS):
        part, at = piece[low : low + _ROWS], position[low : low + _ROWS]
        items, times = build_grid(rows, row[part], first[part], length)
        positions = np.arange(items.shape[1])
        is_asked = positions == at[:, None]
        hidden = (positions >= at[:, None]) & (items > 0) if left_to_right else is_asked
        inputs, when, _ = MaskedBatch(items, times, hidden).to_tensors(net.shape.n_items + 1, knots)
        device = vectors.device
        states = net(inputs.to(device), when.to(device), torch.from_numpy(is_asked).to(device))
        logits = torch.log_softmax((states @ vectors[:, :-1].T + vectors[:, -1]).double(), dim=1)
        target = torch.from_numpy(items[is_asked] - 1).to(vectors.device)
        np.add.at(sums, row[part], logits.gather(1, target[:, None])[:, 0].cpu().numpy())
    return sums


@torch.inference_mode()
def calibrate_masked_repeats(net: MaskedModel, ground: SequenceTrainingSplit, length: int, key: int) -> float:
    """Returns the factor on the probability of repeated items that makes repeats as frequent as in real rows."""
    rows, counter, vectors = ground.calibration_rows, RepeatCounter(), net.build_item_weights()
    row, first = split_rows(rows, length)
    step = max(8_000_000 // (net.shape.n_items * length), 1)
    for low in range(0, min(len(row), 20 * step), step):
        items, times = build_grid(rows, row[low : low + step], first[low : low + step], length)
        hidden = draw_masks(items, rng.derive_row_keys(key, rows.row_ids[row[low : low + step]]))
        inputs, when, is_asked = MaskedBatch(items, times, hidden).to_tensors(net.shape.n_items + 1, ground.knots)
        states = net(inputs, when, is_asked)
        held = np.zeros((len(items), net.shape.n_items + 2), np.float32)
        np.put_along_axis(held, np.where(hidden, 0, items), 1.0, axis=1)
        owner = np.nonzero(hidden)[0]
        shares = torch.softmax(states @ vectors[:, :-1].T + vectors[:, -1], dim=1)
        counter.add_batch(shares, torch.from_numpy(held[owner, 1:-1]), torch.from_numpy(items[hidden]))
    return counter.repeat_factor


@torch.inference_mode()
def fill_masked_events(net: MaskedModel, decoding: DecodingConfig, frame: Scaffold, max_passes: int) -> None:
    """Draws the open events of a scaffold, in place: times first, then items, in an order drawn for each row.

    Each item is drawn given all items known by then; a row of more than `max_passes` open events has several drawn in
    one pass (Ghazvininejad et al., EMNLP 2019). The net is in double precision and in evaluation mode.
    """
    if not frame.has_times:
        _draw_missing_times(decoding, frame)
    drawer, opened = ItemSampler(decoding, net.build_item_weights()), frame.source_index < 0
    lengths = np.diff(frame.starts)
    order = np.unique(np.repeat(np.arange(len(lengths)), lengths)[opened])
    order = order[np.argsort(lengths[order], kind="stable")]
    while len(order):
        longest = lengths[order[min(_ROWS, len(order)) - 1]]
        count = max(_ROWS * 64 // max(int(longest), 64), 1)
        _fill_block(net, drawer, frame, order[:count], opened, max_passes)
        order = order[count:]


def _draw_missing_times(decoding: DecodingConfig, frame: Scaffold) -> None:
    at = frame.starts[:-1] + frame.n_known
    while True:
        rows = np.flatnonzero(at < frame.starts[1:])
        if not len(rows):
            return
        number = (at[rows] - frame.starts[rows] - frame.n_known[rows]) * DRAWS_PER_EVENT
        draw_times(decoding.clock, frame, rows, at[rows], number)
        at = at + 1


def _fill_block(
    net: MaskedModel, drawer: ItemSampler, frame: Scaffold, rows: Ints, opened: Mask, max_passes: int
) -> None:
    lengths = np.diff(frame.starts)[rows]
    held = drawer.collect_held_items(frame, rows, ~opened)
    position = np.arange(int(lengths.max()))
    inside = position < lengths[:, None]
    events = np.where(inside, frame.starts[rows][:, None] + position, 0)
    hidden = inside & opened[events]
    turn, times = _assign_passes(frame.keys[rows], hidden, max_passes), np.where(inside, frame.times[events], 0)
    for number in range(int(turn.max()) + 1):
        asked = hidden & (turn == number)
        mine = np.flatnonzero(asked.any(axis=1))
        known = np.where(inside[mine], frame.items[events[mine]], 0)
        inputs, when, _ = MaskedBatch(known, times[mine], hidden[mine]).to_tensors(
            net.shape.n_items + 1, drawer.decoding.knots
        )
        device = net.bias.device
        states = net(inputs.to(device), when.to(device), torch.from_numpy(asked[mine]).to(device))
        row, column = np.nonzero(asked[mine])
        nth = np.arange(len(row)) - np.searchsorted(row, row)
        for turn_in_pass in range(int(nth.max()) + 1):  # one after the other: the items that a row holds grow
            now = np.flatnonzero(nth == turn_in_pass)
            at = mine[row[now]]
            event = events[at, column[now]]
            u = draw_item_uniforms(
                frame, rows[at], (event - frame.starts[rows[at]] - frame.n_known[rows[at]]) * DRAWS_PER_EVENT
            )
            frame.items[event] = drawer.sample_items(states[torch.from_numpy(now)], frame.times[event], held, at, u)
        hidden &= ~asked


def _assign_passes(keys: rng.RngKeys, hidden: Mask, max_passes: int) -> Ints:
    """Returns int64 (rows, positions): the pass in which each masked event is drawn, in an order drawn for each row."""
    width = hidden.shape[1]
    draws = draw_uniforms(np.repeat(keys, width), np.tile(np.arange(width), len(keys)) + _ORDER).reshape(hidden.shape)
    rank = np.where(hidden, draws, 2.0).argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
    count = np.maximum(hidden.sum(axis=1, keepdims=True), 1)
    turns: Ints = np.where(hidden, rank * np.minimum(count, max_passes) // count, -1)
    return turns
