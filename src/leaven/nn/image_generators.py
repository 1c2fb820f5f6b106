"""Networks that generate images: adversarial, variational, and by flow matching."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call  # type: ignore[attr-defined]
from torch.nn.functional import softplus

from leaven.nn.conv_blocks import ConvDecoder, ConvEncoder, ConvStackConfig, WeightAverage, initialize_weights


@dataclass(frozen=True)
class ImageGanConfig:
    """loss: as_written, non_saturating, relativistic; penalty: γ of R1 and R2 of the last; augment: augment real
    and synthetic images.
    """

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
            real_input, fake_input = real.detach().requires_grad_(True), fake.detach().requires_grad_(True)
            on_real, on_fake = self.critic(real_input, codes), self.critic(fake_input, codes)
            with torch.no_grad():
                target = functional_call(self.critic, frozen, (real, codes))
            slopes = torch.autograd.grad(on_real.sum() + on_fake.sum(), [real_input, fake_input], create_graph=True)
            penalty = sum(slope.square().sum(dim=(1, 2, 3)).mean() for slope in slopes)
            critic_loss = softplus(on_fake - on_real).mean() + self.shape.penalty / 2 * penalty
            return critic_loss + softplus(target - fake_logits).mean()
        on_real, on_fake = self.critic(real, codes), self.critic(fake.detach(), codes)
        critic_loss = softplus(-on_real).mean() + softplus(on_fake).mean()  # -log D(x) - log(1 - D(G(z)))
        if self.shape.loss == "as_written":
            return critic_loss - softplus(fake_logits).mean()  # log(1 - D(G(z)))
        return critic_loss + softplus(-fake_logits).mean()  # -log D(G(z))


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


_MIN_VARIANCE = 1e-5  # of a pixel: below half a level of 255


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


_GROUPS = 8
_TIME_FREQUENCIES = 64  # of the sinusoidal time embedding
_CLASS_DROPOUT = 0.1  # share of images trained without their class, for classifier-free guidance
_DEPTH = 2  # downsampling levels


@dataclass(frozen=True)
class FlowConfig:
    """Sizes and sampling settings.

    side       pixels of the square images
    width      channels at full size
    n_classes  class codes run from 0 (unknown) to n_classes
    n_steps    integration steps from noise to image
    guidance   scale of classifier-free guidance; 1: off
    ema_decay  of the averaged weights that generate images
    """

    side: int
    width: int
    n_classes: int
    n_steps: int
    guidance: float
    ema_decay: float = 0.999


class ResidualBlock(nn.Module):
    """Two convolutions conditioned on time and class, with a residual connection."""

    def __init__(self, before: int, width: int, condition_width: int) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.GroupNorm(_GROUPS, before), nn.SiLU(), nn.Conv2d(before, width, 3, padding=1))
        self.condition_layer = nn.Linear(condition_width, width)
        self.second = nn.Sequential(nn.GroupNorm(_GROUPS, width), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1))
        self.shortcut = nn.Conv2d(before, width, 1) if before != width else nn.Identity()

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Returns (n, width, h, w) from x (n, before, h, w) and condition (n, condition width)."""
        inner = self.first(x) + self.condition_layer(condition)[:, :, None, None]
        return self.shortcut(x) + self.second(inner)


