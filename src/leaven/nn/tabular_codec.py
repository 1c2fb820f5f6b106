"""What do rows of scores and bins look like to a net?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leaven import rng


@dataclass(frozen=True)
class RowShape:
    """numbers: scores of a row; sizes: bins of each discrete column, the first of them the label's; width, layers: of
    hidden layers.
    """

    numbers: int
    sizes: tuple[int, ...]
    width: int
    layers: int

    @property
    def labels(self) -> int:
        """Bins of the label."""
        return self.sizes[0]

    @property
    def wide(self) -> int:
        """Scores and one place for each bin, side by side."""
        return self.numbers + sum(self.sizes)


def shape_of(numbers: int, sizes: Sequence[int], width: int, layers: int) -> RowShape:
    """A shape whose sizes are plain."""
    return RowShape(numbers, tuple(int(size) for size in sizes), width, layers)


@dataclass(frozen=True, eq=False)
class Coded:
    """Training rows. scores float32 (rows, numbers); bins int64 (rows, discrete columns); weight float32 (rows,);
    batch: rows of one step.
    """

    scores: Tensor
    bins: Tensor
    weight: Tensor
    batch: int

    def __len__(self) -> int:
        return len(self.bins)

    def take(self, rows: Tensor) -> Coded:
        """These rows."""
        return Coded(self.scores[rows], self.bins[rows], self.weight[rows], self.batch)

    def to(self, device: torch.device) -> Coded:
        """The same on another device."""
        return Coded(self.scores.to(device), self.bins.to(device), self.weight.to(device), self.batch)

    def batches(self, key: int) -> list[Tensor]:
        """Places of the rows of each step of an epoch, in an order that follows from the key."""
        order = torch.from_numpy(rng.generator(key).permutation(len(self)))
        return list(order.split(self.batch))

    def parted(self, key: int) -> tuple[Coded, Coded]:
        """(nine tenths of the rows, the others), by lot; with fewer than 100 rows, all and none."""
        order = torch.from_numpy(rng.generator(key).permutation(len(self)))
        apart = len(self) // 10 if len(self) >= 100 else 0
        return self.take(order[apart:]), self.take(order[:apart])


def hot(bins: Tensor, sizes: Sequence[int]) -> Tensor:
    """float32 (rows, all bins): 1 at the bin of each column."""
    parts = [F.one_hot(bins[:, place], size) for place, size in enumerate(sizes)]
    return torch.cat(parts, dim=1).float()


def chances(logits: Tensor, sizes: Sequence[int]) -> Tensor:
    """(rows, all bins): a softmax column by column."""
    return torch.cat([part.softmax(1) for part in logits.split(list(sizes), dim=1)], dim=1)


def surprise(logits: Tensor, bins: Tensor, sizes: Sequence[int]) -> Tensor:
    """(rows,): cross-entropy, summed over the columns."""
    return surprise_of(logits, hot(bins, sizes), sizes)


def surprise_of(logits: Tensor, coded: Tensor, sizes: Sequence[int]) -> Tensor:
    """The same of bins as `hot` gives them."""
    logs = torch.cat([part.log_softmax(1) for part in logits.split(list(sizes), dim=1)], dim=1)
    return -(coded * logs).sum(1)


def layers(*sizes: int) -> nn.Sequential:
    """Linear layers of these sizes with SiLU between them."""
    parts: list[nn.Module] = []
    for low, high in pairwise(sizes):
        parts += [nn.Linear(low, high), nn.SiLU()]
    return nn.Sequential(*parts[:-1])


@torch.no_grad()
def draw_weights(net: nn.Module, key: int) -> None:
    """Every weight and bias anew, from the key."""
    chance = torch.Generator().manual_seed(key)
    for weights in net.parameters():
        if weights.dim() > 1:
            bound = 1 / math.sqrt(weights.shape[1])
            weights.uniform_(-bound, bound, generator=chance)
        else:
            weights.zero_()


def weighed(each: Tensor, weight: Tensor) -> Tensor:
    """The mean of (rows,) by their weights."""
    return (each * weight).sum() / weight.sum().clamp(min=1e-9)
