"""Can two nets that learn from each other draw the catalogue's pictures?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from leaven.datasets.images import Pictures
from leaven.errors import SpecError
from leaven.generators.image import image_generator
from leaven.generators.image.image_generator import Codes, DrawnPictures, Learned

if TYPE_CHECKING:
    from leaven.nn.image_gan import Gan

LOSSES = ("as_written", "non_saturating", "relativistic")


@dataclass(frozen=True)
class PictureGan:
    """The config for a GAN (Goodfellow and others, 2014; nets as of Radford and others, DCGAN, 2016).

    loss     "as_written": -E log D(x) - E log(1 - D(G(z))), which G makes large; "non_saturating": G lessens
             -E log D(G(z)) instead; "relativistic": pairs of a real and a made picture, with both penalties R1 and R2
             (Huang and others, R3GAN, NeurIPS 2024, equations 2 and 5)
    penalty  γ of R1 and R2, with "relativistic" alone
    augment  both sides see augmented pictures (Zhao and others, DiffAugment, NeurIPS 2020): for few pictures
    noise, width   size of the net
    steps, batch, learning_rate   training; the running mean of the generator draws

    Where we differ: no batch normalisation anywhere, so a picture never depends on those beside it (groups of channels
    are normalised instead, nothing with "relativistic"); both sides take their step at once; plain convolutions.
    """

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
        image_generator.check_loss("gan.loss", self.loss, LOSSES)
        image_generator.check_sizes(self)
        if self.penalty < 0:
            raise SpecError("gan.penalty", "0 or more", str(self.penalty), "")

    def fit(self, train: Pictures, key: int, category: Codes | None = None) -> DrawnPictures:
        """Learns from pictures, by category where codes are given.

        Raises FitError for pictures that are no squares, and for a loss that is no number, with the step.
        """
        betas = (0.0, 0.99) if self.loss == "relativistic" else (0.5, 0.999)
        return image_generator.fit(self, train, key, category, {"betas": betas, "rate_falls": False})

    @classmethod
    def load(cls, folder: Path) -> DrawnPictures:
        """What `save` wrote; DataError where it is not there."""
        return image_generator.load(cls, folder)

    def net(self, learned: Learned, key: int) -> Gan:
        """Both nets, and the running mean of the one that draws."""
        import torch

        from leaven.nn.conv_blocks import StackShape
        from leaven.nn.image_gan import Gan, GanShape

        normal = self.loss != "relativistic"
        stack = StackShape(learned.side, self.noise, self.width, len(learned.shares) - 1, normal)
        shape = GanShape(stack, self.loss, self.penalty, self.augment)
        return Gan(shape, torch.Generator().manual_seed(key))
