"""Item vectors that fuse ids with text, attributes and images, for warm and cold items.

An item's vector is the embedding of its id, if training rows contain it, plus a projection of the features of each
modality. Training drops ids at random, so that the features also work alone (DropoutNet, Volkovs and others, NeurIPS
2017). Where we differ: ids of items are dropped, not those of users, and a missing modality adds nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from leaven.nn import contrastive
from leaven.nn.sequence_encoder import dropped

Read = Callable[[int, float], Sequence[Tensor]]
"""(epoch, progress) -> item features of that epoch: a float32 (items, width) of each modality."""

BLURRED = 0.2
"""Dropout rate that distinguishes two views of an item if there are no augmented views."""


class FusedTable(nn.Module):
    """Table of item vectors from ids and item features, with the methods of `sequence_encoder.ItemTable`.

    features     float32 (items, width of the modality), one per modality; zeros where an item lacks it
    in_training  bool (items,): items in the training rows; other items have no id embedding
    dropout      share of the ids that are dropped in training

    Dropped and unknown ids share one embedding. Training ranks known ids above unknown ones: `cold_item_share`
    (initially 0) is the share of a list's positions that is reserved for items outside the training rows
    (`scoring.rank_items`).
    """

    def __init__(self, width: int, read: Sequence[Tensor], taken: Tensor, dropout: float) -> None:
        super().__init__()
        self.dropout, n_items = dropout, len(taken)
        self.own = nn.Embedding(n_items + 3, width, padding_idx=0)  # the last row is the unknown id
        self.project = nn.ModuleList(nn.Linear(rows.shape[1], width, bias=False) for rows in read)
        self.in_training: Tensor
        self.register_buffer("in_training", framed(taken[:, None].float(), 1.0))
        for index, rows in enumerate(read):
            self.register_buffer(f"features_{index}", framed(rows))
        self.cold_item_share: Tensor
        self.register_buffer("cold_item_share", torch.zeros(()))
        self.seen: list[Tensor] | None = None

    def apart(self) -> tuple[Tensor, float] | None:
        """Returns (bool (items,) of items outside the training rows, `cold_item_share`); None if the share is 0."""
        share = float(self.cold_item_share)
        return (self.in_training[1:-1, 0] == 0, share) if share else None

    def settle(self) -> None:
        """Sets the padding vector to 0 after initialization."""
        self.own.weight[0] = 0.0

    def see(self, read: Sequence[Tensor] | None) -> None:
        """Sets the item features that training uses; None: the original features."""
        device = self.own.weight.device
        self.seen = None if read is None else [framed(rows).to(device) for rows in read]

    def forward(self, ids: Tensor) -> Tensor:
        """Returns item vectors, float (ids, width)."""
        known = self.in_training[ids]
        if self.training and self.dropout:
            known = known * (torch.rand(known.shape, device=known.device) >= self.dropout)
        known = known + (ids == 0)[:, None]  # padding uses its own id embedding
        embedded = self.own(torch.where(known[:, 0] > 0, ids, len(self.in_training)))
        return embedded + self.content(ids, self.get_features())

    def content(self, ids: Tensor, reads: Sequence[Tensor]) -> Tensor:
        """Returns the projected item features without the ids, float (ids, width)."""
        parts = [project(rows[ids]) for project, rows in zip(self.project, reads, strict=True)]
        return torch.stack(parts).sum(0)

    def every(self) -> Tensor:
        """Returns the vectors of all items, float (items, width)."""
        return cast(Tensor, self(torch.arange(1, len(self.in_training) - 1, device=self.in_training.device)))

    def get_features(self) -> list[Tensor]:
        """Returns the current item features of each modality: those of the views in training, if set."""
        if self.training and self.seen is not None:
            return self.seen
        return [self.get_buffer(f"features_{index}") for index in range(len(self.project))]


def framed(rows: Tensor, mask: float = 0.0) -> Tensor:
    """Adds a padding row in front and a mask row at the end: (items + 2, width)."""
    return torch.cat([torch.zeros_like(rows[:1]), rows, torch.full_like(rows[:1], mask)])


class ItemViews:
    """Auxiliary loss on item views (`next_item.AuxiliaryLoss`): sets new views in each epoch and contrasts two views
    of each item in a batch.

    load_features  features of the views of an epoch, or None if items are never augmented
    weight         of the contrastive loss (InfoNCE, nn/contrastive.py); 0: off
    temperature    of its cosine logits

    Without augmented views, the two views differ only by dropout.
    """

    def __init__(self, table: FusedTable, read: Read | None, weight: float, temperature: float) -> None:
        self.table, self.read, self.weight, self.temperature = table, read, weight, temperature
        self.others: list[Tensor] | None = None

    def start_epoch(self, number: int, progress: float) -> None:
        """Loads the views of an epoch, and second views if the contrastive loss is on."""
        if self.read is None:
            return
        self.table.see(self.read(number, progress))
        if self.weight:
            device = self.table.own.weight.device
            second = self.read(number + contrastive.OTHER_DRAW, progress)
            self.others = [framed(features).to(device) for features in second]

    def loss(self, targets: Tensor) -> Tensor:
        """Returns the weighted InfoNCE loss of the views of the target items."""
        ids = targets.unique()
        if not self.weight or len(ids) < 2:
            return torch.zeros((), device=targets.device)
        first = self.table.get_features()
        second = self.others if self.others is not None else first
        if self.others is None:
            first, second = ([dropped(features, BLURRED) for features in view] for view in (first, second))
        both = torch.cat([self.table.content(ids, view) for view in (first, second)])
        return self.weight * contrastive.info_nce(both, self.temperature)
