"""Variational autoencoder generator of feature rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaven.datasets.samples import Samples
from leaven.generators.privacy import Privacy
from leaven.generators.tabular.neural_generator import NetTable, check_positive, learned, loaded
from leaven.generators.tabular.row_encoding import Coding, Floats, from_rows, normal
from leaven.progress import Tell, quiet
from leaven.protocols import Keys

if TYPE_CHECKING:
    from torch import nn

    from leaven.nn.tabular_codec import Coded
    from leaven.nn.training import Task

_LABEL, _LATENT, _NOISE = 0, 100, 5_000  # first draws of a key


@dataclass(frozen=True)
class TableVae:
    """Generates rows with a variational autoencoder, given their label (Kingma and Welling, 2014; Sohn, 2015).

    learned_variance  False: squared error + KL, for categories too; True: learned variance for each numeric column and
                      cross-entropy for categories (as TVAE; Xu and others, NeurIPS 2019)
    latent            dimensions of the latent vector; kl: weight of the KL term
    bins              categories of a column with separate bins
    width, layers     of encoder and decoder; batch, epochs, learning_rate: training, at least 300 steps
    privacy           differential privacy budget of a user: { epsilon = 1.0 }; column names, levels and ranges count as
                      public; row weights are ignored; None: no privacy
    """

    learned_variance: bool = True
    latent: int = 16
    kl: float = 1.0
    bins: int = 64
    width: int = 128
    layers: int = 2
    batch: int = 256
    epochs: float = 60
    learning_rate: float = 2e-3
    device: str = "auto"
    privacy: Privacy | None = None

    def __post_init__(self) -> None:
        names = ("latent", "bins", "width", "layers", "batch", "epochs", "learning_rate")
        object.__setattr__(self, "privacy", Privacy.read(self.privacy))
        check_positive("vae", self, names)

    def fit(self, train: Samples, key: int, tell: Tell = quiet) -> NetTable:
        """Trains on weighted rows. Raises FitError for no rows, MissingExtra for privacy without Opacus."""
        if self.privacy is not None:
            from leaven.generators.tabular.dp_training import learned_privately

            return learned_privately(self, self.privacy, train, key, tell)
        return learned("vae", self, train, key, tell)

    @classmethod
    def load(cls, folder: Path) -> NetTable:
        """Loads what `save` wrote. Raises DataError where it is missing."""
        return loaded("vae", cls, folder)

    def net(self, coding: Coding, key: int) -> nn.Module:
        """Returns encoder and decoder."""
        from leaven.nn.tabular_codec import shape_of
        from leaven.nn.tabular_vae import VaeNet

        return VaeNet(shape_of(coding.numbers, coding.sizes, self.width, self.layers), self.latent, key)

    def task(self, net: Any, rows: Coded, key: int) -> Task:
        """Returns the task with reconstruction and KL loss."""
        from leaven.nn.tabular_vae import VaeTask

        return VaeTask(net, rows, self.learned_variance, self.kl, key)

    def drawn(self, net: Any, coding: Coding, keys: Keys) -> tuple[Floats, Floats]:
        """Returns decoded normal draws; with a learned variance, noise is added to the scores."""
        label = from_rows(coding, keys, _LABEL)[:, 0]
        scores, chances, spread = net.decoded(normal(keys, _LATENT, self.latent), label)
        if self.learned_variance and coding.numbers:
            scores = scores + spread * normal(keys, _NOISE, coding.numbers)
        return scores, chances
