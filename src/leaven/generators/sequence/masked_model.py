"""What stood where something is hidden, by what stands on both sides of it?"""

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
from leaven.generators.sequence.decoder import Epoch
from leaven.generators.sequence.event_timing import DRAWS, draw_times, points
from leaven.generators.sequence.fitting import Ground, Repeats
from leaven.generators.sequence.item_sampling import Drawer, Pen
from leaven.generators.sequence.sequence_scaffold import Frame
from leaven.kernels.keyed_rng import uniforms
from leaven.nn import losses
from leaven.nn.sequence_encoder import Block, Shape, dropped
from leaven.nn.training import Chance

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_REACH = 16  # places from which on all distances are one
_ROWS = 512  # written together
_ORDER = 1 << 40  # draws of the order, behind all those of events


class Denoiser(nn.Module):
    """Self-attention both ways over items and times, hidden items as the mask's id (BERT4Rec, CIKM 2019).

    Where we differ: a learned bias for each head and signed distance in place of absolute places, the time of every
    event, hidden ones too, and no encoder of its own for the mask.
    """

    def __init__(self, shape: Shape, knots: int, counts: Tensor, chance: torch.Generator) -> None:
        super().__init__()
        self.shape = shape
        with torch.random.fork_rng(devices=[]):
            self.items = nn.Embedding(shape.n_items + 2, shape.width, padding_idx=0)
            self.knots = nn.Embedding(knots, shape.width)
            self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
            self.last = nn.LayerNorm(shape.width)
        self.near = nn.Parameter(_one_sided(shape.heads))
        self.bias = nn.Parameter(((counts + 0.1) / (counts + 0.1).sum()).log())
        with torch.no_grad():
            for name, weights in self.named_parameters():
                if weights.dim() > 1 and name != "near":
                    weights.normal_(0.0, 0.02, generator=chance)
                elif name.startswith("blocks") and name.endswith("bias"):
                    weights.zero_()
            self.items.weight[0] = 0.0
            self.knots.weight.zero_()

    def forward(self, inputs: Tensor, when: Tensor, aim: Tensor) -> Tensor:
        """(places asked for, width): states that point at items. inputs int64, 0 where there is no event; when float,
        places between knots; aim bool; each (rows, places)."""
        low = when.floor().clamp(0, max(self.knots.num_embeddings - 2, 0)).long()
        part, high = (when - low)[..., None], (low + 1).clamp(max=self.knots.num_embeddings - 1)
        told = self.knots(low) * (1 - part) + self.knots(high) * part
        x = dropped(self.items(inputs) + told, self.shape.dropout if self.training else 0.0)
        place = torch.arange(inputs.shape[1], device=inputs.device)
        away = (place[:, None] - place[None, :]).clamp(-_REACH, _REACH) + _REACH
        bias = self.near[:, away].masked_fill((inputs == 0)[:, None, None], -math.inf)
        for block in self.blocks:
            x = block(x, bias)
        states: Tensor = self.last(x[aim])
        found: Tensor = states + told[aim]
        return found

    def vectors(self) -> Tensor:
        """(items, width + 1): against a state and a 1, the logit of each item."""
        return torch.cat([self.items.weight[1 : self.shape.n_items + 1], self.bias[:, None]], dim=1)


