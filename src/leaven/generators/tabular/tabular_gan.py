"""Conditional GAN generator of feature rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from leaven import rng
from leaven.datasets.samples import Samples
from leaven.errors import SpecError
from leaven.field_checks import check_positive
from leaven.generators.tabular.neural_generator import FittedNeuralGenerator, load_generator, train_generator
from leaven.generators.tabular.row_encoding import Floats, RowEncoding, draw_normals, sample_training_bins
from leaven.progress import ProgressCallback, no_progress
from leaven.protocols import OperatorTraits, RngKeys

if TYPE_CHECKING:
    from torch import nn

    from leaven.nn.tabular_codec import EncodedRows
    from leaven.nn.training import TrainingTask

_ROW, _COLUMN, _LATENT = 0, 1, 100  # first draws of a key
LOSSES = ("minimax", "wgan_gp")


@dataclass(frozen=True)
class TabularGan:
    """Generates rows with a generator trained against a critic, both conditioned on the label and one more cell.

    loss                            "minimax": -E log D(x) - E log(1 - D(G(z))) (Goodfellow and others, 2014);
                                    "wgan_gp": Wasserstein with gradient penalty (Gulrajani and others, 2017)
    balance_categories              "wgan_gp": sample the condition by log-frequency, so that rare categories are
                                    trained (training by sampling; CTGAN, Xu and others, NeurIPS 2019); synthetic rows
                                    use the real frequencies
    penalty                         weight of the gradient penalty; critic_steps: critic steps for each generator step
    latent, bins, width, layers, batch, epochs, learning_rate  see `TabularVae`

    Where we differ from CTGAN: numbers are normal scores, not Gaussian mixtures. "minimax" alternates single steps.
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("table gan", role="generator", reports_progress=True)
    loss: Literal["minimax", "wgan_gp"] = "wgan_gp"
    balance_categories: bool = True
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

    def fit(self, train: Samples, key: int, on_progress: ProgressCallback = no_progress) -> FittedNeuralGenerator:
        """Trains on weighted rows. Raises FitError for no rows."""
        return train_generator("gan", self, train, key, on_progress)

    @classmethod
    def load(cls, folder: Path) -> FittedNeuralGenerator:
        """Loads what `save` wrote. Raises DataError where it is missing."""
        return load_generator("gan", cls, folder)

    def build_network(self, coding: RowEncoding, key: int) -> nn.Module:
        """Returns generator and critic."""
        from leaven.nn.tabular_codec import build_shape
        from leaven.nn.tabular_gan import TabularGanNetwork

        return TabularGanNetwork(
            build_shape(coding.n_numbers, coding.bin_sizes, self.width, self.layers), self.latent, key
        )

    def build_task(self, net: Any, rows: EncodedRows, key: int) -> TrainingTask:
        """Returns the task with both losses in one step."""
        from leaven.nn.tabular_gan import TabularGanTask

        is_wasserstein = self.loss == "wgan_gp"
        critic_steps = self.critic_steps if is_wasserstein else 1
        return TabularGanTask(net, rows, is_wasserstein, self.balance_categories, self.penalty, critic_steps, key)

    def sample_rows(self, net: Any, coding: RowEncoding, keys: RngKeys) -> tuple[Floats, Floats]:
        """Returns scores and bin probabilities, conditioned on the label and one cell of a training row."""
        bins = sample_training_bins(coding, keys, _ROW)
        column = (rng.draw_uniform(keys, _COLUMN) * bins.shape[1]).astype(np.int64)
        scores, odds = net.generate_rows(draw_normals(keys, _LATENT, self.latent), bins, column)
        return scores, odds
