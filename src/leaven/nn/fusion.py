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

from leaven.nn import losses
from leaven.nn.sequence_encoder import apply_dropout

ItemFeatureSource = Callable[[int, float], Sequence[Tensor]]
"""(epoch, progress) -> item features of that epoch: a float32 (items, width) of each modality."""

VIEW_DROPOUT = 0.2
"""Dropout rate that distinguishes two views of an item if there are no augmented views."""


class FusedItemTable(nn.Module):
    """Table of item vectors from ids and item features, with the methods of `sequence_encoder.ItemTable`.

    features     float32 (items, width of the modality), one per modality; zeros where an item lacks it
    in_training  bool (items,): items in the training rows; other items have no id embedding
    dropout      share of the ids that are dropped in training

    Dropped and unknown ids share one embedding. Training ranks known ids above unknown ones: `cold_item_share`
    (initially 0) is the share of a list's positions that is reserved for items outside the training rows
    (`scoring.rank_items`).
    """

    def __init__(self, width: int, features: Sequence[Tensor], in_training: Tensor, dropout: float) -> None:
        super().__init__()
        self.dropout, n_items = dropout, len(in_training)
        self.id_embeddings = nn.Embedding(n_items + 3, width, padding_idx=0)  # the last row is the unknown id
        self.projections = nn.ModuleList(nn.Linear(rows.shape[1], width, bias=False) for rows in features)
        self.in_training: Tensor
        self.register_buffer("in_training", pad_rows(in_training[:, None].float(), 1.0))
        for index, rows in enumerate(features):
            self.register_buffer(f"features_{index}", pad_rows(rows))
        self.cold_item_share: Tensor
        self.register_buffer("cold_item_share", torch.zeros(()))
        self.view_features: list[Tensor] | None = None

    def get_cold_items(self) -> tuple[Tensor, float] | None:
        """Returns (bool (items,) of items outside the training rows, `cold_item_share`); None if the share is 0."""
        share = float(self.cold_item_share)
        return (self.in_training[1:-1, 0] == 0, share) if share else None

    def reset_padding(self) -> None:
        """Sets the padding vector to 0 after initialization."""
        self.id_embeddings.weight[0] = 0.0

    def forward(self, ids: Tensor) -> Tensor:
        """Returns item vectors, float (ids, width)."""
        known = self.in_training[ids]
        if self.training and self.dropout:
            known = known * (torch.rand(known.shape, device=known.device) >= self.dropout)
        known = known + (ids == 0)[:, None]  # padding uses its own id embedding
        embedded = self.id_embeddings(torch.where(known[:, 0] > 0, ids, len(self.in_training)))
        return embedded + self.embed_content(ids, self.get_features())

    def embed_content(self, ids: Tensor, features: Sequence[Tensor]) -> Tensor:
        """Returns the projected item features without the ids, float (ids, width)."""
        parts = [project(rows[ids]) for project, rows in zip(self.projections, features, strict=True)]
        return torch.stack(parts).sum(0)

    def get_all_vectors(self) -> Tensor:
        """Returns the vectors of all items, float (items, width)."""
        return cast(Tensor, self(torch.arange(1, len(self.in_training) - 1, device=self.in_training.device)))

    def get_features(self) -> list[Tensor]:
        """Returns the current item features of each modality: those of the views in training, if set."""
        if self.training and self.view_features is not None:
            return self.view_features
        return [self.get_buffer(f"features_{index}") for index in range(len(self.projections))]


def pad_rows(rows: Tensor, mask_value: float = 0.0) -> Tensor:
    """Adds a padding row in front and a mask row at the end: (items + 2, width)."""
    return torch.cat([torch.zeros_like(rows[:1]), rows, torch.full_like(rows[:1], mask_value)])


class ItemViewLoss:
    """Auxiliary loss on item views (`next_item.AuxiliaryLoss`): sets new views in each epoch and contrasts two views
    of each item in a batch.

    load_features  features of the views of an epoch, or None if items are never augmented
    weight         of the contrastive loss (InfoNCE, nn/losses.py); 0: off
    temperature    of its cosine logits

    Without augmented views, the two views differ only by dropout.
    """

    def __init__(
        self, table: FusedItemTable, load_features: ItemFeatureSource | None, weight: float, temperature: float
    ) -> None:
        self.table, self.load_features, self.weight, self.temperature = table, load_features, weight, temperature
        self.second_views: list[Tensor] | None = None

    def start_epoch(self, number: int, progress: float) -> None:
        """Loads the views of an epoch, and second views if the contrastive loss is on."""
        if self.load_features is None:
            return
        device = self.table.id_embeddings.weight.device
        views = self.load_features(number, progress)
        self.table.view_features = [pad_rows(rows).to(device) for rows in views]
        if self.weight:
            second = self.load_features(number + losses.SECOND_VIEW_OFFSET, progress)
            self.second_views = [pad_rows(features).to(device) for features in second]

    def loss(self, targets: Tensor) -> Tensor:
        """Returns the weighted InfoNCE loss of the views of the target items."""
        ids = targets.unique()
        if not self.weight or len(ids) < 2:
            return torch.zeros((), device=targets.device)
        first = self.table.get_features()
        second = self.second_views if self.second_views is not None else first
        if self.second_views is None:
            first, second = ([apply_dropout(features, VIEW_DROPOUT) for features in view] for view in (first, second))
        both = torch.cat([self.table.embed_content(ids, view) for view in (first, second)])
        return self.weight * losses.info_nce(both, self.temperature)
