"""How does a net press rows into a small space and find them again?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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
    """Encoder (row, label) -> law of a point; decoder (point, label) -> row; one spread for each number column."""

    def __init__(self, shape: RowShape, latent: int, key: int) -> None:
        super().__init__()
        self.shape, self.latent = shape, latent
        inner = [shape.width] * shape.layers
        with torch.random.fork_rng(devices=[]):
            self.encoder = layers(shape.wide, *inner, 2 * latent)
            self.decoder = layers(latent + shape.labels, *inner, shape.wide)
        self.spread = nn.Parameter(torch.zeros(shape.numbers))  # logarithms of standard deviations
        draw_weights(self, key)

    def forward(self, row: Tensor) -> tuple[Tensor, Tensor]:
        """(mean, logarithm of the variance) (rows, latent) of each row's point."""
        mean, spread = self.encoder(row).chunk(2, dim=1)
        return mean, spread.clamp(-8, 8)

    def said(self, point: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
        """(scores, logits) that the decoder says; given float (rows, labels): 1 at each one's label."""
        out = self.decoder(torch.cat([point, given], dim=1))
        return out[:, : self.shape.numbers], out[:, self.shape.numbers :]

    @torch.no_grad()
    def decoded(self, points: Floats, label: npt.NDArray[np.int64]) -> tuple[Floats, Floats, Floats]:
        """(scores, chances of bins, standard deviation of each number column); the label is the one that was given."""
        given = F.one_hot(torch.from_numpy(label), self.shape.labels).float()
        scores, logits = self.said(torch.from_numpy(points).float(), given)
        odds = chances(logits, self.shape.sizes)
        odds[:, : self.shape.labels] = given
        return scores.double().numpy(), odds.double().numpy(), self.spread.exp().double().numpy()


class VaeTask:
    """Squared error and KL as textbooks write them, or with a learned variance and cross-entropy."""

    def __init__(self, net: VaeNet, rows: Coded, learned_variance: bool, kl: float, key: int) -> None:
        self.net: nn.Module = net
        self._net, self.learned_variance, self.kl, self.key = net, learned_variance, kl, key
        self.rows, self.valid = rows.parted(rng.key(key, "valid"))

    def epoch(self, number: int, progress: float) -> Sequence[Tensor]:
        return self.rows.batches(rng.key(self.key, "epoch", number))

    def loss(self, net: nn.Module, batch: Tensor, chance: Chance) -> tuple[Tensor, int]:
        """Mean over the rows of how badly each is found again, and of how far its point's law lies from the prior."""
        rows = self.rows.take(batch).to(next(net.parameters()).device)
        return weighed(self._each(net, rows, chance.generator("point")), rows.weight), len(batch)

    @torch.no_grad()
    def look(self, net: Any) -> float | None:
        if not len(self.valid):
            return None
        rows = self.valid.to(next(net.parameters()).device)
        generator = torch.Generator().manual_seed(rng.key(self.key, "look"))
        return -float(weighed(self._each(net, rows, generator), rows.weight))

    def _each(self, net: nn.Module, rows: Coded, generator: torch.Generator) -> Tensor:
        """(rows,): the loss of each row."""
        coded = hot(rows.bins, self._net.shape.sizes)
        noise = torch.randn((len(coded), self._net.latent), generator=generator).to(coded.device)
        return losses(net, self._net, rows.scores, coded, noise, self.learned_variance, self.kl)


def losses(
    net: nn.Module, inner: VaeNet, scores: Tensor, coded: Tensor, noise: Tensor, learned_variance: bool, kl: float
) -> Tensor:
    """(rows,): the loss of each row. net: `inner`, or what wraps it; coded: bins as `hot` gives them."""
    shape = inner.shape
    mean, spread = net(torch.cat([scores, coded], dim=1))
    made, logits = inner.said(mean + (0.5 * spread).exp() * noise, coded[:, : shape.labels])
    apart = -0.5 * (1 + spread - mean**2 - spread.exp()).sum(1)
    if not learned_variance:
        error = ((made - scores) ** 2).sum(1)
        return error + ((chances(logits, shape.sizes) - coded) ** 2).sum(1) + kl * apart
    wide = inner.spread.clamp(-4, 4)
    error = (0.5 * ((made - scores) / wide.exp()) ** 2 + wide).sum(1)
    return error + surprise_of(logits, coded, shape.sizes) + kl * apart


class RowsOfOne(nn.Module):
    """Mean loss of one user's rows."""

    def __init__(self, net: VaeNet, learned_variance: bool, kl: float) -> None:
        super().__init__()
        self.net, self.learned_variance, self.kl = net, learned_variance, kl

    def forward(self, scores: Tensor, coded: Tensor, there: Tensor, noise: Tensor) -> Tensor:
        """scores, coded (rows, wide); there float (rows,): 0 for a place without a row; noise (rows, latent)."""
        each = losses(self.net, self.net, scores, coded, noise, self.learned_variance, self.kl)
        return weighed(each, there)
