"""How do two nets learn from each other to draw pictures: as the formula was written, and so that it is stable?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call  # type: ignore[attr-defined]
from torch.nn.functional import softplus

from leaven.nn.conv_blocks import Down, Remembered, StackShape, Up, start

LOSSES = ("as_written", "non_saturating", "relativistic")


@dataclass(frozen=True)
class GanShape:
    """loss: one of LOSSES; penalty: γ of R1 and R2, with `relativistic`; augment: both sides are augmented."""

    stack: StackShape
    loss: str
    penalty: float
    augment: bool
    memory: float = 0.999


class Critic(nn.Module):
    """float (n,): how real pictures of these classes are, before a sigmoid (Miyato and Koyama's projection)."""

    def __init__(self, shape: StackShape) -> None:
        super().__init__()
        self.down = Down(shape)
        self.head = nn.Linear(self.down.out, 1)
        self.classes = nn.Embedding(shape.classes + 1, self.down.out) if shape.classes else None

    def forward(self, pictures: Tensor, codes: Tensor) -> Tensor:
        """(n,): logits."""
        features = self.down(pictures)
        logits = self.head(features)[:, 0]
        if self.classes is not None:
            logits = logits + (self.classes(codes) * features).mean(dim=1)
        return logits


class Gan(nn.Module):
    """Generator, critic, and the generator's running mean, which draws the samples.

    Both sides learn in one step: the critic from pictures that it takes as given, the generator through a critic whose
    weights it takes as given.
    """

    def __init__(self, shape: GanShape, generator: torch.Generator) -> None:
        super().__init__()
        self.shape = shape
        self.maker, self.critic = Up(shape.stack), Critic(shape.stack)
        start(self.maker, generator)
        start(self.critic, generator)
        self.mean = Remembered(self.maker, shape.memory)

    @property
    def noise(self) -> int:
        """Numbers of a picture."""
        return self.shape.stack.noise

    def lots(self, count: int, chance: torch.Generator) -> tuple[Tensor, ...]:
        """Noise (n, noise), and what augments both sides (2, n, 8) in 0 … 1."""
        noise = torch.randn(count, self.noise, generator=chance)
        return noise, torch.rand(2, count, 8, generator=chance)

    def draw(self, noise: Tensor, codes: Tensor) -> Tensor:
        """By the generator's running mean."""
        made: Tensor = self.mean.net(noise, codes)
        return made

    def forward(self, real: Tensor, codes: Tensor, noise: Tensor, lots: Tensor) -> Tensor:
        """Loss of both sides. real (n, 3, s, s), codes (n,), noise (n, noise), lots (2, n, 8) in 0 … 1."""
        if self.training:
            self.mean.follow(self.maker)
        made = self.maker(noise, codes)
        if self.shape.augment:
            real, made = augmented(real, lots[0]), augmented(made, lots[1])
        frozen = {name: weight.detach() for name, weight in self.critic.named_parameters()}
        fooled = functional_call(self.critic, frozen, (made, codes))
        if self.shape.loss == "relativistic":
            return self._relativistic(real, made, fooled, codes, frozen)
        of_real, of_made = self.critic(real, codes), self.critic(made.detach(), codes)
        critic = softplus(-of_real).mean() + softplus(of_made).mean()  # -log D(x) - log(1 - D(G(z)))
        written = self.shape.loss == "as_written"
        maker = -softplus(fooled).mean() if written else softplus(-fooled).mean()  # log(1 - D(G(z))), or -log D(G(z))
        return critic + maker

    def _relativistic(self, real: Tensor, made: Tensor, fooled: Tensor, codes: Tensor, frozen: Any) -> Tensor:
        """Pairs of a real and a made picture, both gradients held short (Huang and others, R3GAN, NeurIPS 2024)."""
        seen, drawn = real.detach().requires_grad_(True), made.detach().requires_grad_(True)
        of_real, of_made = self.critic(seen, codes), self.critic(drawn, codes)
        with torch.no_grad():
            target = functional_call(self.critic, frozen, (real, codes))
        slopes = torch.autograd.grad(of_real.sum() + of_made.sum(), [seen, drawn], create_graph=True)
        penalty = sum(slope.square().sum(dim=(1, 2, 3)).mean() for slope in slopes)
        critic = softplus(of_made - of_real).mean() + self.shape.penalty / 2 * penalty
        return critic + softplus(target - fooled).mean()


def augmented(pictures: Tensor, lots: Tensor) -> Tensor:
    """Brightness, saturation, contrast, a shift and a hole; gradients pass (Zhao and others, DiffAugment, 2020).

    lots (n, 8) in 0 … 1.
    """
    side = pictures.shape[2]
    share = lots[:, :, None, None, None]  # (n, 8, 1, 1, 1)
    pictures = pictures + (share[:, 0] - 0.5)
    grey = pictures.mean(dim=1, keepdim=True)
    pictures = grey + (pictures - grey) * (2 * share[:, 1])
    middle = pictures.mean(dim=(1, 2, 3), keepdim=True)
    pictures = middle + (pictures - middle) * (0.5 + share[:, 2])
    reach = max(side // 8, 1)
    moves = (lots[:, 3:5] * (2 * reach + 1)).long() - reach
    steps = torch.arange(side, device=pictures.device)
    padded = nn.functional.pad(pictures, (1, 1, 1, 1))  # what comes in is grey
    down = (steps + moves[:, :1] + 1).clamp(0, side + 1)[:, :, None]  # (n, side, 1)
    across = (steps + moves[:, 1:] + 1).clamp(0, side + 1)[:, None, :]
    row = torch.arange(len(pictures), device=pictures.device)[:, None, None]
    pictures = padded.permute(0, 2, 3, 1)[row, down, across].permute(0, 3, 1, 2)
    hole = side // 2
    begin = (lots[:, 5:7] * (side + 1)).long() - hole // 2
    inside = (steps >= begin[:, :, None]) & (steps < begin[:, :, None] + hole)  # (n, 2, side)
    return pictures * ~(inside[:, 0, :, None] & inside[:, 1, None, :])[:, None]
