"""Training task of next-item prediction."""

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
from leaven.nn import losses, mixup, scoring, sequence_packing
from leaven.nn.sequence_encoder import Encoder
from leaven.nn.sequence_packing import Pack, Stretches
from leaven.nn.training import Chance

Refresh = Callable[[int, float], Histories]


@dataclass(frozen=True)
class Aim:
    """Configuration of the loss.

    kind                "shared_negatives", "full" or "binary"
    temperature         of cosine logits; None: plain dot products
    negatives           drawn in each step, with replacement, in proportion to (count + 1) ** proposal_power
    contrastive_weight  weight of the contrastive loss of two views of each history; 0: off, at no cost
    mixup_alpha         both parameters of the Beta distribution of mixup ratios (nn/mixup.py); 0: off, at no cost
    use_bfloat16        whether softmax products use bfloat16 (losses.softmax_loss)
    include_unseen      whether items outside the training rows are candidates. They cannot be targets, so a network
                        that reads their text would learn to rank similar items low
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
    """A second loss that is trained in the same steps."""

    def start_epoch(self, number: int, progress: float) -> None:
        """Prepares the epoch; called before its batches are built."""
        ...

    def loss(self, targets: Tensor) -> Tensor:
        """Returns the value that is added to the mean loss of a batch; targets int64 (targets,): item ids."""
        ...


@dataclass(frozen=True, eq=False)
class _EpochBatches(Sequence[Stretches]):
    """Batches of an epoch, built on access."""

    segments: Stretches
    indices: list[sequence_packing.Ints]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Stretches:  # type: ignore[override]
        return self.segments.take(self.indices[index])

    def __iter__(self) -> Iterator[Stretches]:
        return (self[index] for index in range(len(self)))


class NextItem:
    """Training task (`training.TrainingTask`): predicts every target of every row from the events before it.

    net             its `counts` hold how often each item occurs in the rows
    batch_events    inputs of one step
    rows_for_epoch  (epoch, progress) -> rows of that epoch; None: `rows`
    validation      users for the validation score, or None
    auxiliary       a second loss, or None
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
        self._pairs: contrast.Pairs | None = None  # views of the histories of the current epoch

    def epoch(self, number: int, progress: float) -> Sequence[Stretches]:
        """Returns the batches of an epoch, in an order specific to the epoch."""
        if self.beside is not None:
            self.beside.start_epoch(number, progress)
        rows = self.refresh(number, progress) if self.refresh else self.rows
        if self.aim.contrast:
            others = self.refresh(number + contrast.OTHER_DRAW, progress) if self.refresh else rows
            self._pairs = contrast.pairs(rows, others, self.encoder.shape.length)
        segments = sequence_packing.training_stretches(rows, self.encoder.shape.length)
        batches = sequence_packing.batches(segments, self.events, rng.key(self.key, "order", number))
        return _EpochBatches(segments, batches)

    def loss(self, net: nn.Module, batch: Stretches, chance: Chance) -> tuple[Tensor, int]:
        """Returns (this process' share of the mean loss of the whole batch, targets of the whole batch)."""
        whole = sequence_packing.pack(batch)
        share = batch if chance.world == 1 else _select_share(batch, chance)
        packed = whole if chance.world == 1 else sequence_packing.pack(share)
        mass = max(float(whole.weight.sum()), 1e-12)
        device = next(net.parameters()).device
        packed = packed.to(device)
        total = self._sum_losses(net, packed, chance)
        mean = total * (chance.world / mass)  # gradients are averaged over processes
        if self._pairs is not None:
            mean = mean + self.aim.contrast * self._compute_contrastive_loss(net, self._pairs.of(share.keys), device)
        if self.beside is not None:
            mean = mean + self.beside.loss(packed.targets)
        return mean, len(whole.targets)

    def _compute_contrastive_loss(self, net: nn.Module, views: Stretches, device: torch.device) -> Tensor:
        """Returns the InfoNCE loss of the views in this process' share."""
        if len(views) < 4:  # a single history has no negatives
            return torch.zeros((), device=device)
        states, _ = net(sequence_packing.pack(views, learn=False).to(device))
        return contrast.info_nce(states, self.aim.contrast_temperature)

    def _sum_losses(self, net: nn.Module, pack: Pack, chance: Chance) -> Tensor:
        """Returns the summed loss of a packed batch."""
        others, bias = self._choose_candidates(pack, chance)
        states, vectors = net(pack, None if others is None else torch.cat([pack.targets, others]))
        asked: Tensor | slice = slice(None)
        weight = pack.weight
        if self.aim.mixup:
            mixed = mixup.mixture(pack, self.aim.mixup, rng.key(chance.key, "mixup", chance.rank))
            states, asked, weight = mixed.states(states), mixed.asked, mixed.weight(pack.weight)
        states, vectors = self._scale_for_logits(states, vectors)
        targets = pack.targets[asked]
        if others is None:
            hits = torch.stack([torch.arange(len(targets), device=targets.device), targets - 1])
            return losses.against(states, vectors[targets - 1], vectors, weight, hits, bias, self.aim.half)
        positives, negatives = vectors.split([len(pack.targets), len(others)])
        if self.aim.kind == "binary":
            return losses.binary(states, positives[asked], negatives[asked], weight)
        hits = losses.collisions(targets, others)
        return losses.against(states, positives[asked], negatives, weight, hits, bias, self.aim.half)

    def _choose_candidates(self, pack: Pack, chance: Chance) -> tuple[Tensor | None, Tensor | None]:
        """Returns (candidate items, bias of their logits); no candidates: the whole catalog."""
        device = pack.targets.device
        if self.aim.kind == "full":
            if self.absent is None:
                return None, None
            return None, torch.zeros(len(self.absent), device=device).masked_fill(self.absent.to(device), -torch.inf)
        if self.aim.kind == "binary":
            return self._draw_negative_per_target(pack, chance.generator("negatives")), None
        return self._draw_shared_negatives(chance.generator("negatives"), device)

    def _scale_for_logits(self, states: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Returns both in float32, scaled so that their dot products are logits."""
        states, vectors = states.float(), vectors.float()
        if self.aim.temperature is None:
            return states, vectors
        return losses.cosine(states, self.aim.temperature), losses.unit(vectors)

    def _draw_shared_negatives(self, generator: torch.Generator, device: torch.device) -> tuple[Tensor, Tensor]:
        """Draws (ids int64 (negatives,), negative log of the expected count of each)."""
        points = torch.rand(self.aim.negatives, generator=generator, dtype=torch.float64)
        drawn = torch.searchsorted(self.edges, points).clamp_(max=len(self.edges) - 1)
        bias = -(self.chances[drawn] * self.aim.negatives).log().float()
        return (drawn + 1).to(device), bias.to(device)

    def _draw_negative_per_target(self, pack: Pack, generator: torch.Generator) -> Tensor:
        """Draws a uniform item outside the segment for each target, int64 (targets,)."""
        n_items, count = self.encoder.shape.n_items, len(pack.targets)
        offset = pack.stretch.flatten()[pack.places] * (n_items + 2)
        members = (pack.stretch * (n_items + 2) + pack.items).flatten()
        members = torch.cat([members, offset + pack.targets]).sort().values
        drawn = torch.randint(1, n_items + 1, (count,), generator=generator).to(members.device)
        for _ in range(8):  # for a segment with half of the catalog this fails once in 256 draws
            index = torch.searchsorted(members, offset + drawn).clamp_(max=len(members) - 1)
            again = torch.randint(1, n_items + 1, (count,), generator=generator).to(members.device)
            drawn = torch.where(members[index] == offset + drawn, again, drawn)
        return drawn

    def look(self, net: nn.Module) -> float | None:
        """Returns the mean NDCG@10 of the validation users, without repeated items; None without users."""
        if self.valid is None:
            return None
        histories = self.valid.histories
        items, _ = scoring.rank(self.encoder, histories, 10, histories, self.aim.temperature is not None)
        return scoring.ndcg(items, self.valid)


def _select_share(batch: Stretches, chance: Chance) -> Stretches:
    """Returns the segments of this process; one of weight 0 if none are left for it."""
    share = batch.take(np.arange(chance.rank, len(batch), chance.world))
    if len(share):
        return share
    first = batch.take(np.zeros(1, np.int64))
    return replace(first, weight=np.zeros(1, np.float32))
