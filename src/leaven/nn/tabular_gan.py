"""How do a net that makes rows and a net that tells them from real ones learn from each other?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from leaven import rng
from leaven.nn.tabular_codec import Coded, RowShape, chances, draw_weights, hot, layers, surprise, weighed
from leaven.nn.training import Chance

Floats = npt.NDArray[np.float64]
_SHARP = 0.3  # temperature of made names: nearly one-hot, and still with a gradient (Jang and others, ICLR 2017)


class GanNet(nn.Module):
    """Generator (noise, given) -> row; critic (row, given) -> how real. given: label, and a bin of one column."""

    def __init__(self, shape: RowShape, latent: int, key: int) -> None:
        super().__init__()
        self.shape, self.latent = shape, latent
        given, inner = shape.labels + sum(shape.sizes), [shape.width] * shape.layers
        with torch.random.fork_rng(devices=[]):
            self.generator = layers(latent + given, *inner, shape.wide)
            self.critic = layers(shape.wide + given, *inner, 1)
        draw_weights(self, key)

    def given(self, bins: Tensor, column: Tensor) -> Tensor:
        """(rows, labels + all bins): the label, and the bin of the column that is told; bins (rows, columns)."""
        starts = torch.tensor([0, *self.shape.sizes]).cumsum(0).to(bins.device)
        place = (starts[column] + bins.gather(1, column[:, None])[:, 0])[:, None]
        told = torch.zeros(len(bins), sum(self.shape.sizes), device=bins.device).scatter_(1, place, 1.0)
        return torch.cat([F.one_hot(bins[:, 0], self.shape.labels).float(), told], dim=1)

    def forward(self, noise: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
        """(scores, logits) of made rows."""
        out = self.generator(torch.cat([noise, given], dim=1))
        return out[:, : self.shape.numbers], out[:, self.shape.numbers :]

    @torch.no_grad()
    def made_of(
        self, noise: Floats, bins: npt.NDArray[np.int64], column: npt.NDArray[np.int64]
    ) -> tuple[Floats, Floats]:
        """(scores, chances of bins) of rows whose label, and whose bin of one column, are given."""
        told = torch.from_numpy(bins)
        scores, logits = self(torch.from_numpy(noise).float(), self.given(told, torch.from_numpy(column)))
        odds = chances(logits, self.shape.sizes)
        odds[:, : self.shape.labels] = F.one_hot(told[:, 0], self.shape.labels).float()
        return scores.double().numpy(), odds.double().numpy()


class GanTask:
    """In every step the critic's loss, made rows held still; in every `turn`-th also the generator's, the critic held.

    There is no loss to choose weights by: the last ones stay.
    """

    def __init__(self, net: GanNet, rows: Coded, smooth: bool, rare: bool, penalty: float, turn: int, key: int) -> None:
        self.net: nn.Module = net
        self._net, self.rows, self.smooth, self.penalty, self.key = net, rows, smooth, penalty, key
        self.turn = turn
        self._of_bin = _rows_by_bin(rows.bins, net.shape.sizes) if smooth and rare else None

    def epoch(self, number: int, progress: float) -> Sequence[tuple[Tensor, bool]]:
        batches = self.rows.batches(rng.key(self.key, "epoch", number))
        first = number * len(batches)
        return [(rows, (first + nth) % self.turn == 0) for nth, rows in enumerate(batches)]

    def look(self, net: nn.Module) -> float | None:
        return None

    def loss(self, net: nn.Module, batch: tuple[Tensor, bool], chance: Chance) -> tuple[Tensor, int]:
        """The critic's loss and the generator's, each of which moves its own weights alone."""
        places, both = batch
        device, generator = next(net.parameters()).device, chance.generator("gan")
        column = torch.randint(len(self._net.shape.sizes), (len(places),), generator=generator)
        if self._of_bin is not None:
            places = self._of_bin.rows(column, generator)
        rows, column = self.rows.take(places).to(device), column.to(device)
        given = self._net.given(rows.bins, column)
        noise = torch.randn(len(places), self._net.latent, generator=generator).to(device)
        scores, logits = self._net(noise, given)
        made = torch.cat([scores, self._sharp(logits, generator)], dim=1)
        real = torch.cat([rows.scores, hot(rows.bins, self._net.shape.sizes)], dim=1)
        total = self._critic_loss(real, made.detach(), given, rows.weight, generator)
        if both:
            total = total + self._generator_loss(made, given)
        if both and self.smooth:
            total = total + self._kept(logits, rows.bins, column)
        return total, len(places)

    def _sharp(self, logits: Tensor, generator: torch.Generator) -> Tensor:
        """Nearly one-hot names, by lot (Gumbel softmax)."""
        lot = torch.rand(logits.shape, generator=generator).clamp(1e-9, 1 - 1e-7).to(logits.device)
        return chances((logits - (-lot.log()).log()) / _SHARP, self._net.shape.sizes)

    def _critic_loss(
        self, real: Tensor, made: Tensor, given: Tensor, weight: Tensor, generator: torch.Generator
    ) -> Tensor:
        """-E log D(x) - E log(1 - D(G(z))), or the difference of means with the gradient penalty."""
        up, down = (self._net.critic(torch.cat([rows, given], dim=1))[:, 0] for rows in (real, made))
        if not self.smooth:
            return weighed(F.softplus(-up), weight) + F.softplus(down).mean()
        share = torch.rand(len(real), 1, generator=generator).to(real.device)
        between = (share * real + (1 - share) * made).requires_grad_()
        value = self._net.critic(torch.cat([between, given], dim=1)).sum()
        (slope,) = torch.autograd.grad(value, between, create_graph=True)
        return down.mean() - weighed(up, weight) + self.penalty * ((slope.norm(dim=1) - 1) ** 2).mean()

    def _generator_loss(self, made: Tensor, given: Tensor) -> Tensor:
        """What the critic says of made rows, its weights held still."""
        still = {name: weights.detach() for name, weights in self._net.critic.named_parameters()}
        value: Any = functional_call(self._net.critic, still, (torch.cat([made, given], dim=1),))
        return -F.softplus(value[:, 0]).mean() if not self.smooth else -value.mean()

    def _kept(self, logits: Tensor, bins: Tensor, column: Tensor) -> Tensor:
        """Cross-entropy of the bins that were given: the label's and the told column's."""
        sizes = self._net.shape.sizes
        told = logits.split(list(sizes), dim=1)
        label = F.cross_entropy(told[0], bins[:, 0])
        each = [surprise(part, bins[:, place : place + 1], sizes[place : place + 1]) for place, part in enumerate(told)]
        return label + torch.stack(each, dim=1).gather(1, column[:, None]).mean()


class _RowsByBin:
    """Draws, for a column, a bin by the logarithm of how frequent it is, and a row that has it."""

    def __init__(self, order: list[Tensor], starts: list[Tensor], edges: list[Tensor]) -> None:
        self.order, self.starts, self.edges = order, starts, edges

    def rows(self, column: Tensor, generator: torch.Generator) -> Tensor:
        """int64 (rows,): a training row for each column that is told."""
        lots = torch.rand(2, len(column), generator=generator, dtype=torch.float64)
        found = torch.empty(len(column), dtype=torch.int64)
        for place in range(len(self.order)):
            here = (column == place).nonzero()[:, 0]
            edges, starts = self.edges[place], self.starts[place]
            one = torch.searchsorted(edges, lots[0, here] * edges[-1], right=True).clamp(max=len(edges) - 1)
            size = starts[one + 1] - starts[one]
            found[here] = self.order[place][
                starts[one] + (lots[1, here] * size).long().clamp(max=len(self.order[place]))
            ]
        return found


def _rows_by_bin(bins: Tensor, sizes: Sequence[int]) -> _RowsByBin:
    order, starts, edges = [], [], []
    for place, size in enumerate(sizes):
        counts = torch.bincount(bins[:, place], minlength=size)
        order.append(bins[:, place].argsort(stable=True))
        starts.append(torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)]))
        edges.append(torch.log1p(counts.double()).cumsum(0))
    return _RowsByBin(order, starts, edges)
