"""How does an encoder learn which item comes next?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from leaven import rng
from leaven.datasets.histories import HeldOut, Histories
from leaven.nn import contrastive as contrast
from leaven.nn import list_quality, losses, mixup, scoring, sequence_packing
from leaven.nn.sequence_encoder import Encoder
from leaven.nn.sequence_packing import Pack, Stretches
from leaven.nn.training import Chance

Refresh = Callable[[int, float], Histories]


@dataclass(frozen=True)
class Aim:
    """What is made small.

    kind            "shared_negatives", "full" or "binary"
    temperature     of cosine logits; None: plain dot products
    negatives       drawn in each step, with replacement, in proportion to (count + 1) ** proposal_power
    contrast        weight of the contrast between two views of each history; 0: none, at no cost
    mixup           both parameters of the Beta law by which histories are mixed (nn/mixup.py); 0: none, at no cost
    half            whether products of the softmax are of numbers that bfloat16 holds (losses.against)
    unseen          whether items that no row holds are among what a target is told from: nobody could take them, and
                    a net that knows them by their words would learn to keep their like out of lists
    """

    kind: str
    temperature: float | None
    negatives: int
    proposal_power: float
    contrast: float = 0.0
    contrast_temperature: float = 0.1
    mixup: float = 0.0
    half: bool = False
    unseen: bool = True


class Beside(Protocol):
    """Something else that is learned in the same steps."""

    def epoch(self, number: int, progress: float) -> None:
        """An epoch begins."""
        ...

    def loss(self, targets: Tensor) -> Tensor:
        """What is added to the mean loss of a batch; targets int64: the items that came next."""
        ...


@dataclass(frozen=True, eq=False)
class _Epoch(Sequence[Stretches]):
    """Batches of an epoch, each looked up when it is asked for."""

    stretches: Stretches
    cuts: list[sequence_packing.Ints]

    def __len__(self) -> int:
        return len(self.cuts)

    def __getitem__(self, nth: int) -> Stretches:  # type: ignore[override]
        return self.stretches.take(self.cuts[nth])

    def __iter__(self) -> Iterator[Stretches]:
        return (self[nth] for nth in range(len(self)))


class NextItem:
    """The task (`training.Task`) of predicting every target of every row from the events before it.

    net      its `counts` say how often each item is taken in the rows
    events   inputs of one step
    refresh  (epoch, progress) -> the rows of that epoch; None: `rows`
    valid    users to judge by, or None
    beside   what else is learned, or None
    """

    def __init__(
        self,
        net: Encoder,
        aim: Aim,
        rows: Histories,
        events: int,
        key: int,
        refresh: Refresh | None = None,
        valid: HeldOut | None = None,
        beside: Beside | None = None,
    ) -> None:
        self.net: nn.Module = net
        self.encoder, self.aim, self.rows, self.events, self.key = net, aim, rows, events, key
        self.refresh, self.valid, self.beside = refresh, valid, beside
        share = (net.counts.double() + 1) ** aim.proposal_power
        self.absent = None if aim.unseen else net.counts == 0  # bool (items,)
        if self.absent is not None:
            share = share.masked_fill(self.absent, 0.0)
        self.chances = share / share.sum()  # float64 (items,)
        self.edges = self.chances.cumsum(0)
        self._pairs: contrast.Pairs | None = None  # views of the histories of the epoch at hand

    def epoch(self, number: int, progress: float) -> Sequence[Stretches]:
        """The batches of an epoch, in an order of its own."""
        if self.beside is not None:
            self.beside.epoch(number, progress)
        rows = self.refresh(number, progress) if self.refresh else self.rows
        if self.aim.contrast:
            others = self.refresh(number + contrast.OTHER_DRAW, progress) if self.refresh else rows
            self._pairs = contrast.pairs(rows, others, self.encoder.shape.length)
        stretches = sequence_packing.training_stretches(rows, self.encoder.shape.length)
        return _Epoch(stretches, sequence_packing.batches(stretches, self.events, rng.key(self.key, "order", number)))

    def loss(self, net: nn.Module, batch: Stretches, chance: Chance) -> tuple[Tensor, int]:
        """(mean loss of the targets of the whole batch; this process' share of it, how many targets)."""
        whole = sequence_packing.pack(batch)
        share = batch if chance.world == 1 else _share(batch, chance)
        mine = whole if chance.world == 1 else sequence_packing.pack(share)
        mass = max(float(whole.weight.sum()), 1e-12)
        device = next(net.parameters()).device
        mine = mine.to(device)
        total = self._total(net, mine, chance)
        mean = total * (chance.world / mass)  # gradients are averaged over processes
        if self._pairs is not None:
            mean = mean + self.aim.contrast * self._contrasted(net, self._pairs.of(share.keys), device)
        if self.beside is not None:
            mean = mean + self.beside.loss(mine.targets)
        return mean, len(whole.targets)

    def _contrasted(self, net: nn.Module, views: Stretches, device: torch.device) -> Tensor:
        """How hard it is to tell which views are of one history, among those of this process' share."""
        if len(views) < 4:  # one history has nothing to be told from
            return torch.zeros((), device=device)
        states, _ = net(sequence_packing.pack(views, learn=False).to(device))
        return contrast.info_nce(states, self.aim.contrast_temperature)

    def _total(self, net: nn.Module, pack: Pack, chance: Chance) -> Tensor:
        """Summed loss of a pack."""
        others, bias = self._others(pack, chance)
        states, vectors = net(pack, None if others is None else torch.cat([pack.targets, others]))
        states, asked, weight = self._asked(states, pack, chance)
        states, vectors = self._logits(states, vectors)
        targets = pack.targets[asked]
        if others is None:
            hits = torch.stack([torch.arange(len(targets), device=targets.device), targets - 1])
            return losses.against(states, vectors[targets - 1], vectors, weight, hits, bias, self.aim.half)
        positives, negatives = vectors.split([len(pack.targets), len(others)])
        if self.aim.kind == "binary":
            return losses.binary(states, positives[asked], negatives[asked], weight)
        hits = losses.collisions(targets, others)
        return losses.against(states, positives[asked], negatives, weight, hits, bias, self.aim.half)

    def _others(self, pack: Pack, chance: Chance) -> tuple[Tensor | None, Tensor | None]:
        """(items that the targets are told from, what is added to their logits); None: the whole catalogue."""
        if self.aim.kind == "full":
            return None, self._without_absent(pack.targets.device)
        if self.aim.kind == "binary":
            return self._own_negatives(pack, chance.generator("negatives")), None
        return self._negatives(chance.generator("negatives"), pack.targets.device)

    def _without_absent(self, device: torch.device) -> Tensor | None:
        """float32 (items,): minus infinity for items that nobody could take; None where all are told from."""
        if self.absent is None:
            return None
        return torch.zeros(len(self.absent), device=device).masked_fill(self.absent.to(device), -torch.inf)

    def _asked(self, states: Tensor, pack: Pack, chance: Chance) -> tuple[Tensor, Tensor | slice, Tensor]:
        """(states, which of the pack's targets each is asked for, weights): as they are, or mixed."""
        if not self.aim.mixup:
            return states, slice(None), pack.weight
        mixed = mixup.mixture(pack, self.aim.mixup, rng.key(chance.key, "mixup", chance.rank))
        return mixed.states(states), mixed.asked, mixed.weight(pack.weight)

    def _logits(self, states: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Both so that their dot product is a logit, in float32."""
        states, vectors = states.float(), vectors.float()
        if self.aim.temperature is None:
            return states, vectors
        return losses.cosine(states, self.aim.temperature), losses.unit(vectors)

    def _negatives(self, generator: torch.Generator, device: torch.device) -> tuple[Tensor, Tensor]:
        """(ids int64 (negatives,), -log of how often each is expected among them)."""
        points = torch.rand(self.aim.negatives, generator=generator, dtype=torch.float64)
        drawn = torch.searchsorted(self.edges, points).clamp_(max=len(self.edges) - 1)
        bias = -(self.chances[drawn] * self.aim.negatives).log().float()
        return (drawn + 1).to(device), bias.to(device)

    def _own_negatives(self, pack: Pack, generator: torch.Generator) -> Tensor:
        """int64 (targets,): for each target an item, drawn evenly, that its stretch does not hold."""
        n_items, count = self.encoder.shape.n_items, len(pack.targets)
        of_target = pack.stretch.flatten()[pack.places] * (n_items + 2)
        held = (pack.stretch * (n_items + 2) + pack.items).flatten()
        held = torch.cat([held, of_target + pack.targets]).sort().values
        drawn = torch.randint(1, n_items + 1, (count,), generator=generator).to(held.device)
        for _ in range(8):  # who holds half of the catalogue is unlucky once in 256 times
            place = torch.searchsorted(held, of_target + drawn).clamp_(max=len(held) - 1)
            again = torch.randint(1, n_items + 1, (count,), generator=generator).to(held.device)
            drawn = torch.where(held[place] == of_target + drawn, again, drawn)
        return drawn

    def look(self, net: nn.Module) -> float | None:
        """Mean NDCG@10 of the validation users; items that they had are not listed again."""
        if self.valid is None:
            return None
        known = self.valid.histories
        items, _ = scoring.rank(self.encoder, known, 10, known, self.aim.temperature is not None)
        return list_quality.ndcg(items, self.valid)


def _share(batch: Stretches, chance: Chance) -> Stretches:
    """What this of several processes learns from; a stretch of weight 0 where there is nothing left for it."""
    mine = batch.take(np.arange(chance.rank, len(batch), chance.world))
    if len(mine):
        return mine
    first = batch.take(np.zeros(1, np.int64))
    return replace(first, weight=np.zeros(1, np.float32))
