"""How is a picture put into a few numbers and drawn from them again, so that other numbers draw other pictures?"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from leaven.nn.conv_blocks import Down, StackShape, Up, start

_LEAST = 1e-5  # variance: below half a level of 255
LOSSES = ("as_written", "learned_variance")


class Vae(nn.Module):
    """Encoder and decoder (Kingma and Welling, 2014), both told the class."""

    variance: Tensor

    def __init__(self, shape: StackShape, loss: str, generator: torch.Generator) -> None:
        super().__init__()
        self.shape, self.loss = shape, loss
        self.down, self.maker = Down(shape), Up(shape)
        self.classes = nn.Embedding(shape.classes + 1, self.down.out) if shape.classes else None
        self.head = nn.Linear(self.down.out, 2 * shape.noise)
        start(self, generator)
        nn.init.zeros_(self.head.weight)  # every picture begins at the prior
        self.register_buffer("variance", torch.ones(()))  # of a pixel about what is drawn, in the last batch

    @property
    def noise(self) -> int:
        """Numbers of a picture."""
        return self.shape.noise

    def lots(self, count: int, chance: torch.Generator) -> tuple[Tensor, ...]:
        """Noise (n, noise)."""
        return (torch.randn(count, self.noise, generator=chance),)

    def draw(self, noise: Tensor, codes: Tensor) -> Tensor:
        """By the decoder, from the prior."""
        made: Tensor = self.maker(noise, codes)
        return made

    def encoded(self, pictures: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        """(n, noise) twice: mean, and logarithm of the variance."""
        features = self.down(pictures)
        if self.classes is not None:
            features = features + self.classes(codes)
        mean, spread = self.head(features).chunk(2, dim=1)
        return mean, spread.clamp(-10, 10)

    def forward(self, real: Tensor, codes: Tensor, noise: Tensor) -> Tensor:
        """Mean loss a picture. real (n, 3, s, s), codes (n,), noise (n, noise) of the standard normal law."""
        mean, spread = self.encoded(real, codes)
        made = self.maker(mean + noise * (spread / 2).exp(), codes)
        apart = (made - real).square().flatten(1).sum(dim=1)
        if self.loss == "learned_variance":  # the best one for the batch, put in (Rybkin and others, 2021, equation 6)
            variance = (apart.mean() / real[0].numel()).clamp(min=_LEAST)
            self.variance.copy_(variance.detach())
            apart = real[0].numel() / 2 * (2 * math.pi * math.e * variance).log()
        beside = 0.5 * (mean.square() + spread.exp() - 1 - spread).sum(dim=1)  # KL to the standard normal law
        return (apart + beside).mean()
