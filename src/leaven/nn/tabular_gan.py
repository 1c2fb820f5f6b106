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
from leaven.nn.tabular_codec import (
    EncodedRows,
    TabularShape,
    build_mlp,
    compute_cross_entropy,
    compute_probabilities,
    draw_weights,
    encode_one_hot,
    weighted_mean,
)
from leaven.nn.training import StepRng

Floats = npt.NDArray[np.float64]
_GUMBEL_TEMPERATURE = 0.3  # of synthetic bins: nearly one-hot, still differentiable (Jang and others, ICLR 2017)


class TabularGanNetwork(nn.Module):
    """Generator (noise, condition) -> row; critic (row, condition) -> logit. condition: label and one column's bin."""

    def __init__(self, shape: TabularShape, latent: int, key: int) -> None:
        super().__init__()
        self.shape, self.latent = shape, latent
        condition, inner = shape.n_labels + sum(shape.bin_counts), [shape.width] * shape.layers
        with torch.random.fork_rng(devices=[]):
            self.generator = build_mlp(latent + condition, *inner, shape.row_width)
            self.critic = build_mlp(shape.row_width + condition, *inner, 1)
        draw_weights(self, key)

    def build_condition(self, bins: Tensor, column: Tensor) -> Tensor:
        """Returns label and conditioned bin as one-hot, (rows, n_labels + all bins); bins (rows, columns)."""
        starts = torch.tensor([0, *self.shape.bin_counts]).cumsum(0).to(bins.device)
        index = (starts[column] + bins.gather(1, column[:, None])[:, 0])[:, None]
        conditioned = torch.zeros(len(bins), sum(self.shape.bin_counts), device=bins.device).scatter_(1, index, 1.0)
        return torch.cat([F.one_hot(bins[:, 0], self.shape.n_labels).float(), conditioned], dim=1)

    def forward(self, noise: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Returns (scores, bin logits) of synthetic rows."""
        out = self.generator(torch.cat([noise, condition], dim=1))
        return out[:, : self.shape.n_numeric], out[:, self.shape.n_numeric :]

    @torch.no_grad()
    def generate_rows(
        self, noise: Floats, bins: npt.NDArray[np.int64], column: npt.NDArray[np.int64]
    ) -> tuple[Floats, Floats]:
        """Returns (scores, bin probabilities) of rows with the given label and the given bin of one column."""
        given_bins = torch.from_numpy(bins)
        scores, logits = self(
            torch.from_numpy(noise).float(), self.build_condition(given_bins, torch.from_numpy(column))
        )
        probabilities = compute_probabilities(logits, self.shape.bin_counts)
        probabilities[:, : self.shape.n_labels] = F.one_hot(given_bins[:, 0], self.shape.n_labels).float()
        return scores.double().numpy(), probabilities.double().numpy()


class TabularGanTask:
    """Training task: the critic's loss in every step, the generator's loss in every `generator_every`-th step.

    wasserstein   Wasserstein loss with gradient penalty instead of the original loss
    balance_bins  conditions on bins in proportion to their log frequency (only with `wasserstein`)

    No validation score exists, so the last weights are used.
    """

    def __init__(
        self,
        net: TabularGanNetwork,
        rows: EncodedRows,
        wasserstein: bool,
        balance_bins: bool,
        penalty: float,
        generator_every: int,
        key: int,
    ) -> None:
        self.net: nn.Module = net
        self._network, self.rows, self.wasserstein, self.penalty, self.key = net, rows, wasserstein, penalty, key
        self.generator_every = generator_every
        self._bin_sampler = _BinSampler(rows.bins, net.shape.bin_counts) if wasserstein and balance_bins else None

    def build_batches(self, number: int, progress: float) -> Sequence[tuple[Tensor, bool]]:
        batches = self.rows.shuffle_batches(rng.derive_key(self.key, "epoch", number))
        first = number * len(batches)
        return [(rows, (first + index) % self.generator_every == 0) for index, rows in enumerate(batches)]

    def validate_network(self, net: nn.Module) -> float | None:
        return None

    def compute_loss(self, net: nn.Module, batch: tuple[Tensor, bool], step_rng: StepRng) -> tuple[Tensor, int]:
        """Returns (sum of critic and generator loss, rows); each loss has gradients for its own weights only."""
        indices, trains_generator = batch
        device, generator = next(net.parameters()).device, step_rng.make_generator("gan")
        column = torch.randint(len(self._network.shape.bin_counts), (len(indices),), generator=generator)
        if self._bin_sampler is not None:
            indices = self._bin_sampler.sample_rows(column, generator)
        rows, column = self.rows.take(indices).to(device), column.to(device)
        condition = self._network.build_condition(rows.bins, column)
        noise = torch.randn(len(indices), self._network.latent, generator=generator).to(device)
        scores, logits = self._network(noise, condition)
        fake = torch.cat([scores, self._sample_gumbel_softmax(logits, generator)], dim=1)
        real = torch.cat([rows.scores, encode_one_hot(rows.bins, self._network.shape.bin_counts)], dim=1)
        total = self._compute_critic_loss(real, fake.detach(), condition, rows.weight, generator)
        if trains_generator:
            total = total + self._compute_generator_loss(fake, condition)
        if trains_generator and self.wasserstein:
            sizes = self._network.shape.bin_counts
            parts = logits.split(list(sizes), dim=1)
            label = F.cross_entropy(parts[0], rows.bins[:, 0])
            each = [
                compute_cross_entropy(part, rows.bins[:, i : i + 1], sizes[i : i + 1]) for i, part in enumerate(parts)
            ]
            total = total + (label + torch.stack(each, dim=1).gather(1, column[:, None]).mean())
        return total, len(indices)

    def _sample_gumbel_softmax(self, logits: Tensor, generator: torch.Generator) -> Tensor:
        uniform = torch.rand(logits.shape, generator=generator).clamp(1e-9, 1 - 1e-7).to(logits.device)
        return compute_probabilities(
            (logits - (-uniform.log()).log()) / _GUMBEL_TEMPERATURE, self._network.shape.bin_counts
        )

    def _compute_critic_loss(
        self, real: Tensor, fake: Tensor, condition: Tensor, weight: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Returns -E log D(x) - E log(1 - D(G(z))), or the Wasserstein loss with gradient penalty."""
        critic = self._network.critic
        on_real, on_fake = (critic(torch.cat([rows, condition], dim=1))[:, 0] for rows in (real, fake))
        if not self.wasserstein:
            return weighted_mean(F.softplus(-on_real), weight) + F.softplus(on_fake).mean()
        share = torch.rand(len(real), 1, generator=generator).to(real.device)
        between = (share * real + (1 - share) * fake).requires_grad_()
        value = critic(torch.cat([between, condition], dim=1)).sum()
        (slope,) = torch.autograd.grad(value, between, create_graph=True)
        return on_fake.mean() - weighted_mean(on_real, weight) + self.penalty * ((slope.norm(dim=1) - 1) ** 2).mean()

    def _compute_generator_loss(self, fake: Tensor, condition: Tensor) -> Tensor:
        """Returns the generator's loss through the critic with detached weights."""
        frozen = {name: weights.detach() for name, weights in self._network.critic.named_parameters()}
        value: Any = functional_call(self._network.critic, frozen, (torch.cat([fake, condition], dim=1),))
        return -F.softplus(value[:, 0]).mean() if not self.wasserstein else -value.mean()


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
