"""Flow-matching generator of images."""

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
    from leaven.nn.image_generators import FlowMatchingNetwork


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
        image_generator.validate_sizes(self)
        if self.sampling_steps < 1 or self.guidance < 0:
            got = f"{self.sampling_steps}, {self.guidance}"
            raise SpecError("flow.sampling_steps", "1 step or more, guidance of 0 or more", got, "sampling_steps = 12")

    def fit(self, train: Images, key: int, category: CategoryCodes | None = None) -> TrainedImageGenerator:
        """Trains on images, conditioned on category codes if given.

        Raises FitError for images that are not square, and for a non-finite loss, with its step.
        """
        return image_generator.fit_generator(self, train, key, category, {})

    @classmethod
    def load(cls, folder: Path) -> TrainedImageGenerator:
        """Loads what `save` wrote. Raises DataError where it is missing."""
        return image_generator.load_generator(cls, folder)

    def build_network(self, learned: ImageTrainingSummary, key: int) -> FlowMatchingNetwork:
        """Returns the velocity network and its running mean."""
        import torch

        from leaven.nn.image_generators import FlowConfig, FlowMatchingNetwork

        shape = FlowConfig(
            learned.side, self.width, len(learned.category_shares) - 1, self.sampling_steps, self.guidance
        )
        return FlowMatchingNetwork(shape, torch.Generator().manual_seed(key))
