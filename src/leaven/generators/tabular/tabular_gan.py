"""Conditional GAN generator of feature rows."""

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
from leaven.progress import Tell, quiet
from leaven.protocols import Keys

if TYPE_CHECKING:
    from torch import nn

    from leaven.nn.tabular_codec import Coded
    from leaven.nn.training import Task

_ROW, _COLUMN, _LATENT = 0, 1, 100  # first draws of a key
LOSSES = ("minimax", "wgan_gp")


@dataclass(frozen=True)
class TableGan:
    """Generates rows with a generator trained against a critic, both conditioned on the label and one more cell.

    loss     "minimax": -E log D(x) - E log(1 - D(G(z))) (Goodfellow and others,
             2014); "wgan_gp": Wasserstein with gradient penalty (Gulrajani and others, 2017)
    rare     "wgan_gp": sample the condition by log-frequency, so that rare categories are trained (training by
             sampling; CTGAN, Xu and others, NeurIPS 2019); synthetic rows use the real frequencies
    penalty  weight of the gradient penalty; critic_steps: critic steps for each generator step
    latent, bins, width, layers, batch, epochs, learning_rate  see `TabularVae`

    Where we differ from CTGAN: numbers are normal scores, not Gaussian mixtures. "minimax" alternates single steps.
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
        check_positive("gan", self, names)

    def fit(self, train: Samples, key: int, tell: Tell = quiet) -> NetTable:
        """Trains on weighted rows. Raises FitError for no rows."""
        return learned("gan", self, train, key, tell)

    @classmethod
    def load(cls, folder: Path) -> NetTable:
        """Loads what `save` wrote. Raises DataError where it is missing."""
        return loaded("gan", cls, folder)

    def net(self, coding: Coding, key: int) -> nn.Module:
        """Returns generator and critic."""
        from leaven.nn.tabular_codec import shape_of
        from leaven.nn.tabular_gan import GanNet

        return GanNet(shape_of(coding.numbers, coding.sizes, self.width, self.layers), self.latent, key)

    def task(self, net: Any, rows: Coded, key: int) -> Task:
        """Returns the task with both losses in one step."""
        from leaven.nn.tabular_gan import GanTask

        is_wasserstein = self.loss == "wgan_gp"
        critic_steps = self.critic_steps if is_wasserstein else 1
        return GanTask(net, rows, is_wasserstein, self.rare, self.penalty, critic_steps, key)

    def drawn(self, net: Any, coding: Coding, keys: Keys) -> tuple[Floats, Floats]:
        """Returns scores and bin probabilities, conditioned on the label and one cell of a training row."""
        bins = from_rows(coding, keys, _ROW)
        column = (rng.uniform(keys, _COLUMN) * bins.shape[1]).astype(np.int64)
        scores, odds = net.made_of(normal(keys, _LATENT, self.latent), bins, column)
        return scores, odds
