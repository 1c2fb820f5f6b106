"""Shared training, sampling and saving of image generators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.images import Images, Pixels
from leaven.errors import DataError, FitError, SpecError, suggest_name
from leaven.protocols import RngKeys

CategoryCodes = npt.NDArray[np.int32]
_SIDES = (8, 16, 32, 64, 128, 256)
_CHUNK = 64  # images of every forward pass, for identical bytes at any batch size
_CATEGORY = 100_000  # draw of a key for its category, beyond those of its noise


@dataclass(frozen=True, eq=False)
class ImageTrainingSummary:
    """Side of the training images in pixels, and the share of each category code among them."""

    side: int
    category_shares: npt.NDArray[np.float64]


def summarize_images(
    train: Images, category: CategoryCodes | None, where: str
) -> tuple[ImageTrainingSummary, CategoryCodes]:
    """Returns the summary of the training images, and a category code for each (0 if none are given).

    Raises FitError for no images, unsupported sizes, and codes of another length.
    """
    fix = f"read them as squares of {', '.join(map(str, _SIDES))} pixels: read(paths, (32, 32))"
    if not len(train):
        raise FitError(where, "training images", "none", "")
    tall, wide = train.pixels.shape[1:3]
    if tall != wide or tall not in _SIDES:
        raise FitError(where, "square images", f"{tall} × {wide}", fix)
    codes = np.zeros(len(train), np.int32) if category is None else np.asarray(category, np.int32)
    if codes.shape != (len(train),) or codes.min() < 0:
        raise FitError(where, f"one category code for each image, ({len(train)},), 0 or more", str(codes.shape), "")
    return ImageTrainingSummary(tall, np.bincount(codes) / len(codes)), codes


def validate_sizes(config: Any) -> None:
    """Raises SpecError for invalid sizes; channels are normalized in groups of 8."""
    for name in ("noise", "width", "steps", "batch_size", "learning_rate"):
        if not getattr(config, name, 1) > 0:
            raise SpecError(f"{config.kind}.{name}", "more than 0", str(getattr(config, name)), "")
    if config.width % 8:
        raise SpecError(
            f"{config.kind}.width", "a multiple of 8", str(config.width), "channels are normalized in groups of 8"
        )


def validate_loss(where: str, loss: str, losses: Sequence[str]) -> None:
    """Raises SpecError for an unknown loss, with the nearest name."""
    if loss not in losses:
        raise SpecError(where, f"one of {', '.join(losses)}", repr(loss), suggest_name(str(loss), losses))


def draw_noise(keys: RngKeys, size: int) -> npt.NDArray[np.float32]:
    """Returns float32 (keys, size): standard normal numbers that derive from each key alone."""
    from scipy.special import ndtri

    draws = [rng.draw_uniform(keys, draw) for draw in range(size)]
    return np.stack([ndtri(np.maximum(uniforms, 2.0**-54)) for uniforms in draws], axis=1).astype(np.float32)


def resolve_categories(
    keys: RngKeys, requested: CategoryCodes | None, learned: ImageTrainingSummary, where: str
) -> CategoryCodes:
    """Returns a category code for each key: the requested one, or for 0 one drawn by training frequency.

    Raises DataError for a code without training images.
    """
    n_categories = len(learned.category_shares)
    drawn = np.searchsorted(np.cumsum(learned.category_shares), rng.draw_uniform(keys, _CATEGORY), side="right")
    drawn = np.minimum(drawn, n_categories - 1)
    if requested is None:
        return np.asarray(drawn, np.int32)
    if len(requested) != len(keys) or requested.min(initial=0) < 0 or requested.max(initial=0) >= n_categories:
        raise DataError(
            f"{where}.category", f"{len(keys)} codes in 0 … {n_categories - 1}", f"{np.unique(requested)}", ""
        )
    return np.asarray(np.where(requested > 0, requested, drawn), np.int32)


def render_images(net: Any, side: int, keys: RngKeys, codes: CategoryCodes) -> Pixels:
    """Returns uint8 (keys, side, side, 3): each image from its key and category, in chunks of fixed size."""
    import torch

    from leaven.nn.conv_blocks import tensor_to_bytes

    pixels = np.empty((len(keys), side, side, 3), np.uint8)
    with torch.no_grad():
        for low in range(0, len(keys), _CHUNK):
            chunk = keys[low : low + _CHUNK]
            noise, own = np.zeros((_CHUNK, net.noise), np.float32), np.zeros(_CHUNK, np.int64)
            noise[: len(chunk)], own[: len(chunk)] = draw_noise(chunk, net.noise), codes[low : low + _CHUNK]
            images = tensor_to_bytes(net.draw(torch.from_numpy(noise), torch.from_numpy(own)))
            pixels[low : low + _CHUNK] = images[: len(chunk)]
    return pixels


class ImageGeneratorConfig(Protocol):
    """The config of an image generator: a kind, training sizes, and a network."""

    @property
    def kind(self) -> str: ...

    @property
    def steps(self) -> int: ...

    @property
    def batch(self) -> int: ...

    @property
    def learning_rate(self) -> float: ...

    @property
    def device(self) -> str: ...

    def build_network(self, learned: ImageTrainingSummary, key: int) -> Any:
        """Returns an untrained network (`nn.conv_blocks.Drawing`)."""
        ...


@dataclass(frozen=True, eq=False)
class TrainedImageGenerator:
    """A trained image generator. facts: seconds, steps, and the loss curve."""

    config: ImageGeneratorConfig
    summary: ImageTrainingSummary
    net: Any
    facts: dict[str, Any]

    def sample(self, keys: RngKeys, category: CategoryCodes | None = None) -> Images:
        """Returns one image for each key. Raises DataError for a category without training images."""
        codes = resolve_categories(keys, category, self.summary, self.config.kind)
        return Images.from_pixels(render_images(self.net, self.summary.side, keys, codes))

    def save(self, folder: Path) -> None:
        """Writes the networks and all facts to one file."""
        from leaven.nn import checkpoint

        config: Any = self.config
        facts = {"config": asdict(config), "side": self.summary.side, "shares": self.summary.category_shares.tolist()}
        facts |= {"facts": self.facts}
        checkpoint.save_tensors(folder / f"{config.kind}.safetensors", self.net.state_dict(), facts)


def fit_generator(
    config: ImageGeneratorConfig, train: Images, key: int, category: CategoryCodes | None, course: Mapping[str, Any]
) -> TrainedImageGenerator:
    """Trains an image generator, conditioned on category codes if given.

    course: further fields of the trainer config (`nn.training.TrainerConfig`).

    Raises FitError for images that are not square, and for a non-finite loss, with its step.
    """
    import torch

    from leaven.nn.conv_blocks import ImageTask
    from leaven.nn.training import TrainerConfig
    from leaven.nn.training import train_network as run_training

    learned, codes = summarize_images(train, category, config.kind)
    net = config.build_network(learned, rng.derive_key(key, "begin"))
    task = ImageTask(net, train.pixels, torch.from_numpy(codes.astype(np.int64)), config.batch, key)
    defaults: dict[str, Any] = {"weight_decay": 0.0, "device": config.device, "precision": "32-true"}
    outcome = run_training(
        task,
        TrainerConfig(key=key, steps=config.steps, learning_rate=config.learning_rate, **(defaults | dict(course))),
    )
    return TrainedImageGenerator(config, learned, net, outcome.facts | {"curve": outcome.curve})


def load_generator(cls: Any, folder: Path) -> TrainedImageGenerator:
    """Loads what `save` wrote for a config of this class. Raises DataError where it is missing."""
    from leaven.nn import checkpoint

    tensors, facts = checkpoint.load_tensors(folder / f"{cls.kind}.safetensors")
    config, learned = cls(**facts["config"]), ImageTrainingSummary(facts["side"], np.array(facts["shares"]))
    net = config.build_network(learned, 0)
    net.load_state_dict(tensors)
    return TrainedImageGenerator(config, learned, net.eval(), facts["facts"])
