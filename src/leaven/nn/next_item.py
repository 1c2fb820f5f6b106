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
from leaven.nn import losses, mixup, scoring, sequence_packing
from leaven.nn.ranked_lists import compute_ndcg
from leaven.nn.sequence_encoder import SequenceEncoder
from leaven.nn.sequence_packing import PackedBatch, Segments
from leaven.nn.training import StepRng

RowsForEpoch = Callable[[int, float], Histories]


@dataclass(frozen=True)
class LossConfig:
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
    contrastive_weight: float = 0.0
    contrastive_temperature: float = 0.1
    mixup_alpha: float = 0.0
    use_bfloat16: bool = False
    include_unseen: bool = True


class AuxiliaryLoss(Protocol):
    """A second loss that is trained in the same steps."""

    def start_epoch(self, number: int, progress: float) -> None:
        """Prepares the epoch; called before its batches are built."""
        ...

    def loss(self, targets: Tensor) -> Tensor:
        """Returns the value that is added to the mean loss of a batch; targets int64 (targets,): item ids."""
        ...


@dataclass(frozen=True, eq=False)
class _EpochBatches(Sequence[Segments]):
    """Batches of an epoch, built on access."""

    segments: Segments
    indices: list[sequence_packing.Ints]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Segments:  # type: ignore[override]
        return self.segments.take(self.indices[index])

    def __iter__(self) -> Iterator[Segments]:
        return (self[index] for index in range(len(self)))


