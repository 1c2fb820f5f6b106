"""Conditional generative adversarial network for tabular rows."""

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
_GUMBEL_TEMPERATURE = 0.3  # of synthetic bins: nearly one-hot, still differentiable (Jang and others, ICLR 2017)


class GanNet(nn.Module):
    """Generator (noise, condition) -> row; critic (row, condition) -> logit. condition: label and one column's bin."""

    def __init__(self, shape: RowShape, latent: int, key: int) -> None:
        super().__init__()
        self.shape, self.latent = shape, latent
        condition, inner = shape.labels + sum(shape.sizes), [shape.width] * shape.layers
        with torch.random.fork_rng(devices=[]):
            self.generator = layers(latent + condition, *inner, shape.wide)
            self.critic = layers(shape.wide + condition, *inner, 1)
        draw_weights(self, key)

    def given(self, bins: Tensor, column: Tensor) -> Tensor:
        """Returns label and conditioned bin as one-hot, (rows, n_labels + all bins); bins (rows, columns)."""
        starts = torch.tensor([0, *self.shape.sizes]).cumsum(0).to(bins.device)
        index = (starts[column] + bins.gather(1, column[:, None])[:, 0])[:, None]
        conditioned = torch.zeros(len(bins), sum(self.shape.sizes), device=bins.device).scatter_(1, index, 1.0)
        return torch.cat([F.one_hot(bins[:, 0], self.shape.labels).float(), conditioned], dim=1)

    def forward(self, noise: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
        """Returns (scores, bin logits) of synthetic rows."""
        out = self.generator(torch.cat([noise, given], dim=1))
        return out[:, : self.shape.numbers], out[:, self.shape.numbers :]

    @torch.no_grad()
    def made_of(
        self, noise: Floats, bins: npt.NDArray[np.int64], column: npt.NDArray[np.int64]
    ) -> tuple[Floats, Floats]:
        """Returns (scores, bin probabilities) of rows with the given label and the given bin of one column."""
        given_bins = torch.from_numpy(bins)
        scores, logits = self(torch.from_numpy(noise).float(), self.given(given_bins, torch.from_numpy(column)))
        probabilities = chances(logits, self.shape.sizes)
        probabilities[:, : self.shape.labels] = F.one_hot(given_bins[:, 0], self.shape.labels).float()
        return scores.double().numpy(), probabilities.double().numpy()


class GanTask:
    """Training task: the critic's loss in every step, the generator's loss in every `generator_every`-th step.

    wasserstein   Wasserstein loss with gradient penalty instead of the original loss
    balance_bins  conditions on bins in proportion to their log frequency (only with `wasserstein`)

    No validation score exists, so the last weights are used.
    """

    def __init__(self, net: GanNet, rows: Coded, smooth: bool, rare: bool, penalty: float, turn: int, key: int) -> None:
        self.net: nn.Module = net
        self._network, self.rows, self.smooth, self.penalty, self.key = net, rows, smooth, penalty, key
        self.turn = turn
        self._bin_sampler = _BinSampler(rows.bins, net.shape.sizes) if smooth and rare else None

    def epoch(self, number: int, progress: float) -> Sequence[tuple[Tensor, bool]]:
        batches = self.rows.batches(rng.key(self.key, "epoch", number))
        first = number * len(batches)
        return [(rows, (first + index) % self.turn == 0) for index, rows in enumerate(batches)]

    def look(self, net: nn.Module) -> float | None:
        return None

    def loss(self, net: nn.Module, batch: tuple[Tensor, bool], chance: Chance) -> tuple[Tensor, int]:
        """Returns (sum of critic and generator loss, rows); each loss has gradients for its own weights only."""
        indices, trains_generator = batch
        device, generator = next(net.parameters()).device, chance.generator("gan")
        column = torch.randint(len(self._network.shape.sizes), (len(indices),), generator=generator)
        if self._bin_sampler is not None:
            indices = self._bin_sampler.sample_rows(column, generator)
        rows, column = self.rows.take(indices).to(device), column.to(device)
        condition = self._network.given(rows.bins, column)
        noise = torch.randn(len(indices), self._network.latent, generator=generator).to(device)
        scores, logits = self._network(noise, condition)
        fake = torch.cat([scores, self._sample_gumbel_softmax(logits, generator)], dim=1)
        real = torch.cat([rows.scores, hot(rows.bins, self._network.shape.sizes)], dim=1)
        total = self._compute_critic_loss(real, fake.detach(), condition, rows.weight, generator)
        if trains_generator:
            total = total + self._compute_generator_loss(fake, condition)
        if trains_generator and self.smooth:
            total = total + self._compute_condition_loss(logits, rows.bins, column)
        return total, len(indices)

    def _sample_gumbel_softmax(self, logits: Tensor, generator: torch.Generator) -> Tensor:
        """Samples nearly one-hot bins."""
        uniform = torch.rand(logits.shape, generator=generator).clamp(1e-9, 1 - 1e-7).to(logits.device)
        return chances((logits - (-uniform.log()).log()) / _GUMBEL_TEMPERATURE, self._network.shape.sizes)

    def _compute_critic_loss(
        self, real: Tensor, fake: Tensor, condition: Tensor, weight: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Returns -E log D(x) - E log(1 - D(G(z))), or the Wasserstein loss with gradient penalty."""
        critic = self._network.critic
        on_real, on_fake = (critic(torch.cat([rows, condition], dim=1))[:, 0] for rows in (real, fake))
        if not self.smooth:
            return weighed(F.softplus(-on_real), weight) + F.softplus(on_fake).mean()
        share = torch.rand(len(real), 1, generator=generator).to(real.device)
        between = (share * real + (1 - share) * fake).requires_grad_()
        value = critic(torch.cat([between, condition], dim=1)).sum()
        (slope,) = torch.autograd.grad(value, between, create_graph=True)
        return on_fake.mean() - weighed(on_real, weight) + self.penalty * ((slope.norm(dim=1) - 1) ** 2).mean()

    def _compute_generator_loss(self, fake: Tensor, condition: Tensor) -> Tensor:
        """Returns the generator's loss through the critic with detached weights."""
        frozen = {name: weights.detach() for name, weights in self._network.critic.named_parameters()}
        value: Any = functional_call(self._network.critic, frozen, (torch.cat([fake, condition], dim=1),))
        return -F.softplus(value[:, 0]).mean() if not self.smooth else -value.mean()

    def _compute_condition_loss(self, logits: Tensor, bins: Tensor, column: Tensor) -> Tensor:
        """Returns the cross-entropy of the conditioned bins: the label's and that of one column."""
        sizes = self._network.shape.sizes
        parts = logits.split(list(sizes), dim=1)
        label = F.cross_entropy(parts[0], bins[:, 0])
        each = [surprise(part, bins[:, i : i + 1], sizes[i : i + 1]) for i, part in enumerate(parts)]
        return label + torch.stack(each, dim=1).gather(1, column[:, None]).mean()


class _BinSampler:
    """Samples a bin of a column in proportion to its log frequency, and a row with that bin."""

    def __init__(self, bins: Tensor, sizes: Sequence[int]) -> None:
        self.order, self.starts, self.edges = list[Tensor](), list[Tensor](), list[Tensor]()
        for column, size in enumerate(sizes):
            counts = torch.bincount(bins[:, column], minlength=size)
            self.order.append(bins[:, column].argsort(stable=True))
            self.starts.append(torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)]))
            self.edges.append(torch.log1p(counts.double()).cumsum(0))

    def sample_rows(self, column: Tensor, generator: torch.Generator) -> Tensor:
        """Returns the index of a training row for each conditioned column, int64 (rows,)."""
        draws = torch.rand(2, len(column), generator=generator, dtype=torch.float64)
        rows = torch.empty(len(column), dtype=torch.int64)
        for index, (order, starts, edges) in enumerate(zip(self.order, self.starts, self.edges, strict=True)):
            here = (column == index).nonzero()[:, 0]
            chosen = torch.searchsorted(edges, draws[0, here] * edges[-1], right=True).clamp(max=len(edges) - 1)
            size = starts[chosen + 1] - starts[chosen]
            rows[here] = order[starts[chosen] + (draws[1, here] * size).long().clamp(max=len(order))]
        return rows
