"""What does a net say of the next item, given what came before and the time of the next event?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.nn import losses, sequence_packing
from leaven.nn.sequence_encoder import Block, Shape, dropped
from leaven.nn.sequence_packing import Stretches
from leaven.nn.training import Chance

Ints = npt.NDArray[np.int64]

_FULL = 20_000  # items, up to which the softmax runs over all: twice the cost, and rows lean less to what is popular
_NEGATIVES = 4_096
_LOOKED_AT = 256  # stretches whose likelihood is asked for together
_CELLS = 1 << 18  # logits held at a time: 1 MB, which stays in the cache
_GROUPS = 4  # of equal length inside a batch: padding costs little


class Decoder(nn.Module):
    """A transformer decoder or a GRU over items; a row begins with the id of the mask.

    Distances enter attention as a fixed slope for each head (ALiBi, Press et al., ICLR 2022, sec. 3), so that what was
    computed for a place stays true when the row grows. The time of the next event enters as a vector between
    `knots` added to the state: popularity drifts. Scores are dot products plus a bias that starts at the item's
    frequency.
    """

    def __init__(self, shape: Shape, cell: str, knots: int, counts: Tensor, chance: torch.Generator) -> None:
        super().__init__()
        self.shape, self.cell = shape, cell
        with torch.random.fork_rng(devices=[]):  # layers draw from the global generator, for nothing
            self.items = nn.Embedding(shape.n_items + 2, shape.width, padding_idx=0)
            self.knots = nn.Embedding(knots, shape.width)
            self.bias = nn.Parameter(((counts + 0.1) / (counts + 0.1).sum()).log())
            layers = shape.layers if cell == "transformer" else 0
            self.blocks = nn.ModuleList(Block(shape) for _ in range(layers))
            self.gru = nn.GRU(shape.width, shape.width, shape.layers, batch_first=True) if cell == "gru" else None
            self.last = nn.LayerNorm(shape.width)
        self._draw(chance)

    @torch.no_grad()
    def _draw(self, chance: torch.Generator) -> None:
        spread = 0.02 if self.gru is None else self.shape.width**-0.5
        for name, weights in self.named_parameters():
            if weights.dim() > 1:
                weights.normal_(0.0, spread if name.startswith("gru") else 0.02, generator=chance)
            elif name.startswith(("blocks", "gru")) and "bias" in name:
                weights.zero_()
        self.items.weight[0] = 0.0
        self.knots.weight.zero_()

    def forward(self, batch: Batch) -> Tensor:
        """(targets, width): the states that predict, the time of what they predict added."""
        found = []
        for inputs, aim in batch.groups:
            found.append(self.states(inputs)[aim])
        return torch.cat(found) + self.at(batch.when)

    def states(self, inputs: Tensor, taste: Tensor | None = None) -> Tensor:
        """inputs int64 (rows, places), 0 behind a row's end -> (rows, places, width).

        taste: (rows, width), added to every event that is read; None: nothing.
        """
        x = dropped(self.items(inputs), self.shape.dropout if self.training else 0.0)
        x = x if taste is None else x + taste[:, None]
        if self.gru is not None:
            ended: Tensor = self.last(self.gru(x)[0])
            return ended
        bias = self._distances(inputs.shape[1], x)
        for block in self.blocks:
            x = block(x, bias)
        states: Tensor = self.last(x)
        return states

    def at(self, when: Tensor) -> Tensor:
        """(n, width): the vectors of times, given as places between knots."""
        low = when.floor().clamp(0, max(self.knots.num_embeddings - 2, 0)).long()
        part = (when - low).to(self.knots.weight.dtype)[:, None]
        high = (low + 1).clamp(max=self.knots.num_embeddings - 1)
        between: Tensor = self.knots(low) * (1 - part) + self.knots(high) * part
        return between

    def vectors(self) -> Tensor:
        """(items, width + 1): against a state and a 1, the logit of each item."""
        return torch.cat([self.items.weight[1 : self.shape.n_items + 1], self.bias[:, None]], dim=1)

    def slopes(self, like: Tensor) -> Tensor:
        """(heads,): how much a place further back counts less."""
        heads = self.shape.heads
        return 2.0 ** (-8.0 * torch.arange(1, heads + 1, dtype=like.dtype, device=like.device) / heads)

    def _distances(self, places: int, like: Tensor) -> Tensor:
        """(1, heads, places, places): minus slope times distance, minus infinity for what comes later."""
        place = torch.arange(places, device=like.device)
        back = (place[:, None] - place[None, :]).to(like.dtype)
        bias = -self.slopes(like)[:, None, None] * back
        return bias.masked_fill(back < 0, -math.inf)[None]


class Batch(NamedTuple):
    """groups: (inputs int64 (rows, places), aim bool (rows, places): which states predict); targets int64 (targets,);
    when float64 (targets,): time of each target as a place between knots; weight float32 (targets,)."""

    groups: list[tuple[Tensor, Tensor]]
    targets: Tensor
    when: Tensor
    weight: Tensor
    rows: Ints


def parts_of(stretches: Stretches) -> list[Ints]:
    """The stretches, by their places, in groups of about equal length."""
    order = np.argsort(stretches.length, kind="stable")
    return list(np.array_split(order, min(_GROUPS, len(order))))


def batch_of(stretches: Stretches, knots: Ints) -> Batch:
    """Stretches in groups of about equal length; rows int64 (targets,): the stretch of each target."""
    groups, events, rows = [], [], []
    for part in parts_of(stretches):
        length = stretches.length[part]
        place = np.arange(int(length.max()))
        inside = place < length[:, None]
        event = np.where(inside, stretches.first[part][:, None] + place, 0)
        inputs = np.where(inside, stretches.rows.items[event], 0).astype(np.int64)
        aim = inside & (place >= (length - stretches.targets[part])[:, None])
        groups.append((torch.from_numpy(inputs), torch.from_numpy(aim)))
        events.append(event[aim] + 1)
        rows.append(np.broadcast_to(part[:, None], aim.shape)[aim])
    target, row = np.concatenate(events), np.concatenate(rows)
    coming = stretches.rows.items[target].astype(np.int64)
    when = np.interp(stretches.rows.times[target], knots, np.arange(len(knots)))
    weight = stretches.weight[row]
    return Batch(groups, torch.from_numpy(coming), torch.from_numpy(when), torch.from_numpy(weight), row)


@dataclass(frozen=True, eq=False)
class Epoch(Sequence[Any]):
    """The batches of one epoch, each made when it is asked for."""

    batches: int
    made: Callable[[int], Any]

    def __len__(self) -> int:
        return self.batches

    def __getitem__(self, nth: Any) -> Any:
        return self.made(nth)

    def __iter__(self) -> Iterator[Any]:
        return (self.made(nth) for nth in range(self.batches))


class NextEvent:
    """The task (`training.Task`) of giving real next items a high probability, judged on rows of its own.

    rows, valid  begun with the mask's id (`begun`); events: inputs of one step
    """

    def __init__(
        self, net: Decoder, rows: Histories, valid: Histories, knots: Ints, length: int, events: int, key: int
    ) -> None:
        self.net: nn.Module = net
        self.decoder, self.knots, self.events, self.key, self.length = net, knots, events, key, length
        self.stretches = sequence_packing.training_stretches(rows, length)
        self.valid = valid
        share = (net.bias.detach().double().exp() * len(rows.items)).clamp(min=1.0) ** 0.75
        self.chances = share / share.sum()
        self.edges = self.chances.cumsum(0)

    def epoch(self, number: int, progress: float) -> Sequence[Batch]:
        """The batches of an epoch, in an order of its own."""
        cuts = sequence_packing.batches(self.stretches, self.events, rng.key(self.key, "order", number))
        return Epoch(len(cuts), lambda nth: batch_of(self.stretches.take(cuts[nth]), self.knots))

    def loss(self, net: nn.Module, batch: Batch, chance: Chance) -> tuple[Tensor, int]:
        """(mean cross-entropy of the targets, how many)."""
        device = self.decoder.bias.device
        batch = moved(batch, device)
        states = net(batch).float()
        states = torch.cat([states, states.new_ones(len(states), 1)], dim=1)
        vectors, own = self.decoder.vectors().float(), batch.targets - 1
        if self.decoder.shape.n_items <= _FULL:
            hits = torch.stack([torch.arange(len(own), device=device), own])
            total = losses.against(states, vectors[own], vectors, batch.weight, hits)
        else:
            points = torch.rand(_NEGATIVES, generator=chance.generator("negatives"), dtype=torch.float64)
            drawn = torch.searchsorted(self.edges.cpu(), points).clamp_(max=len(self.edges) - 1)
            bias = -(self.chances.cpu()[drawn] * _NEGATIVES).log().float().to(device)
            drawn = drawn.to(device)
            hits = losses.collisions(own, drawn)
            total = losses.against(states, vectors[own], vectors[drawn], batch.weight, hits, bias)
        return total / batch.weight.sum().clamp(min=1e-12), len(own)

    def look(self, net: nn.Module) -> float | None:
        """Mean log-likelihood of an event of the rows to judge by."""
        if not self.valid.events:
            return None
        found = event_log_likelihoods(self.decoder, self.valid, self.knots, self.length)
        return float(found.sum() / max(int(np.maximum(self.valid.lengths - 1, 0).sum()), 1))


def moved(batch: Batch, device: torch.device) -> Batch:
    """The same on another device."""
    groups = [(inputs.to(device), aim.to(device)) for inputs, aim in batch.groups]
    return Batch(groups, batch.targets.to(device), batch.when.to(device), batch.weight.to(device), batch.rows)


@torch.inference_mode()
def event_log_likelihoods(net: Decoder, rows: Histories, knots: Ints, length: int) -> npt.NDArray[np.float64]:
    """float64 (rows,): summed log-probabilities of each row's targets; rows begun with the mask's id."""
    stretches = sequence_packing.training_stretches(rows, length)
    owner = np.repeat(np.arange(len(rows)), np.maximum(-(-np.minimum(rows.targets, rows.lengths - 1) // length), 0))
    found, device = np.zeros(len(rows)), net.bias.device
    vectors = net.vectors()
    weights, bias = vectors[:, :-1].T, vectors[:, -1]
    for first in range(0, len(stretches), _LOOKED_AT):
        index = np.arange(first, min(first + _LOOKED_AT, len(stretches)))
        batch = moved(batch_of(stretches.take(index), knots), device)
        states, own = net(batch), batch.targets - 1
        chosen = (states * vectors[own, :-1]).sum(1) + bias[own]
        rest = [torch.addmm(bias, some, weights).logsumexp(1) for some in states.split(max(_CELLS // len(bias), 1))]
        said = (chosen.double() - torch.cat(rest).double()).cpu().numpy()
        np.add.at(found, owner[index][batch.rows], said)
    return found
