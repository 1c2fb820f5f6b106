"""Generators of images: GAN, variational autoencoder and flow matching, with shared training, sampling and saving."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.images import Images, Pixels
from leaven.errors import DataError, FitError, SpecError
from leaven.field_checks import check_choice, check_positive
from leaven.protocols import OperatorTraits, RngKeys

if TYPE_CHECKING:
    from leaven.nn.image_generators import FlowMatchingNetwork, ImageGanNetwork, ImageVaeNetwork


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


def _check_sizes(config: ImageGeneratorConfig, names: Sequence[str]) -> None:
    check_positive(config.kind, config, names)
    if config.width % 8:
        fix = "channels are normalized in groups of 8"
        raise SpecError(f"{config.kind}.width", "a multiple of 8", str(config.width), fix)


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
    def width(self) -> int: ...

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
    facts: Mapping[str, object]

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
    config: ImageGeneratorConfig,
    train: Images,
    key: int,
    category: CategoryCodes | None,
    betas: tuple[float, float] = (0.9, 0.999),
    decay_learning_rate: bool = True,
) -> TrainedImageGenerator:
    """Trains an image generator, conditioned on category codes if given.

    betas, decay_learning_rate: of the optimizer.

    Raises FitError for images that are not square, and for a non-finite loss, with its step.
    """
    import torch

    from leaven.nn.conv_blocks import ImageTask
    from leaven.nn.training import TrainerConfig
    from leaven.nn.training import train_network as run_training

    learned, codes = summarize_images(train, category, config.kind)
    net = config.build_network(learned, rng.derive_key(key, "begin"))
    task = ImageTask(net, train.pixels, torch.from_numpy(codes.astype(np.int64)), config.batch, key)
    course = TrainerConfig(
        key=key,
        steps=config.steps,
        learning_rate=config.learning_rate,
        betas=betas,
        decay_learning_rate=decay_learning_rate,
        weight_decay=0.0,
        device=config.device,
        precision="32-true",
    )
    outcome = run_training(task, course)
    return TrainedImageGenerator(config, learned, net, {**outcome.facts, "curve": outcome.curve})


def load_generator(cls: Any, folder: Path) -> TrainedImageGenerator:
    """Loads what `save` wrote for a config of this class. Raises DataError where it is missing."""
    from leaven.nn import checkpoint

    tensors, facts = checkpoint.load_tensors(folder / f"{cls.kind}.safetensors")
    config, learned = cls(**facts["config"]), ImageTrainingSummary(facts["side"], np.array(facts["shares"]))
    net = config.build_network(learned, 0)
    net.load_state_dict(tensors)
    return TrainedImageGenerator(config, learned, net.eval(), facts["facts"])


GAN_LOSSES = ("as_written", "non_saturating", "relativistic")


@dataclass(frozen=True)
class ImageGan:
    """Generates images with a GAN (Goodfellow and others, 2014; networks of Radford and others, DCGAN, 2016).

    loss     "as_written": -E log D(x) - E log(1 - D(G(z))), which G maximizes; "non_saturating": G minimizes
             -E log D(G(z)) instead; "relativistic": pairs of real and generated images, with penalties R1 and R2 (Huang
             and others, R3GAN, NeurIPS 2024, equations 2 and 5)
    penalty  γ of R1 and R2, for "relativistic"
    augment  differentiable augmentation of both inputs (Zhao and others, DiffAugment, NeurIPS 2020), for few images
    noise, width   noise dimensions and network width
    steps, batch, learning_rate   training; sampling uses the running mean of the generator

    Where we differ: no batch normalization, so that an image does not depend on its batch (group normalization instead,
    none with "relativistic"); both networks step together; plain convolutions.
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("picture gan", role="generator")
    loss: str = "relativistic"
    penalty: float = 1.0
    augment: bool = True
    noise: int = 64
    width: int = 32
    steps: int = 3_000
    batch: int = 64
    learning_rate: float = 2e-4
    device: str = "auto"
    kind: ClassVar[str] = "gan"

    def __post_init__(self) -> None:
        check_choice("gan.loss", self.loss, GAN_LOSSES)
        _check_sizes(self, ("noise", "width", "steps", "batch", "learning_rate"))
        if self.penalty < 0:
            raise SpecError("gan.penalty", "0 or more", str(self.penalty), "")

    def fit(self, train: Images, key: int, category: CategoryCodes | None = None) -> TrainedImageGenerator:
        """Trains on images, conditioned on category codes if given.

        Raises FitError for images that are not square, and for a non-finite loss, with its step.
        """
        betas = (0.0, 0.99) if self.loss == "relativistic" else (0.5, 0.999)
        return fit_generator(self, train, key, category, betas, decay_learning_rate=False)

    @classmethod
    def load(cls, folder: Path) -> TrainedImageGenerator:
        """Loads what `save` wrote. Raises DataError where it is missing."""
        return load_generator(cls, folder)

    def build_network(self, learned: ImageTrainingSummary, key: int) -> ImageGanNetwork:
        """Returns both networks and the running mean of the generator."""
        import torch

        from leaven.nn.conv_blocks import ConvStackConfig
        from leaven.nn.image_generators import ImageGanConfig, ImageGanNetwork

        is_normalized = self.loss != "relativistic"
        stack = ConvStackConfig(learned.side, self.noise, self.width, len(learned.category_shares) - 1, is_normalized)
        shape = ImageGanConfig(stack, self.loss, self.penalty, self.augment)
        return ImageGanNetwork(shape, torch.Generator().manual_seed(key))


