"""Which nets say whether a row is a positive, and how are they trained?"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leaven import seeds
from leaven.nets.training import Chance

_LOOK_ROWS = 8192  # rows of one forward pass when nothing is learned


@dataclass(frozen=True)
class ClickShape:
    """numbers: of a row; levels: codes of each category column, 0 not counted; embedding: width of a category;
    hidden: widths of the layers; crosses: layers that multiply the input with itself; dropout: in hidden layers.
    """

    numbers: int
    levels: tuple[int, ...]
    embedding: int
    hidden: tuple[int, ...]
    crosses: int = 0
    dropout: float = 0.0

    @property
    def width(self) -> int:
        """Numbers and embeddings side by side."""
        return self.numbers + self.embedding * len(self.levels)


class ClickNet(nn.Module):
    """Numbers and embedded categories through ReLU layers, beside cross layers where asked, to one logit.

    Cross layers as in DCN-V2 (Wang and others, WWW 2021, eq. 1, full matrix), parallel to the deep part.
    """

    def __init__(self, shape: ClickShape, chance: torch.Generator) -> None:
        super().__init__()
        self.shape = shape
        with torch.random.fork_rng(devices=[]):  # layers draw from the global generator, for nothing
            self.tables = nn.ModuleList(nn.Embedding(count + 1, shape.embedding) for count in shape.levels)
            sizes = [shape.width, *shape.hidden]
            self.deep = nn.ModuleList(nn.Linear(low, high) for low, high in pairwise(sizes))
            self.crosses = nn.ModuleList(nn.Linear(shape.width, shape.width) for _ in range(shape.crosses))
            self.last = nn.Linear(sizes[-1] + (shape.width if shape.crosses else 0), 1)
        self._draw(chance)

    @torch.no_grad()
    def _draw(self, chance: torch.Generator) -> None:
        for table in self.tables:
            assert isinstance(table, nn.Embedding)
            table.weight.normal_(0.0, 0.05, generator=chance)
            table.weight[0] = 0.0
        for layer in (*self.deep, *self.crosses, self.last):
            assert isinstance(layer, nn.Linear)
            bound = 1 / math.sqrt(layer.in_features)
            layer.weight.uniform_(-bound, bound, generator=chance)
            layer.bias.zero_()

    def forward(self, numbers: Tensor, codes: Tensor) -> Tensor:
        """(rows,): logits. numbers float32 (rows, numbers); codes int64 (rows, columns)."""
        looked_up = [table(codes[:, place]) for place, table in enumerate(self.tables)]
        start = torch.cat([numbers, *looked_up], dim=1)  # (rows, width)
        x = start
        for layer in self.deep:
            x = F.dropout(F.relu(layer(x)), self.shape.dropout, self.training)
        if self.shape.crosses:
            crossed = start
            for layer in self.crosses:
                crossed = start * layer(crossed) + crossed
            x = torch.cat([x, crossed], dim=1)
        logits: Tensor = self.last(x).squeeze(1)
        return logits


@dataclass(frozen=True, eq=False)
class Table:
    """numbers float32 (rows, numbers), codes int64 (rows, columns), label and weight float32 (rows,)."""

    numbers: Tensor
    codes: Tensor
    label: Tensor
    weight: Tensor

    @classmethod
    def of(
        cls,
        numbers: npt.NDArray[np.float32],
        codes: npt.NDArray[np.int32],
        label: npt.NDArray[np.float32],
        weight: npt.NDArray[np.float32],
    ) -> Table:
        """Tensors over the arrays."""
        wide = torch.from_numpy(codes.astype(np.int64))
        return cls(torch.from_numpy(numbers), wide, torch.from_numpy(label.copy()), torch.from_numpy(weight.copy()))

    def __len__(self) -> int:
        return len(self.label)


class Clicks:
    """The task for `training.train`: weighted binary cross-entropy, soft labels allowed.

    refresh: (epoch, progress) -> the rows of that epoch; None: always `train`. `look` is minus the log loss on `valid`.
    """

    def __init__(
        self,
        net: ClickNet,
        train: Table,
        batch: int,
        key: int,
        valid: Table | None = None,
        refresh: Callable[[int, float], Table] | None = None,
    ) -> None:
        self.net: nn.Module = net
        self.train, self.batch, self.key, self.valid, self.refresh = train, batch, key, valid, refresh
        self._now = train

    def epoch(self, number: int, progress: float) -> Sequence[Tensor]:
        """Places of the rows of each batch, in an order that the key and the epoch give."""
        if self.refresh is not None:
            self._now = self.refresh(number, progress)
        order = seeds.generator(seeds.key(self.key, "epoch", number)).permutation(len(self._now))
        return list(torch.from_numpy(order).split(self.batch))

    def loss(self, net: nn.Module, batch: Tensor, chance: Chance) -> tuple[Tensor, int]:
        """(weighted mean, rows); each process of several takes its share."""
        mine = batch[chance.rank :: chance.world]
        device = next(net.parameters()).device
        rows = self._now
        numbers, codes = rows.numbers[mine].to(device), rows.codes[mine].to(device)
        label, weight = rows.label[mine].to(device), rows.weight[mine].to(device)
        each = F.binary_cross_entropy_with_logits(net(numbers, codes), label, reduction="none")
        return (each * weight).sum() / weight.sum().clamp(min=1e-9), len(mine)

    def look(self, net: nn.Module) -> float | None:
        """Minus the log loss on the rows to validate on."""
        if self.valid is None:
            return None
        logits = answers(net, self.valid)
        return -float(F.binary_cross_entropy_with_logits(logits, self.valid.label.double()))


@torch.no_grad()
def answers(net: nn.Module, rows: Table) -> Tensor:
    """float64 (rows,): logits, on the CPU."""
    device = next(net.parameters()).device
    net.eval()
    parts = [
        net(numbers.to(device), codes.to(device)).double().cpu()
        for numbers, codes in zip(rows.numbers.split(_LOOK_ROWS), rows.codes.split(_LOOK_ROWS), strict=True)
    ]
    return torch.cat(parts)
