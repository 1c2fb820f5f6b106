"""Variational autoencoder for images."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from leaven.nn.conv_blocks import ConvDecoder, ConvEncoder, ConvStackConfig, initialize_weights

_MIN_VARIANCE = 1e-5  # of a pixel: below half a level of 255
LOSSES = ("as_written", "learned_variance")


class ImageVaeNetwork(nn.Module):
    """Encoder and decoder (Kingma and Welling, 2014), both conditioned on the class."""

    variance: Tensor

    def __init__(self, shape: ConvStackConfig, loss: str, generator: torch.Generator) -> None:
        super().__init__()
        self.shape, self.loss = shape, loss
        self.conv_encoder, self.decoder = ConvEncoder(shape), ConvDecoder(shape)
        self.classes = nn.Embedding(shape.n_classes + 1, self.conv_encoder.out_features) if shape.n_classes else None
        self.head = nn.Linear(self.conv_encoder.out_features, 2 * shape.latent_dim)
        initialize_weights(self, generator)
        nn.init.zeros_(self.head.weight)  # every posterior starts at the prior
        self.register_buffer("variance", torch.ones(()))  # of a pixel around its reconstruction, in the last batch

    @property
    def noise(self) -> int:
        """Width of the latent vector."""
        return self.shape.latent_dim

    def sample_loss_inputs(self, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Draws noise (n, noise)."""
        return (torch.randn(count, self.noise, generator=generator),)

    def draw(self, noise: Tensor, codes: Tensor) -> Tensor:
        """Decodes latent vectors drawn from the prior."""
        images: Tensor = self.decoder(noise, codes)
        return images

    def encode_images(self, images: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Returns mean and log-variance of the posterior, each (n, noise)."""
        features = self.conv_encoder(images)
        if self.classes is not None:
            features = features + self.classes(codes)
        mean, log_variance = self.head(features).chunk(2, dim=1)
        return mean, log_variance.clamp(-10, 10)

    def forward(self, real: Tensor, codes: Tensor, noise: Tensor) -> Tensor:
        """Returns the mean loss per image. real (n, 3, s, s), codes (n,), standard normal noise (n, noise)."""
        mean, log_variance = self.encode_images(real, codes)
        decoded = self.decoder(mean + noise * (log_variance / 2).exp(), codes)
        error = (decoded - real).square().flatten(1).sum(dim=1)
        if (
            self.loss == "learned_variance"
        ):  # optimal for the batch, in closed form (Rybkin and others, 2021, equation 6)
            variance = (error.mean() / real[0].numel()).clamp(min=_MIN_VARIANCE)
            self.variance.copy_(variance.detach())
            error = real[0].numel() / 2 * (2 * math.pi * math.e * variance).log()
        kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1)  # to the standard normal
        return (error + kl).mean()
