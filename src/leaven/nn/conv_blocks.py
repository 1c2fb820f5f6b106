"""How does a vector become a picture, and a picture a vector?"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from leaven import rng
from leaven.nn.training import Chance

_FIRST = 4  # sides of the smallest map
_WIDEST = 8  # times the width: channels grow no further
_GROUPS = 8


@dataclass(frozen=True)
class StackShape:
    """side: of the square pictures, a power of two; width: channels at full size; normal: with group normalisation.

    classes: codes 0 … classes, of which 0 says nothing; 0: there are none.
    """

    side: int
    noise: int = 64
    width: int = 32
    classes: int = 0
    normal: bool = True

    @property
    def widths(self) -> list[int]:
        """Channels from full size down to the smallest map."""
        halvings = (self.side // _FIRST).bit_length() - 1
        return [self.width * min(2**level, _WIDEST) for level in range(halvings)]


class Down(nn.Module):
    """A picture, float (n, 3, side, side), to features (n, `out`); never across pictures of a batch."""

    def __init__(self, shape: StackShape) -> None:
        super().__init__()
        steps: list[nn.Module] = []
        before = 3
        for level, width in enumerate(shape.widths):
            steps.append(nn.Conv2d(before, width, 4, stride=2, padding=1))
            if shape.normal and level:
                steps.append(nn.GroupNorm(_GROUPS, width))
            steps.append(nn.LeakyReLU(0.2))
            before = width
        self.steps, self.out = nn.Sequential(*steps), before * _FIRST**2

    def forward(self, pictures: Tensor) -> Tensor:
        """(n, out)."""
        return self.steps(pictures).flatten(1)


class Up(nn.Module):
    """Noise (n, noise) and a class code (n,) to pictures in -1 … 1, (n, 3, side, side); each by itself."""

    def __init__(self, shape: StackShape) -> None:
        super().__init__()
        widths = shape.widths[::-1]
        self.classes = nn.Embedding(shape.classes + 1, shape.noise) if shape.classes else None
        self.first, self.begin = nn.Linear(shape.noise, widths[0] * _FIRST**2), widths[0]
        steps: list[nn.Module] = []
        for width, after in zip(widths, [*widths[1:], 3], strict=True):
            if shape.normal:
                steps.append(nn.GroupNorm(_GROUPS, width))
            steps += [nn.LeakyReLU(0.2), nn.ConvTranspose2d(width, after, 4, stride=2, padding=1)]
        self.steps = nn.Sequential(*steps)

    def forward(self, noise: Tensor, codes: Tensor) -> Tensor:
        """Pictures, in -1 … 1."""
        if self.classes is not None:
            noise = noise + self.classes(codes)
        first = self.first(noise).view(len(noise), self.begin, _FIRST, _FIRST)
        return torch.tanh(self.steps(first))


def start(net: nn.Module, generator: torch.Generator) -> None:
    """First weights of all layers, for leaky rectifiers (He and others, ICCV 2015)."""
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            fan = layer.weight[0].numel() if not isinstance(layer, nn.ConvTranspose2d) else layer.weight.shape[0] * 4
            nn.init.normal_(layer.weight, std=(2 / fan) ** 0.5, generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.Embedding):
            nn.init.normal_(layer.weight, std=0.5, generator=generator)


def from_bytes(pixels: npt.NDArray[np.uint8]) -> Tensor:
    """float32 (n, 3, h, w) in -1 … 1 of uint8 (n, h, w, 3)."""
    return torch.from_numpy(np.array(pixels, np.float32)).permute(0, 3, 1, 2) / 127.5 - 1


def to_bytes(pictures: Tensor) -> npt.NDArray[np.uint8]:
    """The way back, rounded."""
    scaled = ((pictures + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return np.ascontiguousarray(scaled.permute(0, 2, 3, 1).cpu().numpy())


class Drawing(Protocol):
    """A net that learns to draw pictures, as training and sampling know it."""

    @property
    def noise(self) -> int:
        """Numbers of the standard normal law that one picture is drawn from."""
        ...

    def lots(self, count: int, chance: torch.Generator) -> tuple[Tensor, ...]:
        """What a loss draws for that many pictures."""
        ...

    def draw(self, noise: Tensor, codes: Tensor) -> Tensor:
        """Pictures in -1 … 1, (n, 3, side, side), of noise (n, noise) and class codes (n,); each by itself."""
        ...


@dataclass(eq=False)
class PictureTask:
    """Steps over real pictures uint8 (n, s, s, 3) and their class codes (n,): the loss of net(real, codes, *lots)."""

    net: nn.Module
    pixels: npt.NDArray[np.uint8]
    codes: Tensor
    batch: int
    key: int

    def epoch(self, number: int, progress: float) -> Sequence[Any]:
        """All pictures in an order of the epoch's own, in batches of one size."""
        shuffled = rng.generator(rng.key(self.key, "order", number)).permutation(len(self.pixels))
        size = min(self.batch, len(shuffled))
        return [shuffled[low : low + size] for low in range(0, len(shuffled) - size + 1, size)]

    def loss(self, net: nn.Module, batch: Any, chance: Chance) -> tuple[Tensor, int]:
        """Mean over the batch."""
        device = next(net.parameters()).device
        drawing: Any = self.net
        lots = [one.to(device) for one in drawing.lots(len(batch), chance.generator("noise"))]
        codes = self.codes[torch.from_numpy(batch)].to(device)
        return net(from_bytes(self.pixels[batch]).to(device), codes, *lots), len(batch)

    def look(self, net: nn.Module) -> float | None:
        """Nobody looks: these losses say little of the pictures, and the last weights are taken."""
        return None


class Remembered(nn.Module):
    """A net's running mean over the steps of training, whose pictures are steadier than those of its last weights."""

    steps: Tensor

    def __init__(self, net: nn.Module, memory: float) -> None:
        super().__init__()
        self.net, self.memory = deepcopy(net).requires_grad_(False), memory
        self.register_buffer("steps", torch.zeros(()))

    @torch.no_grad()
    def follow(self, net: nn.Module) -> None:
        """One step on: early ones are forgotten faster."""
        done = float(self.steps)
        keep = min(self.memory, (1 + done) / (10 + done))
        for old, new in zip(self.net.parameters(), net.parameters(), strict=True):
            old.lerp_(new, 1 - keep)
        self.steps += 1
