"""Variational autoencoder generator of images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from leaven.datasets.images import Images, Pixels
from leaven.generators.image import image_generator
from leaven.generators.image.image_generator import CategoryCodes, ImageTrainingSummary, TrainedImageGenerator
from leaven.protocols import OperatorTraits

if TYPE_CHECKING:
    from leaven.nn.image_generators import ImageVaeNetwork

LOSSES = ("as_written", "learned_variance")


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
        image_generator.validate_loss("vae.loss", self.loss, LOSSES)
        image_generator.validate_sizes(self)

    def fit(self, train: Images, key: int, category: CategoryCodes | None = None) -> TrainedImageGenerator:
        """Trains on images, conditioned on category codes if given.

        Raises FitError for images that are not square, and for a non-finite loss, with its step.
        """
        return image_generator.fit_generator(self, train, key, category, {})

    @classmethod
    def load(cls, folder: Path) -> TrainedImageGenerator:
        """Loads what `save` wrote. Raises DataError where it is missing."""
        return image_generator.load_generator(cls, folder)

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
