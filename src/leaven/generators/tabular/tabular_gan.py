"""Which rows does a net make that another cannot tell from real ones?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from leaven import rng
from leaven.datasets.samples import Samples
from leaven.errors import SpecError
from leaven.generators.tabular.neural_generator import NetTable, check_positive, learned, loaded
from leaven.generators.tabular.row_encoding import Coding, Floats, from_rows, normal
from leaven.generators.tabular.row_schema import Keys
from leaven.progress import Tell, quiet

if TYPE_CHECKING:
    from torch import nn

    from leaven.nn.tabular_codec import Coded
    from leaven.nn.training import Task

_ROW, _COLUMN, _LATENT = 0, 1, 100  # where the draws of a key begin
LOSSES = ("minimax", "wgan_gp")


@dataclass(frozen=True)
class TableGan:
    """The config for a generator of rows that learns against a critic, both given the label and one more cell.

    loss     "minimax": -E log D(x) - E log(1 - D(G(z))), made small by one and large by the other, as first written
             (Goodfellow and others, 2014); "wgan_gp": what a smooth critic sees (Gulrajani and others, 2017)
    rare     "wgan_gp": the given cell is drawn by the logarithm of how frequent it is, so that rare names are learned
             (training by sampling; CTGAN, Xu and others, NeurIPS 2019); made rows are given cells as frequent as real
    penalty  weight of the critic's gradient penalty; critic_steps: steps of the critic for one of the generator
    latent, bins, width, layers, batch, epochs, learning_rate  as in `TableVae`

    Where we differ from CTGAN: numbers are normal scores, not mixtures of bells. "minimax" takes turns one to one.
    """

    loss: Literal["minimax", "wgan_gp"] = "wgan_gp"
    rare: bool = True
    penalty: float = 10.0
    critic_steps: int = 3
    latent: int = 32
    bins: int = 64
    width: int = 128
    layers: int = 2
    batch: int = 256
    epochs: float = 100
    learning_rate: float = 1e-3
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise SpecError("gan.loss", " or ".join(LOSSES), repr(self.loss), "")
        names = ("penalty", "critic_steps", "latent", "bins", "width", "layers", "batch", "epochs", "learning_rate")
        check_positive("gan", self, *names)

    def fit(self, train: Samples, key: int, tell: Tell = quiet) -> NetTable:
        """Learns from the rows, by their weights; FitError for no rows."""
        return learned("gan", self, train, key, tell)

    @classmethod
    def load(cls, folder: Path) -> NetTable:
        """What `save` wrote; DataError where it is not there."""
        return loaded("gan", cls, folder)

    def net(self, coding: Coding, key: int) -> nn.Module:
        """Generator and critic."""
        from leaven.nn.tabular_codec import shape_of
        from leaven.nn.tabular_gan import GanNet

        return GanNet(shape_of(coding.numbers, coding.sizes, self.width, self.layers), self.latent, key)

    def task(self, net: Any, rows: Coded, key: int) -> Task:
        """Both losses in one step."""
        from leaven.nn.tabular_gan import GanTask

        smooth = self.loss == "wgan_gp"
        return GanTask(net, rows, smooth, self.rare, self.penalty, self.critic_steps if smooth else 1, key)

    def drawn(self, net: Any, coding: Coding, keys: Keys) -> tuple[Floats, Floats]:
        """Label and one cell of a training row are given; the rest is the generator's."""
        bins = from_rows(coding, keys, _ROW)
        column = (rng.uniform(keys, _COLUMN) * bins.shape[1]).astype(np.int64)
        scores, odds = net.made_of(normal(keys, _LATENT, self.latent), bins, column)
        return scores, odds
