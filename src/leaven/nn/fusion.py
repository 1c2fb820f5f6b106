"""How does an item that nobody took yet get a vector, and stay comparable with those that many took?

By what is known of it beside its id. An item's vector is that of its id, where training rows hold it, and a projection
of each of its modalities; while training, ids are left out by lot, so that what is read must be able to stand alone
(DropoutNet, Volkovs and others, NeurIPS 2017). Where we differ: ids of items are dropped, not those of users, and an
item of which nothing is known of a modality adds nothing there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from leaven.nn import contrastive
from leaven.nn.sequence_encoder import dropped

Read = Callable[[int, float], Sequence[Tensor]]
"""(epoch, progress) -> what is read of the items then: a float32 (items, width) of each modality."""

BLURRED = 0.2
"""Share of the numbers that are hidden where two views of an item are told apart by dropout alone."""


class FusedTable(nn.Module):
    """Item vectors from ids and whatever is read of the items; the methods of `layers.ItemTable`.

    read     float32 (items, width of the modality), one a modality; rows of zeros where nothing is known
    taken    bool (items,): items that training rows hold; the others have no vector of their id
    dropout  share of the ids that are left out while training

    Where an id is left out or not known, one vector that all of them share stands for it: what to expect of a stranger.
    Training teaches ids to stand before strangers: `newcomers` (0 at first) is the share of a list's places that is
    kept for items that training rows do not hold (`ranking.rank`).
    """

    def __init__(self, width: int, read: Sequence[Tensor], taken: Tensor, dropout: float) -> None:
        super().__init__()
        self.dropout, n_items = dropout, len(taken)
        self.own = nn.Embedding(n_items + 3, width, padding_idx=0)  # the last one is the stranger's
        self.project = nn.ModuleList(nn.Linear(one.shape[1], width, bias=False) for one in read)
        self.taken: Tensor
        self.register_buffer("taken", framed(taken[:, None].float(), 1.0))
        for place, one in enumerate(read):
            self.register_buffer(f"read_{place}", framed(one))
        self.newcomers: Tensor
        self.register_buffer("newcomers", torch.zeros(()))
        self.seen: list[Tensor] | None = None

    def apart(self) -> tuple[Tensor, float] | None:
        """(bool (items,): items that training rows do not hold, `newcomers`); None where that is 0."""
        share = float(self.newcomers)
        return (self.taken[1:-1, 0] == 0, share) if share else None

    def settle(self) -> None:
        """After its numbers were drawn: what pads is nothing."""
        self.own.weight[0] = 0.0

    def see(self, read: Sequence[Tensor] | None) -> None:
        """From now on these views of the items are what training reads; None: the items as they are."""
        device = self.own.weight.device
        self.seen = None if read is None else [framed(one).to(device) for one in read]

    def forward(self, ids: Tensor) -> Tensor:
        """(ids, width)."""
        known = self.taken[ids]
        if self.training and self.dropout:
            known = known * (torch.rand(known.shape, device=known.device) >= self.dropout)
        known = known + (ids == 0)[:, None]  # padding is nobody
        named = self.own(torch.where(known[:, 0] > 0, ids, len(self.taken)))
        return named + self.content(ids, self._reads())

    def content(self, ids: Tensor, reads: Sequence[Tensor]) -> Tensor:
        """(ids, width): what is read of the items, without their ids."""
        parts = [project(one[ids]) for project, one in zip(self.project, reads, strict=True)]
        return torch.stack(parts).sum(0)

    def every(self) -> Tensor:
        """(items, width): the vectors of all items."""
        return cast(Tensor, self(torch.arange(1, len(self.taken) - 1, device=self.taken.device)))

    def _reads(self) -> list[Tensor]:
        if self.training and self.seen is not None:
            return self.seen
        return [getattr(self, f"read_{place}") for place in range(len(self.project))]


def framed(rows: Tensor, mask: float = 0.0) -> Tensor:
    """(items + 2, width): with a row of padding before, and one of the mask behind."""
    return torch.cat([torch.zeros_like(rows[:1]), rows, torch.full_like(rows[:1], mask)])


class ItemViews:
    """What is learned of items beside their order (`next_item.Beside`): each epoch shows other views of them, and two
    views of an item shall be alike among those of a batch.

    read         views of an epoch, or None where the items are always seen as they are
    weight       of the second loss (InfoNCE, nn/contrastive.py); 0: none
    temperature  of its cosines

    Without views dropout alone tells the two apart.
    """

    def __init__(self, table: FusedTable, read: Read | None, weight: float, temperature: float) -> None:
        self.table, self.read, self.weight, self.temperature = table, read, weight, temperature
        self.others: list[Tensor] | None = None

    def epoch(self, number: int, progress: float) -> None:
        """The views of an epoch; a second draw of them where two are compared."""
        if self.read is None:
            return
        self.table.see(self.read(number, progress))
        if self.weight:
            device = self.table.own.weight.device
            self.others = [framed(one).to(device) for one in self.read(number + contrastive.OTHER_DRAW, progress)]

    def loss(self, targets: Tensor) -> Tensor:
        """How hard it is to tell which two views are of one item, among the items that came next."""
        ids = targets.unique()
        if not self.weight or len(ids) < 2:
            return torch.zeros((), device=targets.device)
        first = self.table._reads()
        second = self.others if self.others is not None else first
        if self.others is None:
            first, second = ([dropped(one, BLURRED) for one in reads] for reads in (first, second))
        both = torch.cat([self.table.content(ids, reads) for reads in (first, second)])
        return self.weight * contrastive.info_nce(both, self.temperature)