class VelocityNetwork(nn.Module):
    """Small U-Net (Ronneberger and others, 2015) that predicts the velocity of each pixel at a time."""

    def __init__(self, shape: FlowConfig) -> None:
        super().__init__()
        widths = [shape.width * 2**level for level in range(_DEPTH + 1)]
        condition = 4 * shape.width
        self.time_layers = nn.Sequential(
            nn.Linear(2 * _TIME_FREQUENCIES, condition), nn.SiLU(), nn.Linear(condition, condition)
        )
        self.classes = nn.Embedding(shape.n_classes + 1, condition)
        self.enter = nn.Conv2d(3, widths[0], 3, padding=1)
        self.down = nn.ModuleList(
            ResidualBlock(widths[max(n - 1, 0)], width, condition) for n, width in enumerate(widths)
        )
        self.up = nn.ModuleList(
            ResidualBlock(widths[n + 1] + widths[n], widths[n], condition) for n in reversed(range(_DEPTH))
        )
        self.leave = nn.Sequential(nn.GroupNorm(_GROUPS, widths[0]), nn.SiLU(), nn.Conv2d(widths[0], 3, 3, padding=1))

    def forward(self, x: Tensor, time: Tensor, codes: Tensor) -> Tensor:
        """Returns velocities in the shape of x, (n, 3, side, side); time (n,) in 0 … 1; codes (n,)."""
        waves = time[:, None] * 2 ** torch.linspace(0, 8, _TIME_FREQUENCIES, device=x.device)  # (n, _TIME_FREQUENCIES)
        condition = self.time_layers(torch.cat([waves.sin(), waves.cos()], dim=1)) + self.classes(codes)
        x, skips = self.enter(x), list[Tensor]()
        for level, block in enumerate(self.down):
            x = block(x if not level else nn.functional.avg_pool2d(x, 2), condition)
            skips.append(x)
        for block, skip in zip(self.up, reversed(skips[:-1]), strict=True):
            x = block(torch.cat([nn.functional.interpolate(x, scale_factor=2.0), skip], dim=1), condition)
        velocity: Tensor = self.leave(x)
        return velocity


class FlowMatchingNetwork(nn.Module):
    """Flow matching along straight lines from noise to images (Lipman and others, ICLR 2023, equation 23 with no
    noise at the end; Liu and others, rectified flow, ICLR 2023, equation 1)."""

    def __init__(self, shape: FlowConfig, generator: torch.Generator) -> None:
        super().__init__()
        self.shape, self.velocity_network = shape, VelocityNetwork(shape)
        initialize_weights(self.velocity_network, generator)
        last = self.velocity_network.leave[-1]
        assert isinstance(last, nn.Conv2d)
        nn.init.zeros_(last.weight)  # the initial velocity is 0
        self.weight_average = WeightAverage(self.velocity_network, shape.ema_decay)

    @property
    def noise(self) -> int:
        """Number of standard normal values per image."""
        return 3 * self.shape.side**2

    def sample_loss_inputs(self, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Draws noise (n, noise), times (n,) stratified over the batch, and uniforms (n,) for class dropout."""
        noise = torch.randn(count, self.noise, generator=generator)
        times = (torch.arange(count) + torch.rand(count, generator=generator)) / count
        return noise, times[torch.randperm(count, generator=generator)], torch.rand(count, generator=generator)

    def forward(self, real: Tensor, codes: Tensor, noise: Tensor, time: Tensor, class_draws: Tensor) -> Tensor:
        """Returns the mean squared error of the velocity at points between noise and real images (n, 3, s, s)."""
        if self.training:
            self.weight_average.update_average(self.velocity_network)
        origin, kept_codes = noise.view_as(real), codes * (class_draws >= _CLASS_DROPOUT)
        share = time[:, None, None, None]
        velocity = self.velocity_network(origin + share * (real - origin), time, kept_codes)
        return (velocity - (real - origin)).square().mean()

    def draw(self, noise: Tensor, codes: Tensor) -> Tensor:
        """Generates images with the averaged weights, integrating by the midpoint rule."""
        x = noise.view(len(noise), 3, self.shape.side, self.shape.side)
        length = 1 / self.shape.n_steps
        for move in range(self.shape.n_steps):
            half = x + length / 2 * self._compute_velocity(x, move * length, codes)
            x = x + length * self._compute_velocity(half, (move + 0.5) * length, codes)
        return x.clamp(-1, 1)

    def _compute_velocity(self, x: Tensor, moment: float, codes: Tensor) -> Tensor:
        """Returns the velocity with classifier-free guidance (Ho and Salimans, 2022, equation 6)."""
        time = torch.full((len(x),), moment, device=x.device)
        conditional: Tensor = self.weight_average.net(x, time, codes)
        if self.shape.guidance == 1:
            return conditional
        unconditional: Tensor = self.weight_average.net(x, time, torch.zeros_like(codes))
        return unconditional + self.shape.guidance * (conditional - unconditional)
