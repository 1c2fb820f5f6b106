"""Flow matching network that generates images from noise."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from leaven.nn.conv_blocks import WeightAverage, initialize_weights

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