VAE_LOSSES = ("as_written", "learned_variance")


@dataclass(frozen=True)
class ImageVae:
    """Generates images with a convolutional VAE (Kingma and Welling, 2014), conditioned on the category.

    loss     "as_written": KL + squared error; "learned_variance": squared error in units of its optimal variance (Dai
             and Wipf, 2019; Rybkin and others, 2021), for sharper images
    noise, width   latent dimensions, and channels of the network at full resolution
    steps, batch, learning_rate   training
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("picture vae", role="generator")
    loss: str = "learned_variance"
    noise: int = 64
    width: int = 32
    steps: int = 2_000
    batch: int = 64
    learning_rate: float = 1e-3
    device: str = "auto"
    kind: ClassVar[str] = "vae"

    def __post_init__(self) -> None:
        check_choice("vae.loss", self.loss, VAE_LOSSES)
        _check_sizes(self, ("noise", "width", "steps", "batch", "learning_rate"))

    def fit(self, train: Images, key: int, category: CategoryCodes | None = None) -> TrainedImageGenerator:
        """Trains on images, conditioned on category codes if given.

        Raises FitError for images that are not square, and for a non-finite loss, with its step.
        """
        return fit_generator(self, train, key, category)

    @classmethod
    def load(cls, folder: Path) -> TrainedImageGenerator:
        """Loads what `save` wrote. Raises DataError where it is missing."""
        return load_generator(cls, folder)

    def build_network(self, learned: ImageTrainingSummary, key: int) -> ImageVaeNetwork:
        """Returns encoder and decoder."""
        import torch

        from leaven.nn.conv_blocks import ConvStackConfig
        from leaven.nn.image_generators import ImageVaeNetwork

        shape = ConvStackConfig(learned.side, self.noise, self.width, len(learned.category_shares) - 1)
        return ImageVaeNetwork(shape, self.loss, torch.Generator().manual_seed(key))


def reconstruct_images(
    fitted: TrainedImageGenerator, pictures: Images, category: CategoryCodes | None = None
) -> Pixels:
    """Returns uint8, as `images.pixels`: reconstructions of a trained VAE from the posterior mean."""
    import torch

    from leaven.nn.conv_blocks import bytes_to_tensor, tensor_to_bytes

    codes = np.zeros(len(pictures), np.int32) if category is None else category
    with torch.no_grad():
        categories = torch.from_numpy(codes.astype(np.int64))
        mean = fitted.net.encode_images(bytes_to_tensor(pictures.pixels), categories)[0]
        return tensor_to_bytes(fitted.net.draw(mean, categories))


@dataclass(frozen=True)
class ImageFlow:
    """Generates images with a small flow-matching model (Lipman and others, ICLR 2023), conditioned on the category.

    sampling_steps               integration steps from noise to image, each of two network passes
    guidance                     classifier-free guidance weight; 1: none
    width                        channels of the network at full resolution
    steps, batch, learning_rate  training; sampling uses the running mean of the weights

    Slower than the other image generators, in training and sampling, and more stable: its loss is a squared error.
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("picture flow", role="generator")
    sampling_steps: int = 12
    guidance: float = 1.0
    width: int = 32
    steps: int = 2_000
    batch: int = 64
    learning_rate: float = 1e-3
    device: str = "auto"
    kind: ClassVar[str] = "flow"

    def __post_init__(self) -> None:
        _check_sizes(self, ("width", "steps", "batch", "learning_rate"))
        if self.sampling_steps < 1 or self.guidance < 0:
            got = f"{self.sampling_steps}, {self.guidance}"
            raise SpecError("flow.sampling_steps", "1 step or more, guidance of 0 or more", got, "sampling_steps = 12")

    def fit(self, train: Images, key: int, category: CategoryCodes | None = None) -> TrainedImageGenerator:
        """Trains on images, conditioned on category codes if given.

        Raises FitError for images that are not square, and for a non-finite loss, with its step.
        """
        return fit_generator(self, train, key, category)

    @classmethod
    def load(cls, folder: Path) -> TrainedImageGenerator:
        """Loads what `save` wrote. Raises DataError where it is missing."""
        return load_generator(cls, folder)

    def build_network(self, learned: ImageTrainingSummary, key: int) -> FlowMatchingNetwork:
        """Returns the velocity network and its running mean."""
        import torch

        from leaven.nn.image_generators import FlowConfig, FlowMatchingNetwork

        shape = FlowConfig(
            learned.side, self.width, len(learned.category_shares) - 1, self.sampling_steps, self.guidance
        )
        return FlowMatchingNetwork(shape, torch.Generator().manual_seed(key))
