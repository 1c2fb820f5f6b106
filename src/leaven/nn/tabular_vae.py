"""Variational autoencoder for tabular rows."""

from __future__ import annotations

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
    compute_one_hot_cross_entropy,
    compute_probabilities,
    draw_weights,
    encode_one_hot,
    weighted_mean,
)
from leaven.nn.training import StepRng


class TabularVaeNetwork(nn.Module):
    """Encoder (row, label) -> posterior; decoder (latent point, label) -> row; one scale per numeric column."""

    def __init__(self, shape: TabularShape, latent: int, key: int) -> None:
        super().__init__()
        self.shape, self.latent = shape, latent
        inner = [shape.width] * shape.layers
        with torch.random.fork_rng(devices=[]):
            self.encoder = build_mlp(shape.row_width, *inner, 2 * latent)
            self.decoder = build_mlp(latent + shape.n_labels, *inner, shape.row_width)
        self.log_scale = nn.Parameter(torch.zeros(shape.n_numeric))  # log standard deviations
        draw_weights(self, key)

    def forward(self, row: Tensor) -> tuple[Tensor, Tensor]:
        """Returns mean and log-variance of the posterior, each (rows, latent)."""
        mean, log_variance = self.encoder(row).chunk(2, dim=1)
        return mean, log_variance.clamp(-8, 8)

    def decode_points(self, point: Tensor, label_one_hot: Tensor) -> tuple[Tensor, Tensor]:
        """Returns decoded (scores, bin logits); label_one_hot float (rows, n_labels)."""
        out = self.decoder(torch.cat([point, label_one_hot], dim=1))
        return out[:, : self.shape.n_numeric], out[:, self.shape.n_numeric :]

    @torch.no_grad()
    def decode_arrays(self, points: Floats, label: npt.NDArray[np.int64]) -> DecodedRows:
        """Returns the distribution of rows at these points; the label stays as given."""
        label_one_hot = F.one_hot(torch.from_numpy(label), self.shape.n_labels).float()
        scores, logits = self.decode_points(torch.from_numpy(points).float(), label_one_hot)
        probabilities = compute_probabilities(logits, self.shape.bin_counts)
        probabilities[:, : self.shape.n_labels] = label_one_hot
        deviations = self.log_scale.exp().double().numpy()
        return DecodedRows(scores.double().numpy(), probabilities.double().numpy(), deviations)


class TabularVaeTask:
    """Training task: squared error plus KL, or Gaussian likelihood with learned variance plus cross-entropy and KL."""

    def __init__(
        self, net: TabularVaeNetwork, rows: EncodedRows, learned_variance: bool, kl_weight: float, key: int
    ) -> None:
        self.net: nn.Module = net
        self._network, self.learned_variance, self.kl_weight, self.key = net, learned_variance, kl_weight, key
        self.rows, self.validation = rows.split_validation(rng.derive_key(key, "valid"))

    def build_batches(self, number: int, progress: float) -> Sequence[Tensor]:
        return self.rows.shuffle_batches(rng.derive_key(self.key, "epoch", number))

    def compute_loss(self, net: nn.Module, batch: Tensor, step_rng: StepRng) -> tuple[Tensor, int]:
        """Returns (weighted mean of reconstruction loss and KL divergence, rows)."""
        rows = self.rows.take(batch).to(next(net.parameters()).device)
        return weighted_mean(self._compute_row_losses(net, rows, step_rng.make_generator("point")), rows.weight), len(
            batch
        )

    @torch.no_grad()
    def validate_network(self, net: nn.Module) -> float | None:
        if not len(self.validation):
            return None
        rows = self.validation.to(next(net.parameters()).device)
        generator = torch.Generator().manual_seed(rng.derive_key(self.key, "look"))
        return -float(weighted_mean(self._compute_row_losses(net, rows, generator), rows.weight))

    def _compute_row_losses(self, net: nn.Module, rows: EncodedRows, generator: torch.Generator) -> Tensor:
        one_hot = encode_one_hot(rows.bins, self._network.shape.bin_counts)
        noise = torch.randn((len(one_hot), self._network.latent), generator=generator).to(one_hot.device)
        return compute_row_losses(
            net, self._network, rows.scores, one_hot, noise, self.learned_variance, self.kl_weight
        )


def compute_row_losses(
    net: nn.Module,
    vae: TabularVaeNetwork,
    scores: Tensor,
    one_hot: Tensor,
    noise: Tensor,
    learned_variance: bool,
    kl_weight: float,
) -> Tensor:
    """Returns the loss of each row, (rows,). net: `vae` or its wrapper; one_hot: one-hot bins."""
    shape = vae.shape
    mean, log_variance = net(torch.cat([scores, one_hot], dim=1))
    decoded, logits = vae.decode_points(mean + (0.5 * log_variance).exp() * noise, one_hot[:, : shape.n_labels])
    divergence = -0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum(1)
    if not learned_variance:
        error = ((decoded - scores) ** 2).sum(1)
        return (
            error + ((compute_probabilities(logits, shape.bin_counts) - one_hot) ** 2).sum(1) + kl_weight * divergence
        )
    log_scale = vae.log_scale.clamp(-4, 4)
    error = (0.5 * ((decoded - scores) / log_scale.exp()) ** 2 + log_scale).sum(1)
    return error + compute_one_hot_cross_entropy(logits, one_hot, shape.bin_counts) + kl_weight * divergence


class UserRowsLoss(nn.Module):
    """Mean loss of one user's rows, as the example of DP-SGD."""

    def __init__(self, net: TabularVaeNetwork, learned_variance: bool, kl_weight: float) -> None:
        super().__init__()
        self.net, self.learned_variance, self.kl_weight = net, learned_variance, kl_weight

    def forward(self, scores: Tensor, one_hot: Tensor, row_mask: Tensor, noise: Tensor) -> Tensor:
        """Returns the mean loss. row_mask float (rows,): 0 for padding; noise (rows, latent)."""
        row_losses = compute_row_losses(
            self.net, self.net, scores, one_hot, noise, self.learned_variance, self.kl_weight
        )
        return weighted_mean(row_losses, row_mask)
