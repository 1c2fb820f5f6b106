"""Diffusion network for tabular rows with Gaussian and multinomial noise."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leaven import rng
from leaven.nn.tabular_codec import (
    DecodedRows,
    EncodedRows,
    Floats,
    TabularShape,
    build_mlp,
    compute_cross_entropy,
    compute_probabilities,
    draw_weights,
    encode_one_hot,
    weighted_mean,
)
from leaven.nn.training import StepRng

_STEP_FREQUENCIES = 16  # of the step embedding
_MAX_SCORE = 4.0  # bound of the absolute scores of clean rows


class DenoisingNetwork(nn.Module):
    """Residual network (noisy row, label, step) -> (noise of the scores, logits of the clean bins)."""

    def __init__(self, shape: TabularShape, observed_bins: npt.NDArray[np.bool_], steps: int, key: int) -> None:
        super().__init__()
        self.shape, self.steps = shape, steps
        parts = torch.from_numpy(observed_bins.astype(np.float64)).split(list(shape.bin_counts))
        self.prior: Tensor  # float64 (all bins,): uniform probabilities of the observed bins of each column
        self.register_buffer("prior", torch.cat([part / part.sum() for part in parts]), persistent=False)
        with torch.random.fork_rng(devices=[]):
            self.first = nn.Linear(shape.row_width + shape.n_labels + 2 * _STEP_FREQUENCIES, shape.width)
            self.inner = nn.ModuleList(
                build_mlp(shape.width, 2 * shape.width, shape.width) for _ in range(shape.layers)
            )
            self.last = nn.Linear(shape.width, shape.row_width)
        signal = torch.cos((torch.arange(steps + 1, dtype=torch.float64) / steps + 0.008) / 1.008 * math.pi / 2) ** 2
        self.signal: Tensor  # float64 (steps + 1,): share of the signal that remains after each step
        self.register_buffer("signal", (signal / signal[0]).clamp(1e-5, 1.0), persistent=False)
        draw_weights(self, key)

    def forward(self, scores: Tensor, bins: Tensor, label: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
        """Predicts noise and clean bins.

        scores (rows, n_numeric), bins (rows, columns) after `step` + 1 steps of noise; label, step int64 (rows,).
        """
        frequencies = torch.exp(
            -math.log(1000.0) * torch.arange(_STEP_FREQUENCIES, device=scores.device) / _STEP_FREQUENCIES
        )
        angle = 1000.0 * (step.float() / self.steps)[:, None] * frequencies
        label_one_hot = F.one_hot(label, self.shape.n_labels).float()
        one_hot = encode_one_hot(bins, self.shape.bin_counts)
        x = self.first(torch.cat([scores, one_hot, label_one_hot, angle.sin(), angle.cos()], dim=1))
        for block in self.inner:
            x = x + block(F.layer_norm(x, x.shape[1:]))
        out = self.last(F.silu(x))
        return out[:, : self.shape.n_numeric], out[:, self.shape.n_numeric :]

    def sample_noise_bins(self, draws: Tensor) -> Tensor:
        """Draws bins from the noise prior, int64 (rows, columns), with uniforms `draws` (rows, columns)."""
        parts = self.prior.float().split(list(self.shape.bin_counts))
        bins = [
            torch.searchsorted(part.cumsum(0), draws[:, column].contiguous(), right=True)
            for column, part in enumerate(parts)
        ]
        limits = torch.tensor(self.shape.bin_counts, device=draws.device) - 1
        return torch.minimum(torch.stack(bins, dim=1), limits)

    @torch.no_grad()
    def denoise_rows(
        self, scores: Floats, bins: npt.NDArray[np.int64], label: npt.NDArray[np.int64], step: int
    ) -> DecodedRows:
        """Returns the distribution of the rows one step earlier.

        Scores as in DDPM (Ho and others, 2020, eq. 7) with clean scores clipped to ±4; the label stays as given.
        """
        labels, now = torch.from_numpy(label), torch.from_numpy(bins)
        x = torch.from_numpy(scores)
        noise, logits = self(x.float(), now, labels, torch.full((len(bins),), step))
        after, before = float(self.signal[step + 1]), float(self.signal[step])
        ratio = after / before
        clean = ((x - math.sqrt(1 - after) * noise) / math.sqrt(after)).clamp(-_MAX_SCORE, _MAX_SCORE)
        mean = (math.sqrt(before) * (1 - ratio) * clean + math.sqrt(ratio) * (1 - before) * x) / (1 - after)
        std = math.sqrt((1 - ratio) * (1 - before) / (1 - after))
        clean_bins, current_bins = (
            compute_probabilities(logits.double(), self.shape.bin_counts),
            encode_one_hot(now, self.shape.bin_counts),
        )
        probabilities = self._denoise_bins(clean_bins, current_bins, ratio, before)
        probabilities[:, : self.shape.n_labels] = F.one_hot(labels, self.shape.n_labels).double()
        return DecodedRows(mean.numpy(), probabilities.numpy(), std)

    def _denoise_bins(self, clean: Tensor, now: Tensor, ratio: float, before: float) -> Tensor:
        """Returns bin probabilities one step earlier, (rows, all bins), given clean probabilities and current bins."""
        odds = (ratio * now + (1 - ratio) * self.prior) * (before * clean + (1 - before) * self.prior)
        parts = odds.split(list(self.shape.bin_counts), dim=1)
        return torch.cat([part / part.sum(1, keepdim=True) for part in parts], dim=1)


class DenoisingTask:
    """Training task: squared error of the noise and cross-entropy of the clean bins."""

    def __init__(self, net: DenoisingNetwork, rows: EncodedRows, key: int) -> None:
        self.net: nn.Module = net
        self._network, self.key = net, key
        self.rows, self.validation = rows.split_validation(rng.derive_key(key, "valid"))

    def build_batches(self, number: int, progress: float) -> Sequence[Tensor]:
        return self.rows.shuffle_batches(rng.derive_key(self.key, "epoch", number))

    def compute_loss(self, net: nn.Module, batch: Tensor, step_rng: StepRng) -> tuple[Tensor, int]:
        """Returns (weighted mean loss at a random diffusion step of each row, rows)."""
        rows = self.rows.take(batch).to(next(net.parameters()).device)
        return weighted_mean(self._compute_row_losses(net, rows, step_rng.make_generator("noise")), rows.weight), len(
            batch
        )

    @torch.no_grad()
    def validate_network(self, net: nn.Module) -> float | None:
        """Returns the negative loss on the validation rows, eight times each, with the same noise every time."""
        if not len(self.validation):
            return None
        rows, generator = self.validation, torch.Generator().manual_seed(rng.derive_key(self.key, "look"))
        rows = rows.take(torch.arange(len(rows)).repeat(8)).to(next(net.parameters()).device)
        return -float(weighted_mean(self._compute_row_losses(net, rows, generator), rows.weight))

    def _compute_row_losses(self, net: nn.Module, rows: EncodedRows, generator: torch.Generator) -> Tensor:
        sizes, device = self._network.shape.bin_counts, rows.bins.device
        step = torch.randint(self._network.steps, (len(rows),), generator=generator)
        noise = torch.randn(rows.scores.shape, generator=generator)
        draws = torch.rand(2, *rows.bins.shape, generator=generator)
        step, noise, draws = step.to(device), noise.to(device), draws.to(device)
        signal = self._network.signal[step + 1].float()[:, None]
        scores = signal.sqrt() * rows.scores + (1 - signal).sqrt() * noise
        bins = torch.where(draws[0] < signal, rows.bins, self._network.sample_noise_bins(draws[1]))
        predicted, logits = net(scores, bins, rows.bins[:, 0], step)
        error = ((predicted - noise) ** 2).mean(1) if noise.shape[1] else noise.new_zeros(len(rows))
        return error + compute_cross_entropy(logits, rows.bins, sizes) / len(sizes)
