"""Convolutional encoder and decoder, image tensors and the training task of image generators."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from leaven import rng
from leaven.nn.training import StepRng

_SMALLEST_SIDE = 4  # pixels of the smallest feature map
_MAX_WIDTH_FACTOR = 8  # limit of channel growth, in multiples of the base width
_GROUPS = 8


@dataclass(frozen=True)
class ConvStackConfig:
    """Sizes of the convolutional stacks.

    side        pixels of the square images, a power of two
    width       channels at full size
    group_norm  whether layers are group-normalized
    n_classes   class codes run from 0 (unknown) to n_classes; 0: unconditional
    """

    side: int
    latent_dim: int = 64
    width: int = 32
    n_classes: int = 0
    group_norm: bool = True

    @property
    def widths(self) -> list[int]:
        """Channels from full size down to the smallest feature map."""
        halvings = (self.side // _SMALLEST_SIDE).bit_length() - 1
        return [self.width * min(2**level, _MAX_WIDTH_FACTOR) for level in range(halvings)]


class ConvEncoder(nn.Module):
    """Encodes images, float (n, 3, side, side), as features (n, out_features); images do not interact."""

    def __init__(self, shape: ConvStackConfig) -> None:
        super().__init__()
        steps: list[nn.Module] = []
        before = 3
        for level, width in enumerate(shape.widths):
            steps.append(nn.Conv2d(before, width, 4, stride=2, padding=1))
            if shape.group_norm and level:
                steps.append(nn.GroupNorm(_GROUPS, width))
            steps.append(nn.LeakyReLU(0.2))
            before = width
        self.steps, self.out_features = nn.Sequential(*steps), before * _SMALLEST_SIDE**2

    def forward(self, pictures: Tensor) -> Tensor:
        """Returns features, float (n, out_features)."""
        return self.steps(pictures).flatten(1)


class ConvDecoder(nn.Module):
    """Decodes noise (n, latent_dim) and class codes (n,) to images in -1 … 1, float (n, 3, side, side)."""

    def __init__(self, shape: ConvStackConfig) -> None:
        super().__init__()
        widths = shape.widths[::-1]
        self.classes = nn.Embedding(shape.n_classes + 1, shape.latent_dim) if shape.n_classes else None
        self.input_layer, self.initial_channels = nn.Linear(shape.latent_dim, widths[0] * _SMALLEST_SIDE**2), widths[0]
        steps: list[nn.Module] = []
        for width, after in zip(widths, [*widths[1:], 3], strict=True):
            if shape.group_norm:
                steps.append(nn.GroupNorm(_GROUPS, width))
            steps += [nn.LeakyReLU(0.2), nn.ConvTranspose2d(width, after, 4, stride=2, padding=1)]
        self.steps = nn.Sequential(*steps)

    def forward(self, noise: Tensor, codes: Tensor) -> Tensor:
        """Returns images in -1 … 1, float (n, 3, side, side)."""
        if self.classes is not None:
            noise = noise + self.classes(codes)
        smallest = self.input_layer(noise).view(len(noise), self.initial_channels, _SMALLEST_SIDE, _SMALLEST_SIDE)
        return torch.tanh(self.steps(smallest))


def initialize_weights(net: nn.Module, generator: torch.Generator) -> None:
    """Draws initial weights of all layers for leaky ReLUs (He and others, ICCV 2015)."""
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            fan = layer.weight[0].numel() if not isinstance(layer, nn.ConvTranspose2d) else layer.weight.shape[0] * 4
            nn.init.normal_(layer.weight, std=(2 / fan) ** 0.5, generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.Embedding):
            nn.init.normal_(layer.weight, std=0.5, generator=generator)


def bytes_to_tensor(pixels: npt.NDArray[np.uint8]) -> Tensor:
    """Converts uint8 (n, h, w, 3) to float32 (n, 3, h, w) in -1 … 1."""
    return torch.from_numpy(np.array(pixels, np.float32)).permute(0, 3, 1, 2) / 127.5 - 1


def tensor_to_bytes(images: Tensor) -> npt.NDArray[np.uint8]:
    """Converts float (n, 3, h, w) in -1 … 1 to uint8 (n, h, w, 3), rounded."""
    scaled = ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return np.ascontiguousarray(scaled.permute(0, 2, 3, 1).cpu().numpy())


class ImageGeneratorNetwork(Protocol):
    """Interface of a network that is trained to generate images."""

    @property
    def noise(self) -> int:
        """Number of standard normal values per image."""
        ...

    def sample_loss_inputs(self, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Draws the random inputs of the loss for `count` images."""
        ...

    def draw(self, noise: Tensor, codes: Tensor) -> Tensor:
        """Returns images in -1 … 1, (n, 3, side, side), from noise (n, noise) and class codes (n,)."""
        ...


@dataclass(eq=False)
class ImageTask:
    """Training task of real images, uint8 (n, s, s, 3), and class codes (n,); the loss is net(real, codes, *noise)."""

    net: nn.Module
    pixels: npt.NDArray[np.uint8]
    codes: Tensor
    batch_size: int
    key: int

    def build_batches(self, number: int, progress: float) -> Sequence[Any]:
        """Returns batches of equal size over the images, in an order specific to the epoch."""
        shuffled = rng.make_generator(rng.derive_key(self.key, "order", number)).permutation(len(self.pixels))
        size = min(self.batch_size, len(shuffled))
        return [shuffled[low : low + size] for low in range(0, len(shuffled) - size + 1, size)]

    def compute_loss(self, net: nn.Module, batch: Any, step_rng: StepRng) -> tuple[Tensor, int]:
        """Returns (mean loss of the batch, images)."""
        device = next(net.parameters()).device
        network = cast(ImageGeneratorNetwork, self.net)
        draws = [
            tensor.to(device) for tensor in network.sample_loss_inputs(len(batch), step_rng.make_generator("noise"))
        ]
        codes = self.codes[torch.from_numpy(batch)].to(device)
        return net(bytes_to_tensor(self.pixels[batch]).to(device), codes, *draws), len(batch)

    def validate_network(self, net: nn.Module) -> float | None:
        """Returns None: these losses do not measure image quality, so the last weights are used."""
        return None


class WeightAverage(nn.Module):
    """Exponential moving average of a network's weights, whose images vary less than those of the last weights."""

    n_updates: Tensor

    def __init__(self, net: nn.Module, decay: float) -> None:
        super().__init__()
        self.net, self.decay = deepcopy(net).requires_grad_(False), decay
        self.register_buffer("n_updates", torch.zeros(()))

    @torch.no_grad()
    def update_average(self, net: nn.Module) -> None:
        """Updates the average by one step, with a smaller decay for early steps."""
        done = float(self.n_updates)
        decay = min(self.decay, (1 + done) / (10 + done))
        for old, new in zip(self.net.parameters(), net.parameters(), strict=True):
            old.lerp_(new, 1 - decay)
        self.n_updates += 1
