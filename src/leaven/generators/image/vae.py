"""Can a net that puts pictures into few numbers draw new ones from other numbers?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from leaven import seeds
from leaven.contracts import Keys
from leaven.data.pictures import Pictures, Pixels
from leaven.generators.image import frame
from leaven.generators.image.frame import Codes, Learned

if TYPE_CHECKING:
    from leaven.nets.picture_vae import Vae

LOSSES = ("as_written", "learned_variance")


@dataclass(frozen=True)
class PictureVae:
    """The wish for a convolutional VAE (Kingma and Welling, 2014), told the category of each picture.

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

    def __post_init__(self) -> None:
        frame.check_loss("vae.loss", self.loss, LOSSES)
        frame.check_sizes("vae", self)

    def fit(self, train: Pictures, key: int, category: Codes | None = None) -> VaePictures:
        """Learns from pictures, by category where codes are given.

        Raises FitError for pictures that are no squares, and for a loss that is no number, with the step.
        """
        import torch

        from leaven.nets.picture_vae import VaeTask
        from leaven.nets.training import Course
        from leaven.nets.training import train as go

        learned, codes = frame.looked_at(train, category, "vae")
        net = self._net(learned, seeds.key(key, "begin"))
        task = VaeTask(net, train.pixels, torch.from_numpy(codes.astype(np.int64)), self.noise, self.batch, key)
        course = Course(
            key=key,
            steps=self.steps,
            learning_rate=self.learning_rate,
            weight_decay=0.0,
            device=self.device,
            precision="32-true",
        )
        outcome = go(task, course)
        return VaePictures(self, learned, net, outcome.facts | {"curve": outcome.curve})

    @classmethod
    def load(cls, folder: Path) -> VaePictures:
        """What `save` wrote; DataError where it is not there."""
        tensors, said, learned = frame.read(folder, "vae")
        wish = cls(**said["wish"])
        net = wish._net(learned, 0)
        net.load_state_dict(tensors)
        return VaePictures(wish, learned, net.eval(), said["facts"])

    def _net(self, learned: Learned, key: int) -> Vae:
        import torch

        from leaven.nets.picture_stacks import StackShape
        from leaven.nets.picture_vae import Vae

        shape = StackShape(learned.side, self.noise, self.width, len(learned.shares) - 1)
        return Vae(shape, self.loss, torch.Generator().manual_seed(key))


@dataclass(frozen=True, eq=False)
class VaePictures:
    """A trained VAE. facts: seconds, steps, and the curve of the loss."""

    wish: PictureVae
    learned: Learned
    net: Vae
    facts: dict[str, Any]

    def sample(self, keys: Keys, category: Codes | None = None) -> Pictures:
        """One picture a key, from the prior; DataError for a category that training did not have."""
        codes = frame.categories(keys, category, self.learned, "vae")
        return Pictures.of(frame.drawn(self.net.maker, self.net.shape, keys, codes))

    def again(self, pictures: Pictures, category: Codes | None = None) -> Pixels:
        """uint8, as `pictures.pixels`: each drawn again from the middle of where it was put."""
        import torch

        from leaven.nets.picture_stacks import from_bytes, to_bytes

        codes = np.zeros(len(pictures), np.int32) if category is None else category
        with torch.no_grad():
            told = torch.from_numpy(codes.astype(np.int64))
            return to_bytes(self.net.maker(self.net.encoded(from_bytes(pictures.pixels), told)[0], told))

    def save(self, folder: Path) -> None:
        """Both nets."""
        frame.write(folder, "vae", self.net, self.wish, self.learned, self.facts)
