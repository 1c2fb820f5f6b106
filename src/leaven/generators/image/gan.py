"""Can two nets that learn from each other draw the catalogue's pictures?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from leaven import seeds
from leaven.contracts import Keys
from leaven.data.pictures import Pictures
from leaven.errors import SpecError
from leaven.generators.image import frame
from leaven.generators.image.frame import Codes, Learned

if TYPE_CHECKING:
    from leaven.nets.picture_gan import Gan

LOSSES = ("as_written", "non_saturating", "relativistic")


@dataclass(frozen=True)
class PictureGan:
    """The wish for a GAN (Goodfellow and others, 2014; nets as of Radford and others, DCGAN, 2016).

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

    def __post_init__(self) -> None:
        frame.check_loss("gan.loss", self.loss, LOSSES)
        frame.check_sizes("gan", self)
        if self.penalty < 0:
            raise SpecError("gan.penalty", "0 or more", str(self.penalty), "")

    def fit(self, train: Pictures, key: int, category: Codes | None = None) -> GanPictures:
        """Learns from pictures, by category where codes are given.

        Raises FitError for pictures that are no squares, and for a loss that is no number, with the step.
        """
        import torch

        from leaven.nets.picture_gan import GanTask
        from leaven.nets.training import Course
        from leaven.nets.training import train as go

        learned, codes = frame.looked_at(train, category, "gan")
        net = self._net(learned, seeds.key(key, "begin"))
        task = GanTask(net, train.pixels, torch.from_numpy(codes.astype(np.int64)), self.noise, self.batch, key)
        course = Course(
            key=key,
            steps=self.steps,
            learning_rate=self.learning_rate,
            weight_decay=0.0,
            betas=(0.0, 0.99) if self.loss == "relativistic" else (0.5, 0.999),
            rate_falls=False,
            device=self.device,
            precision="32-true",
        )
        outcome = go(task, course)
        return GanPictures(self, learned, net, outcome.facts | {"curve": outcome.curve})

    @classmethod
    def load(cls, folder: Path) -> GanPictures:
        """What `save` wrote; DataError where it is not there."""
        tensors, said, learned = frame.read(folder, "gan")
        wish = cls(**said["wish"])
        net = wish._net(learned, 0)
        net.load_state_dict(tensors)
        return GanPictures(wish, learned, net.eval(), said["facts"])

    def _net(self, learned: Learned, key: int) -> Gan:
        import torch

        from leaven.nets.picture_gan import Gan, GanShape
        from leaven.nets.picture_stacks import StackShape

        normal = self.loss != "relativistic"
        stack = StackShape(learned.side, self.noise, self.width, len(learned.shares) - 1, normal)
        shape = GanShape(stack, self.loss, self.penalty, self.augment)
        return Gan(shape, torch.Generator().manual_seed(key))


@dataclass(frozen=True, eq=False)
class GanPictures:
    """A trained GAN. facts: seconds, steps, and the curve of the loss."""

    wish: PictureGan
    learned: Learned
    net: Gan
    facts: dict[str, Any]

    def sample(self, keys: Keys, category: Codes | None = None) -> Pictures:
        """One picture a key; DataError for a category that training did not have."""
        codes = frame.categories(keys, category, self.learned, "gan")
        return Pictures.of(frame.drawn(self.net.mean, self.net.shape.stack, keys, codes))

    def save(self, folder: Path) -> None:
        """Both nets, so that training could go on."""
        frame.write(folder, "gan", self.net, self.wish, self.learned, self.facts)
