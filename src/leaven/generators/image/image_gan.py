"""GAN generator of images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from leaven.datasets.images import Images
from leaven.errors import SpecError
from leaven.generators.image import image_generator
from leaven.generators.image.image_generator import CategoryCodes, ImageTrainingSummary, TrainedImageGenerator
from leaven.protocols import OperatorTraits

if TYPE_CHECKING:
    from leaven.nn.image_generators import ImageGanNetwork

LOSSES = ("as_written", "non_saturating", "relativistic")


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
        image_generator.validate_loss("gan.loss", self.loss, LOSSES)
        image_generator.validate_sizes(self)
        if self.penalty < 0:
            raise SpecError("gan.penalty", "0 or more", str(self.penalty), "")

    def fit(self, train: Images, key: int, category: CategoryCodes | None = None) -> TrainedImageGenerator:
        """Trains on images, conditioned on category codes if given.

        Raises FitError for images that are not square, and for a non-finite loss, with its step.
        """
        betas = (0.0, 0.99) if self.loss == "relativistic" else (0.5, 0.999)
        return image_generator.fit_generator(self, train, key, category, {"betas": betas, "decay_learning_rate": False})

    @classmethod
    def load(cls, folder: Path) -> TrainedImageGenerator:
        """Loads what `save` wrote. Raises DataError where it is missing."""
        return image_generator.load_generator(cls, folder)

    def build_network(self, learned: ImageTrainingSummary, key: int) -> ImageGanNetwork:
        """Returns both networks and the running mean of the generator."""
        import torch

        from leaven.nn.conv_blocks import ConvStackConfig
        from leaven.nn.image_generators import ImageGanConfig, ImageGanNetwork

        is_normalized = self.loss != "relativistic"
        stack = ConvStackConfig(learned.side, self.noise, self.width, len(learned.category_shares) - 1, is_normalized)
        shape = ImageGanConfig(stack, self.loss, self.penalty, self.augment)
        return ImageGanNetwork(shape, torch.Generator().manual_seed(key))