class NextItemTask:
    """Training task (`training.TrainingTask`): predicts every target of every row from the events before it.

    net             its `counts` hold how often each item occurs in the rows
    batch_events    inputs of one step
    rows_for_epoch  (epoch, progress) -> rows of that epoch; None: `rows`
    validation      users for the validation score, or None
    auxiliary       a second loss, or None
    """

    def __init__(
        self,
        net: SequenceEncoder,
        loss_config: LossConfig,
        rows: Histories,
        batch_events: int,
        key: int,
        rows_for_epoch: RowsForEpoch | None = None,
        validation: HeldOut | None = None,
        auxiliary: AuxiliaryLoss | None = None,
    ) -> None:
        self.net: nn.Module = net
        self.encoder, self.loss_config, self.rows, self.batch_events, self.key = (
            net,
            loss_config,
            rows,
            batch_events,
            key,
        )
        self.rows_for_epoch, self.validation, self.auxiliary = rows_for_epoch, validation, auxiliary
        share = (net.counts.double() + 1) ** loss_config.proposal_power
        self.unseen_items = None if loss_config.include_unseen else net.counts == 0  # bool (items,)
        if self.unseen_items is not None:
            share = share.masked_fill(self.unseen_items, 0.0)
        self.proposal = share / share.sum()  # float64 (items,)
        self.cumulative_proposal = self.proposal.cumsum(0)
        self._pairs: losses.ViewPairs | None = None  # views of the histories of the current epoch

    def build_batches(self, number: int, progress: float) -> Sequence[Segments]:
        """Returns the batches of an epoch, in an order specific to the epoch."""
        if self.auxiliary is not None:
            self.auxiliary.start_epoch(number, progress)
        rows = self.rows_for_epoch(number, progress) if self.rows_for_epoch else self.rows
        if self.loss_config.contrastive_weight:
            others = self.rows_for_epoch(number + losses.SECOND_VIEW_OFFSET, progress) if self.rows_for_epoch else rows
            self._pairs = losses.pair_views(rows, others, self.encoder.shape.max_length)
        segments = sequence_packing.build_training_segments(rows, self.encoder.shape.max_length)
        batches = sequence_packing.split_batches(segments, self.batch_events, rng.derive_key(self.key, "order", number))
        return _EpochBatches(segments, batches)

    def compute_loss(self, net: nn.Module, batch: Segments, step_rng: StepRng) -> tuple[Tensor, int]:
        """Returns (this process' share of the mean loss of the whole batch, targets of the whole batch)."""
        whole = sequence_packing.pack_segments(batch)
        share = batch if step_rng.n_processes == 1 else _select_share(batch, step_rng)
        packed = whole if step_rng.n_processes == 1 else sequence_packing.pack_segments(share)
        mass = max(float(whole.weight.sum()), 1e-12)
        device = next(net.parameters()).device
        packed = packed.to(device)
        total = self._sum_losses(net, packed, step_rng)
        mean = total * (step_rng.n_processes / mass)  # gradients are averaged over processes
        if self._pairs is not None:
            mean = mean + self.loss_config.contrastive_weight * self._compute_contrastive_loss(
                net, self._pairs.select_views(share.segment_ids), device
            )
        if self.auxiliary is not None:
            mean = mean + self.auxiliary.loss(packed.targets)
        return mean, len(whole.targets)

    def _compute_contrastive_loss(self, net: nn.Module, views: Segments, device: torch.device) -> Tensor:
        """Returns the InfoNCE loss of the views in this process' share."""
        if len(views) < 4:  # a single history has no negatives
            return torch.zeros((), device=device)
        states, _ = net(sequence_packing.pack_segments(views, with_targets=False).to(device))
        return losses.info_nce(states, self.loss_config.contrastive_temperature)

    def _sum_losses(self, net: nn.Module, pack: PackedBatch, chance: StepRng) -> Tensor:
        others, bias = self._choose_candidates(pack, chance)
        states, vectors = net(pack, None if others is None else torch.cat([pack.targets, others]))
        asked: Tensor | slice = slice(None)
        weight = pack.weight
        if self.loss_config.mixup_alpha:
            mixed = mixup.draw_mixup(
                pack, self.loss_config.mixup_alpha, rng.derive_key(chance.key, "mixup", chance.rank)
            )
            states, asked, weight = mixed.mix_states(states), mixed.target_indices, mixed.mix_weights(pack.weight)
        states, vectors = self._scale_for_logits(states, vectors)
        targets = pack.targets[asked]
        if others is None:
            hits = torch.stack([torch.arange(len(targets), device=targets.device), targets - 1])
            return losses.softmax_loss(
                states, vectors[targets - 1], vectors, weight, hits, bias, self.loss_config.use_bfloat16
            )
        positives, negatives = vectors.split([len(pack.targets), len(others)])
        if self.loss_config.kind == "binary":
            return losses.binary_loss(states, positives[asked], negatives[asked], weight)
        hits = losses.find_collisions(targets, others)
        return losses.softmax_loss(
            states, positives[asked], negatives, weight, hits, bias, self.loss_config.use_bfloat16
        )

    def _choose_candidates(self, pack: PackedBatch, chance: StepRng) -> tuple[Tensor | None, Tensor | None]:
        """Returns (candidate items, bias of their logits); no candidates: the whole catalog."""
        device = pack.targets.device
        if self.loss_config.kind == "full":
            if self.unseen_items is None:
                return None, None
            return None, torch.zeros(len(self.unseen_items), device=device).masked_fill(
                self.unseen_items.to(device), -torch.inf
            )
        if self.loss_config.kind == "binary":
            generator = chance.make_generator("negatives")
            n_items, count = self.encoder.shape.n_items, len(pack.targets)
            offset = pack.segments.flatten()[pack.output_indices] * (n_items + 2)
            members = (pack.segments * (n_items + 2) + pack.items).flatten()
            members = torch.cat([members, offset + pack.targets]).sort().values
            drawn = torch.randint(1, n_items + 1, (count,), generator=generator).to(members.device)
            for _ in range(8):  # for a segment with half of the catalog this fails once in 256 draws
                index = torch.searchsorted(members, offset + drawn).clamp_(max=len(members) - 1)
                again = torch.randint(1, n_items + 1, (count,), generator=generator).to(members.device)
                drawn = torch.where(members[index] == offset + drawn, again, drawn)
            return drawn, None
        points = torch.rand(
            self.loss_config.negatives, generator=chance.make_generator("negatives"), dtype=torch.float64
        )
        drawn = torch.searchsorted(self.cumulative_proposal, points).clamp_(max=len(self.cumulative_proposal) - 1)
        bias = -(self.proposal[drawn] * self.loss_config.negatives).log().float()
        return (drawn + 1).to(device), bias.to(device)

    def _scale_for_logits(self, states: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Returns both in float32, scaled so that their dot products are logits."""
        states, vectors = states.float(), vectors.float()
        if self.loss_config.temperature is None:
            return states, vectors
        return losses.scale_states(states, self.loss_config.temperature), losses.normalize_rows(vectors)

    def validate_network(self, net: nn.Module) -> float | None:
        """Returns the mean NDCG@10 of the validation users, without repeated items; None without users."""
        if self.validation is None:
            return None
        histories = self.validation.histories
        items, _ = scoring.rank_items(self.encoder, histories, 10, histories, self.loss_config.temperature is not None)
        return compute_ndcg(items, self.validation)


def _select_share(batch: Segments, chance: StepRng) -> Segments:
    """Returns the segments of this process; one of weight 0 if none are left for it."""
    share = batch.take(np.arange(chance.rank, len(batch), chance.n_processes))
    if len(share):
        return share
    first = batch.take(np.zeros(1, np.int64))
    return replace(first, weight=np.zeros(1, np.float32))
