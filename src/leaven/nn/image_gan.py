"""Generative adversarial network for images, with the original and two stabilized losses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call  # type: ignore[attr-defined]
from torch.nn.functional import softplus

from leaven.nn.conv_blocks import ConvDecoder, ConvEncoder, ConvStackConfig, WeightAverage, initialize_weights

LOSSES = ("as_written", "non_saturating", "relativistic")


@dataclass(frozen=True)
class ImageGanConfig:
    """loss: one of LOSSES; penalty: γ of R1 and R2 for `relativistic`; augment: augment real and synthetic images."""

    conv_stack: ConvStackConfig
    loss: str
    penalty: float
    augment: bool
    ema_decay: float = 0.999


class ImageCritic(nn.Module):
    """Critic: logits (n,) that images of these classes are real (projection of Miyato and Koyama, 2018)."""

    def __init__(self, shape: ConvStackConfig) -> None:
        super().__init__()
        self.down = ConvEncoder(shape)
        self.head = nn.Linear(self.down.out_features, 1)
        self.classes = nn.Embedding(shape.n_classes + 1, self.down.out_features) if shape.n_classes else None

    def forward(self, pictures: Tensor, codes: Tensor) -> Tensor:
        """Returns logits, float (n,)."""
        features = self.down(pictures)
        logits = self.head(features)[:, 0]
        if self.classes is not None:
            logits = logits + (self.classes(codes) * features).mean(dim=1)
        return logits


class ImageGanNetwork(nn.Module):
    """Generator, critic, and the averaged generator that draws samples.

    One step trains both: the critic on detached synthetic images, the generator through a critic with detached weights.
    """

    def __init__(self, shape: ImageGanConfig, generator: torch.Generator) -> None:
        super().__init__()
        self.shape = shape
        self.decoder, self.critic = ConvDecoder(shape.conv_stack), ImageCritic(shape.conv_stack)
        initialize_weights(self.decoder, generator)
        initialize_weights(self.critic, generator)
        self.weight_average = WeightAverage(self.decoder, shape.ema_decay)

    @property
    def noise(self) -> int:
        """Width of the latent vector."""
        return self.shape.conv_stack.latent_dim

    def sample_loss_inputs(self, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Draws noise (n, noise) and uniforms (2, n, 8) for the augmentation of real and synthetic images."""
        noise = torch.randn(count, self.noise, generator=generator)
        return noise, torch.rand(2, count, 8, generator=generator)

    def draw(self, noise: Tensor, codes: Tensor) -> Tensor:
        """Generates images with the averaged generator."""
        images: Tensor = self.weight_average.net(noise, codes)
        return images

    def forward(self, real: Tensor, codes: Tensor, noise: Tensor, augmentation_draws: Tensor) -> Tensor:
        """Returns the sum of both losses. real (n, 3, s, s), codes (n,), noise (n, noise), uniforms (2, n, 8)."""
        if self.training:
            self.weight_average.update_average(self.decoder)
        fake = self.decoder(noise, codes)
        if self.shape.augment:
            real, fake = augment_images(real, augmentation_draws[0]), augment_images(fake, augmentation_draws[1])
        frozen = {name: weight.detach() for name, weight in self.critic.named_parameters()}
        fake_logits = functional_call(self.critic, frozen, (fake, codes))
        if self.shape.loss == "relativistic":
            return self._compute_relativistic_loss(real, fake, fake_logits, codes, frozen)
        on_real, on_fake = self.critic(real, codes), self.critic(fake.detach(), codes)
        critic_loss = softplus(-on_real).mean() + softplus(on_fake).mean()  # -log D(x) - log(1 - D(G(z)))
        if self.shape.loss == "as_written":
            return critic_loss - softplus(fake_logits).mean()  # log(1 - D(G(z)))
        return critic_loss + softplus(-fake_logits).mean()  # -log D(G(z))

    def _compute_relativistic_loss(
        self, real: Tensor, fake: Tensor, fake_logits: Tensor, codes: Tensor, frozen: Any
    ) -> Tensor:
        """Returns the relativistic loss with R1 and R2 penalties (Huang and others, R3GAN, NeurIPS 2024)."""
        real_input, fake_input = real.detach().requires_grad_(True), fake.detach().requires_grad_(True)
        on_real, on_fake = self.critic(real_input, codes), self.critic(fake_input, codes)
        with torch.no_grad():
            target = functional_call(self.critic, frozen, (real, codes))
        slopes = torch.autograd.grad(on_real.sum() + on_fake.sum(), [real_input, fake_input], create_graph=True)
        penalty = sum(slope.square().sum(dim=(1, 2, 3)).mean() for slope in slopes)
        critic_loss = softplus(on_fake - on_real).mean() + self.shape.penalty / 2 * penalty
        return critic_loss + softplus(target - fake_logits).mean()


def augment_images(images: Tensor, draws: Tensor) -> Tensor:
    """Changes colors, shifts and cuts out (DiffAugment, Zhao and others, 2020). draws: uniforms (n, 8)."""
    side = images.shape[2]
    share = draws[:, :, None, None, None]  # (n, 8, 1, 1, 1)
    images = images + (share[:, 0] - 0.5)
    gray = images.mean(dim=1, keepdim=True)
    images = gray + (images - gray) * (2 * share[:, 1])
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    images = mean + (images - mean) * (0.5 + share[:, 2])
    max_shift = max(side // 8, 1)
    shifts = (draws[:, 3:5] * (2 * max_shift + 1)).long() - max_shift
    steps = torch.arange(side, device=images.device)
    padded = nn.functional.pad(images, (1, 1, 1, 1))  # the border is filled with gray
    rows = (steps + shifts[:, :1] + 1).clamp(0, side + 1)[:, :, None]  # (n, side, 1)
    columns = (steps + shifts[:, 1:] + 1).clamp(0, side + 1)[:, None, :]
    image = torch.arange(len(images), device=images.device)[:, None, None]
    images = padded.permute(0, 2, 3, 1)[image, rows, columns].permute(0, 3, 1, 2)
    cutout = side // 2
    begin = (draws[:, 5:7] * (side + 1)).long() - cutout // 2
    inside = (steps >= begin[:, :, None]) & (steps < begin[:, :, None] + cutout)  # (n, 2, side)
    return images * ~(inside[:, 0, :, None] & inside[:, 1, None, :])[:, None]
