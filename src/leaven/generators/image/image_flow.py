"""Can pictures be drawn by following, step by step, the way from noise to them?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from leaven.datasets.images import Pictures
from leaven.errors import SpecError
from leaven.generators.image import image_generator
from leaven.generators.image.image_generator import Codes, DrawnPictures, Learned

if TYPE_CHECKING:
    from leaven.nn.image_flow import Flow


@dataclass(frozen=True)
class PictureFlow:
    """The config for a small flow-matching model (Lipman and others, ICLR 2023), told the category of each picture.

    moves     steps from noise to picture, each of two looks at the net
    guidance  how much further a category is followed than a net that is told none would go; 1: as it was learned
    width     channels of the net at full size
    steps, batch, learning_rate   training; the running mean of the net draws

    Slower than the others, in training and in drawing, and steadier: its loss is a plain squared error.
    """

    moves: int = 12
    guidance: float = 1.0
    width: int = 32
    steps: int = 2_000
    batch: int = 64
    learning_rate: float = 1e-3
    device: str = "auto"
    kind: ClassVar[str] = "flow"

    def __post_init__(self) -> None:
        image_generator.check_sizes(self)
        if self.moves < 1 or self.guidance < 0:
            got = f"{self.moves}, {self.guidance}"
            raise SpecError("flow.moves", "1 step or more, guidance of 0 or more", got, "moves = 12")

    def fit(self, train: Pictures, key: int, category: Codes | None = None) -> DrawnPictures:
        """Learns from pictures, by category where codes are given.

        Raises FitError for pictures that are no squares, and for a loss that is no number, with the step.
        """
        return image_generator.fit(self, train, key, category, {})

    @classmethod
    def load(cls, folder: Path) -> DrawnPictures:
        """What `save` wrote; DataError where it is not there."""
        return image_generator.load(cls, folder)

    def net(self, learned: Learned, key: int) -> Flow:
        """The net that says the way, and its running mean."""
        import torch

        from leaven.nn.image_flow import Flow, FlowShape

        shape = FlowShape(learned.side, self.width, len(learned.shares) - 1, self.moves, self.guidance)
        return Flow(shape, torch.Generator().manual_seed(key))
