"""Can a net that puts pictures into few numbers draw new ones from other numbers?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from leaven.datasets.images import Pictures, Pixels
from leaven.generators.image import image_generator
from leaven.generators.image.image_generator import Codes, DrawnPictures, Learned

if TYPE_CHECKING:
    from leaven.nn.image_vae import Vae

LOSSES = ("as_written", "learned_variance")


@dataclass(frozen=True)
class PictureVae:
    """The config for a convolutional VAE (Kingma and Welling, 2014), told the category of each picture.

    loss     "as_written": KL + squared error; "learned_variance": the squared error in units of the variance that
             fits it best (Dai and Wipf, 2019; Rybkin and others, 2021), for sharper pictures
    noise, width   numbers of a picture, and channels of the net at full size
    steps, batch, learning_rate   training
    """

    loss: str = "learned_variance"
    noise: int = 64
    width: int = 32
    steps: int = 2_000
    batch: int = 64
    learning_rate: float = 1e-3
    device: str = "auto"
    kind: ClassVar[str] = "vae"

    def __post_init__(self) -> None:
        image_generator.check_loss("vae.loss", self.loss, LOSSES)
        image_generator.check_sizes(self)

    def fit(self, train: Pictures, key: int, category: Codes | None = None) -> DrawnPictures:
        """Learns from pictures, by category where codes are given.

        Raises FitError for pictures that are no squares, and for a loss that is no number, with the step.
        """
        return image_generator.fit(self, train, key, category, {})

    @classmethod
    def load(cls, folder: Path) -> DrawnPictures:
        """What `save` wrote; DataError where it is not there."""
        return image_generator.load(cls, folder)

    def net(self, learned: Learned, key: int) -> Vae:
        """Encoder and decoder."""
        import torch

        from leaven.nn.conv_blocks import StackShape
        from leaven.nn.image_vae import Vae

        shape = StackShape(learned.side, self.noise, self.width, len(learned.shares) - 1)
        return Vae(shape, self.loss, torch.Generator().manual_seed(key))


def again(fitted: DrawnPictures, pictures: Pictures, category: Codes | None = None) -> Pixels:
    """uint8, as `pictures.pixels`: each drawn again by a trained VAE from the middle of where it was put."""
    import torch

    from leaven.nn.conv_blocks import from_bytes, to_bytes

    codes = np.zeros(len(pictures), np.int32) if category is None else category
    with torch.no_grad():
        told = torch.from_numpy(codes.astype(np.int64))
        return to_bytes(fitted.net.draw(fitted.net.encoded(from_bytes(pictures.pixels), told)[0], told))
