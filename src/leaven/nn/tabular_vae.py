"""Variational autoencoder for tabular rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leaven import rng
from leaven.nn.tabular_codec import Coded, RowShape, chances, draw_weights, hot, layers, surprise_of, weighed
from leaven.nn.training import Chance

Floats = npt.NDArray[np.float64]


class VaeNet(nn.Module):
    """Encoder (row, label) -> posterior; decoder (latent point, label) -> row; one scale per numeric column."""

    def __init__(self, shape: RowShape, latent: int, key: int) -> None:
        super().__init__()
        self.shape, self.latent = shape, latent
        inner = [shape.width] * shape.layers
        with torch.random.fork_rng(devices=[]):
            self.encoder = layers(shape.wide, *inner, 2 * latent)
            self.decoder = layers(latent + shape.labels, *inner, shape.wide)
        self.spread = nn.Parameter(torch.zeros(shape.numbers))  # log standard deviations
        draw_weights(self, key)

    def forward(self, row: Tensor) -> tuple[Tensor, Tensor]:
        """Returns mean and log-variance of the posterior, each (rows, latent)."""
        mean, log_variance = self.encoder(row).chunk(2, dim=1)
        return mean, log_variance.clamp(-8, 8)

    def said(self, point: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
        """Returns decoded (scores, bin logits); label_one_hot float (rows, n_labels)."""
        out = self.decoder(torch.cat([point, given], dim=1))
        return out[:, : self.shape.numbers], out[:, self.shape.numbers :]

    @torch.no_grad()
    def decoded(self, points: Floats, label: npt.NDArray[np.int64]) -> tuple[Floats, Floats, Floats]:
        """Returns (scores, bin probabilities, standard deviation of each numeric column); the label stays as given."""
        label_one_hot = F.one_hot(torch.from_numpy(label), self.shape.labels).float()
        scores, logits = self.said(torch.from_numpy(points).float(), label_one_hot)
        probabilities = chances(logits, self.shape.sizes)
        probabilities[:, : self.shape.labels] = label_one_hot
        return scores.double().numpy(), probabilities.double().numpy(), self.spread.exp().double().numpy()


class VaeTask:
    """Training task: squared error plus KL, or Gaussian likelihood with learned variance plus cross-entropy and KL."""

    def __init__(self, net: VaeNet, rows: Coded, learned_variance: bool, kl: float, key: int) -> None:
        self.net: nn.Module = net
        self._network, self.learned_variance, self.kl, self.key = net, learned_variance, kl, key
        self.rows, self.valid = rows.parted(rng.key(key, "valid"))

    def epoch(self, number: int, progress: float) -> Sequence[Tensor]:
        return self.rows.batches(rng.key(self.key, "epoch", number))

    def loss(self, net: nn.Module, batch: Tensor, chance: Chance) -> tuple[Tensor, int]:
        """Returns (weighted mean of reconstruction loss and KL divergence, rows)."""
        rows = self.rows.take(batch).to(next(net.parameters()).device)
        return weighed(self._compute_row_losses(net, rows, chance.generator("point")), rows.weight), len(batch)

    @torch.no_grad()
    def look(self, net: nn.Module) -> float | None:
        if not len(self.valid):
            return None
        rows = self.valid.to(next(net.parameters()).device)
        generator = torch.Generator().manual_seed(rng.key(self.key, "look"))
        return -float(weighed(self._compute_row_losses(net, rows, generator), rows.weight))

    def _compute_row_losses(self, net: nn.Module, rows: Coded, generator: torch.Generator) -> Tensor:
        """Returns the loss of each row, (rows,)."""
        one_hot = hot(rows.bins, self._network.shape.sizes)
        noise = torch.randn((len(one_hot), self._network.latent), generator=generator).to(one_hot.device)
        return losses(net, self._network, rows.scores, one_hot, noise, self.learned_variance, self.kl)


def losses(
    net: nn.Module, inner: VaeNet, scores: Tensor, coded: Tensor, noise: Tensor, learned_variance: bool, kl: float
) -> Tensor:
    """Returns the loss of each row, (rows,). net: `vae` or its wrapper; one_hot: one-hot bins."""
    shape = inner.shape
    mean, log_variance = net(torch.cat([scores, coded], dim=1))
    decoded, logits = inner.said(mean + (0.5 * log_variance).exp() * noise, coded[:, : shape.labels])
    divergence = -0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum(1)
    if not learned_variance:
        error = ((decoded - scores) ** 2).sum(1)
        return error + ((chances(logits, shape.sizes) - coded) ** 2).sum(1) + kl * divergence
    log_scale = inner.spread.clamp(-4, 4)
    error = (0.5 * ((decoded - scores) / log_scale.exp()) ** 2 + log_scale).sum(1)
    return error + surprise_of(logits, coded, shape.sizes) + kl * divergence


class RowsOfOne(nn.Module):
    """Mean loss of one user's rows, as the example of DP-SGD."""

    def __init__(self, net: VaeNet, learned_variance: bool, kl: float) -> None:
        super().__init__()
        self.net, self.learned_variance, self.kl = net, learned_variance, kl

    def forward(self, scores: Tensor, coded: Tensor, there: Tensor, noise: Tensor) -> Tensor:
        """Returns the mean loss. row_mask float (rows,): 0 for padding; noise (rows, latent)."""
        row_losses = losses(self.net, self.net, scores, coded, noise, self.learned_variance, self.kl)
        return weighed(row_losses, there)
