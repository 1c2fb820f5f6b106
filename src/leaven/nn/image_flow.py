"""How does noise flow into a picture: which way is each pixel to go, at each moment?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from leaven.nn.conv_blocks import Remembered, start

_GROUPS = 8
_TIMES = 64  # waves that tell the moment
_UNTOLD = 0.1  # share of the pictures whose class is not told, so that the net also knows the way without one
_DEPTH = 2  # halvings of the sides


@dataclass(frozen=True)
class FlowShape:
    """side: of the square pictures; width: channels at full size; classes: codes 0 … classes, of which 0 says nothing.

    moves: steps from noise to picture; guidance: how much further a class is followed than without one, 1: as it is
    """

    side: int
    width: int
    classes: int
    moves: int
    guidance: float
    memory: float = 0.999


class Block(nn.Module):
    """Two convolutions told what is asked for, with a way around them."""

    def __init__(self, before: int, width: int, told: int) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.GroupNorm(_GROUPS, before), nn.SiLU(), nn.Conv2d(before, width, 3, padding=1))
        self.told = nn.Linear(told, width)
        self.second = nn.Sequential(nn.GroupNorm(_GROUPS, width), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1))
        self.around = nn.Conv2d(before, width, 1) if before != width else nn.Identity()

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        """(n, width, h, w) of x (n, before, h, w) and told (n, told)."""
        inner = self.first(x) + self.told(told)[:, :, None, None]
        return self.around(x) + self.second(inner)


class Way(nn.Module):
    """A small U-Net (Ronneberger and others, 2015): which way each pixel of x goes at a moment."""

    def __init__(self, shape: FlowShape) -> None:
        super().__init__()
        widths = [shape.width * 2**level for level in range(_DEPTH + 1)]
        told = 4 * shape.width
        self.moment = nn.Sequential(nn.Linear(2 * _TIMES, told), nn.SiLU(), nn.Linear(told, told))
        self.classes = nn.Embedding(shape.classes + 1, told)
        self.enter = nn.Conv2d(3, widths[0], 3, padding=1)
        self.down = nn.ModuleList(Block(widths[max(n - 1, 0)], width, told) for n, width in enumerate(widths))
        self.up = nn.ModuleList(Block(widths[n + 1] + widths[n], widths[n], told) for n in reversed(range(_DEPTH)))
        self.leave = nn.Sequential(nn.GroupNorm(_GROUPS, widths[0]), nn.SiLU(), nn.Conv2d(widths[0], 3, 3, padding=1))

    def forward(self, x: Tensor, moment: Tensor, codes: Tensor) -> Tensor:
        """As x, (n, 3, side, side); moment (n,) in 0 … 1; codes (n,)."""
        waves = moment[:, None] * 2 ** torch.linspace(0, 8, _TIMES, device=x.device)  # (n, _TIMES)
        told = self.moment(torch.cat([waves.sin(), waves.cos()], dim=1)) + self.classes(codes)
        x, seen = self.enter(x), list[Tensor]()
        for level, block in enumerate(self.down):
            x = block(x if not level else nn.functional.avg_pool2d(x, 2), told)
            seen.append(x)
        for block, beside in zip(self.up, reversed(seen[:-1]), strict=True):
            x = block(torch.cat([nn.functional.interpolate(x, scale_factor=2.0), beside], dim=1), told)
        made: Tensor = self.leave(x)
        return made


class Flow(nn.Module):
    """Flow matching along straight lines from noise to pictures (Lipman and others, ICLR 2023, equation 23 with no
    noise at the end; Liu and others, rectified flow, ICLR 2023, equation 1)."""

    def __init__(self, shape: FlowShape, generator: torch.Generator) -> None:
        super().__init__()
        self.shape, self.way = shape, Way(shape)
        start(self.way, generator)
        last = self.way.leave[-1]
        assert isinstance(last, nn.Conv2d)
        nn.init.zeros_(last.weight)  # nothing moves at first
        self.mean = Remembered(self.way, shape.memory)

    @property
    def noise(self) -> int:
        """Numbers of a picture."""
        return 3 * self.shape.side**2

    def lots(self, count: int, chance: torch.Generator) -> tuple[Tensor, ...]:
        """Noise (n, noise); a moment each, spread evenly over the batch; and a lot (n,) whether the class is told."""
        noise = torch.randn(count, self.noise, generator=chance)
        moments = (torch.arange(count) + torch.rand(count, generator=chance)) / count
        return noise, moments[torch.randperm(count, generator=chance)], torch.rand(count, generator=chance)

    def forward(self, real: Tensor, codes: Tensor, noise: Tensor, moment: Tensor, lots: Tensor) -> Tensor:
        """Mean squared error of the way, in between noise and picture. real (n, 3, s, s)."""
        if self.training:
            self.mean.follow(self.way)
        begin, told = noise.view_as(real), codes * (lots >= _UNTOLD)
        share = moment[:, None, None, None]
        found = self.way(begin + share * (real - begin), moment, told)
        return (found - (real - begin)).square().mean()

    def draw(self, noise: Tensor, codes: Tensor) -> Tensor:
        """Steps along the way of the running mean, each by what it finds half-way (the midpoint rule)."""
        x = noise.view(len(noise), 3, self.shape.side, self.shape.side)
        length = 1 / self.shape.moves
        for move in range(self.shape.moves):
            half = x + length / 2 * self._way(x, move * length, codes)
            x = x + length * self._way(half, (move + 0.5) * length, codes)
        return x.clamp(-1, 1)

    def _way(self, x: Tensor, moment: float, codes: Tensor) -> Tensor:
        """With guidance, further from the way that knows no class (Ho and Salimans, 2022, equation 6)."""
        when = torch.full((len(x),), moment, device=x.device)
        told: Tensor = self.mean.net(x, when, codes)
        if self.shape.guidance == 1:
            return told
        plain: Tensor = self.mean.net(x, when, torch.zeros_like(codes))
        return plain + self.shape.guidance * (told - plain)