def _one_sided(heads: int) -> Tensor:
    """(heads, distances): heads in pairs that begin by looking left and right, the first pair at the next event."""
    head, away = torch.arange(heads)[:, None], torch.arange(-_REACH, _REACH + 1)[None]
    slopes = 4.0 ** -(head // 2)
    wrong = torch.where(head % 2 == 0, away <= 0, away >= 0)  # away: place of who looks less place of what is seen
    return -slopes * away.abs() - 4.0 * wrong


@dataclass(frozen=True, eq=False)
class Hidden:
    """items, times int64 (rows, places), 0 where there is no event; hidden bool: what the net must say."""

    items: Ints
    times: Ints
    hidden: Mask

    def inputs(self, mask_id: int, knots: Ints) -> tuple[Tensor, Tensor, Tensor]:
        """What `Denoiser.forward` takes."""
        shown = np.where(self.hidden, mask_id, self.items).astype(np.int64)
        when = np.interp(self.times, knots, np.arange(len(knots))).astype(np.float32)
        return torch.from_numpy(shown), torch.from_numpy(when), torch.from_numpy(self.hidden)


def pieces_of(rows: Histories, length: int) -> tuple[Ints, Ints]:
    """(row, first event) int64 of each piece of at most `length` events of rows that are begun with the mask's id."""
    lengths = np.maximum(rows.lengths - 1, 0)
    count = -(-lengths // length)
    row = np.repeat(np.arange(len(rows)), count)
    nth = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    return row, rows.starts[row] + 1 + nth * length


def grid_of(rows: Histories, row: Ints, first: Ints, length: int) -> tuple[Ints, Ints]:
    """(items, times) int64 (pieces, places)."""
    own = np.minimum(rows.starts[row + 1] - first, length)[:, None]
    place = np.arange(int(own.max(initial=1)))
    events = np.where(place < own, first[:, None] + place, 0)
    return np.where(place < own, rows.items[events], 0), np.where(place < own, rows.times[events], 0)


class Restoring:
    """The task (`training.Task`) of saying hidden items; how many are hidden is drawn evenly for each row."""

    def __init__(self, net: Denoiser, ground: Ground, length: int, events: int, key: int) -> None:
        self.net: nn.Module = net
        self.denoiser, self.ground, self.length, self.events, self.key = net, ground, length, events, key
        self.row, self.first = pieces_of(ground.learning, length)

    def epoch(self, number: int, progress: float) -> Sequence[Hidden]:
        """Batches of pieces of about equal length, in an order of its own."""
        rows = self.ground.learning
        drawn = rng.row_keys(rng.key(self.key, "epoch", number), rows.keys[self.row] + self.first.astype(np.uint64))
        order = np.argsort(drawn, kind="stable")
        size = np.minimum(rows.starts[self.row + 1] - self.first, self.length)[order]
        cuts = list(_cuts(order, size, self.events))
        return Epoch(len(cuts), lambda nth: self._hidden(cuts[nth], drawn[cuts[nth]]))

    def _hidden(self, pieces: Ints, keys: rng.Keys) -> Hidden:
        items, times = grid_of(self.ground.learning, self.row[pieces], self.first[pieces], self.length)
        return Hidden(items, times, some_hidden(items, keys))

    def loss(self, net: nn.Module, batch: Hidden, chance: Chance) -> tuple[Tensor, int]:
        """(mean surprisal of the hidden items, how many)."""
        device, knots = self.denoiser.bias.device, self.ground.knots
        read = [part.to(device) for part in batch.inputs(self.denoiser.shape.n_items + 1, knots)]
        states = net(*read).float()
        states = torch.cat([states, states.new_ones(len(states), 1)], dim=1)
        own = torch.from_numpy(batch.items[batch.hidden] - 1).to(device)
        vectors, weight = self.denoiser.vectors().float(), torch.ones(len(own), device=device)
        hits = torch.stack([torch.arange(len(own), device=device), own])
        return losses.against(states, vectors[own], vectors, weight, hits) / max(len(own), 1), len(own)

    def look(self, net: nn.Module) -> float | None:
        """Mean log-likelihood of an event of the rows to judge by, said from left to right."""
        judge = self.ground.judge
        if not judge.events:
            return None
        found = said(self.denoiser, judge, self.ground.knots, self.length, left_to_right=True)
        return float(found.sum() / max(int(np.maximum(judge.lengths - 2, 0).sum()), 1))


def some_hidden(items: Ints, keys: rng.Keys) -> Mask:
    """bool (rows, places): of each row of n events, k drawn ones, k drawn evenly from 1 to n."""
    there = items > 0
    count = there.sum(1)
    width = items.shape[1]
    lot = uniforms(np.repeat(keys, width), np.tile(np.arange(1, width + 1), len(keys))).reshape(items.shape)
    rank = np.where(there, lot, 2.0).argsort(axis=1).argsort(axis=1)
    wanted = 1 + (rng.uniform(keys, 0) * count).astype(np.int64)
    hidden: Mask = there & (rank < wanted[:, None])
    return hidden


def _cuts(order: Ints, size: Ints, events: int) -> Iterator[Ints]:
    """Batches of about `events` events; a few of them sorted by length together, so that little is padded."""
    passed = np.cumsum(size)
    edges = np.searchsorted(passed, np.arange(events, int(passed[-1]) if len(passed) else 0, events))
    for part in np.split(order, edges):
        if len(part):
            yield part


@torch.inference_mode()
def said(net: Denoiser, rows: Histories, knots: Ints, length: int, left_to_right: bool) -> Floats:
    """float64 (rows,): summed log-probabilities of each row's items but the first, given all times.

    left_to_right: each given the items before it; else each given all others. rows begun with the mask's id.
    """
    row, first = pieces_of(rows, length)
    own = np.minimum(rows.starts[row + 1] - first, length)
    piece = np.repeat(np.arange(len(row)), own)
    place = np.arange(len(piece)) - np.repeat(np.cumsum(own) - own, own)
    asked = np.flatnonzero(first[piece] + place > rows.starts[row[piece]] + 1)  # not the row's first
    piece, place, found, vectors = piece[asked], place[asked], np.zeros(len(rows)), net.vectors()
    for low in range(0, len(piece), _ROWS):
        part, at = piece[low : low + _ROWS], place[low : low + _ROWS]
        items, times = grid_of(rows, row[part], first[part], length)
        everywhere = np.arange(items.shape[1])
        asked_for = everywhere == at[:, None]
        hidden = (everywhere >= at[:, None]) & (items > 0) if left_to_right else asked_for
        shown, when, _ = Hidden(items, times, hidden).inputs(net.shape.n_items + 1, knots)
        states = net(*(one.to(vectors.device) for one in (shown, when, torch.from_numpy(asked_for))))
        logits = torch.log_softmax((states @ vectors[:, :-1].T + vectors[:, -1]).double(), dim=1)
        target = torch.from_numpy(items[asked_for] - 1).to(vectors.device)
        np.add.at(found, row[part], logits.gather(1, target[:, None])[:, 0].cpu().numpy())
    return found


@torch.inference_mode()
def repeats_by(net: Denoiser, ground: Ground, length: int, key: int) -> float:
    """The chance to keep an item that stands elsewhere in a row, so that repeats are as frequent as in real rows."""
    rows, count, vectors = ground.looked_at, Repeats(), net.vectors()
    row, first = pieces_of(rows, length)
    step = max(8_000_000 // (net.shape.n_items * length), 1)
    for low in range(0, min(len(row), 20 * step), step):
        items, times = grid_of(rows, row[low : low + step], first[low : low + step], length)
        hidden = some_hidden(items, rng.row_keys(key, rows.keys[row[low : low + step]]))
        states = net(*Hidden(items, times, hidden).inputs(net.shape.n_items + 1, ground.knots))
        held = np.zeros((len(items), net.shape.n_items + 2), np.float32)
        np.put_along_axis(held, np.where(hidden, 0, items), 1.0, axis=1)
        of = np.nonzero(hidden)[0]
        shares = torch.softmax(states @ vectors[:, :-1].T + vectors[:, -1], dim=1)
        count.add(shares, torch.from_numpy(held[of, 1:-1]), torch.from_numpy(items[hidden]))
    return count.factor


@torch.inference_mode()
def fill(net: Denoiser, pen: Pen, frame: Frame, looks: int) -> None:
    """Draws what is open in a frame, in place: times first, then items, in an order drawn for each row.

    Each item is drawn given all that are known by then; a row of more than `looks` open events has several drawn from
    one look (Ghazvininejad et al., EMNLP 2019). The net is in double precision and in evaluation mode.
    """
    if not frame.timed:
        _time(pen, frame)
    drawer, opened = Drawer(pen, net.vectors()), frame.source < 0
    lengths = np.diff(frame.starts)
    order = np.unique(np.repeat(np.arange(len(lengths)), lengths)[opened])
    order = order[np.argsort(lengths[order], kind="stable")]
    while len(order):
        longest = lengths[order[min(_ROWS, len(order)) - 1]]
        count = max(_ROWS * 64 // max(int(longest), 64), 1)
        _fill_block(net, drawer, frame, order[:count], opened, looks)
        order = order[count:]


def _time(pen: Pen, frame: Frame) -> None:
    """Times of all events that are not given, one after the other."""
    at = frame.starts[:-1] + frame.given
    while True:
        rows = np.flatnonzero(at < frame.starts[1:])
        if not len(rows):
            return
        number = (at[rows] - frame.starts[rows] - frame.given[rows]) * DRAWS
        draw_times(pen.clock, frame, rows, at[rows], number)
        at = at + 1


def _fill_block(net: Denoiser, drawer: Drawer, frame: Frame, rows: Ints, opened: Mask, looks: int) -> None:
    lengths = np.diff(frame.starts)[rows]
    held = drawer.held(frame, rows, ~opened)
    place = np.arange(int(lengths.max()))
    there = place < lengths[:, None]
    events = np.where(there, frame.starts[rows][:, None] + place, 0)
    hidden = there & opened[events]
    turn, times = _turns(frame.keys[rows], hidden, looks), np.where(there, frame.times[events], 0)
    for look in range(int(turn.max()) + 1):
        asked = hidden & (turn == look)
        mine = np.flatnonzero(asked.any(axis=1))
        known = np.where(there[mine], frame.items[events[mine]], 0)
        shown, when, _ = Hidden(known, times[mine], hidden[mine]).inputs(net.shape.n_items + 1, drawer.pen.knots)
        aim = torch.from_numpy(asked[mine])
        states = net(*(part.to(net.bias.device) for part in (shown, when, aim)))
        row, column = np.nonzero(asked[mine])
        nth = np.arange(len(row)) - np.searchsorted(row, row)
        for one in range(int(nth.max()) + 1):  # of one look, one after the other: what a row holds grows
            now = np.flatnonzero(nth == one)
            at = mine[row[now]]
            event = events[at, column[now]]
            u = points(frame, rows[at], (event - frame.starts[rows[at]] - frame.given[rows[at]]) * DRAWS)
            frame.items[event] = drawer.items(states[torch.from_numpy(now)], frame.times[event], held, at, u)
        hidden &= ~asked


def _turns(keys: rng.Keys, hidden: Mask, looks: int) -> Ints:
    """int64 (rows, places): at which look each hidden event is drawn, in an order of the row's own."""
    width = hidden.shape[1]
    lot = uniforms(np.repeat(keys, width), np.tile(np.arange(width), len(keys)) + _ORDER).reshape(hidden.shape)
    rank = np.where(hidden, lot, 2.0).argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
    count = np.maximum(hidden.sum(axis=1, keepdims=True), 1)
    turns: Ints = np.where(hidden, rank * np.minimum(count, looks) // count, -1)
    return turns
