"""Variational autoencoder generator of feature rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from leaven.datasets.samples import Samples
from leaven.field_checks import check_positive
from leaven.generators.privacy import PrivacyBudget
from leaven.generators.tabular.neural_generator import FittedNeuralGenerator, load_generator, train_generator
from leaven.generators.tabular.row_encoding import Floats, RowEncoding, draw_normals, sample_training_bins
from leaven.progress import ProgressCallback, no_progress
from leaven.protocols import OperatorTraits, RngKeys

if TYPE_CHECKING:
    from torch import nn

    from leaven.nn.tabular_codec import EncodedRows
    from leaven.nn.training import TrainingTask

_LABEL, _LATENT, _NOISE = 0, 100, 5_000  # first draws of a key


@dataclass(frozen=True)
class TabularVae:
    """Generates rows with a variational autoencoder, given their label (Kingma and Welling, 2014; Sohn, 2015).

    learned_variance  False: squared error + KL, for categories too; True: learned variance for each numeric column and
                      cross-entropy for categories (as TVAE; Xu and others, NeurIPS 2019)
    latent            dimensions of the latent vector; kl_weight: weight of the KL term
    bins              categories of a column with separate bins
    width, layers     of encoder and decoder; batch, epochs, learning_rate: training, at least 300 steps
    privacy           differential privacy budget of a user: { epsilon = 1.0 }; column names, levels and ranges count as
                      public; row weights are ignored; None: no privacy
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("table vae", role="generator", reports_progress=True)
    learned_variance: bool = True
    latent: int = 16
    kl_weight: float = 1.0
    bins: int = 64
    width: int = 128
    layers: int = 2
    batch: int = 256
    epochs: float = 60
    learning_rate: float = 2e-3
    device: str = "auto"
    privacy: PrivacyBudget | None = None

    def __post_init__(self) -> None:
        names = ("latent", "bins", "width", "layers", "batch", "epochs", "learning_rate")
        object.__setattr__(self, "privacy", PrivacyBudget.parse_budget(self.privacy))
        check_positive("vae", self, names)

    def fit(self, train: Samples, key: int, on_progress: ProgressCallback = no_progress) -> FittedNeuralGenerator:
        """Trains on weighted rows. Raises FitError for no rows, MissingExtra for privacy without Opacus."""
        if self.privacy is not None:
            from leaven.generators.tabular.dp_training import train_private_generator

            return train_private_generator(self, self.privacy, train, key, on_progress)
        return train_generator("vae", self, train, key, on_progress)

    @classmethod
    def load(cls, folder: Path) -> FittedNeuralGenerator:
        """Loads what `save` wrote. Raises DataError where it is missing."""
        return load_generator("vae", cls, folder)

    def build_network(self, coding: RowEncoding, key: int) -> nn.Module:
        """Returns encoder and decoder."""
        from leaven.nn.tabular_codec import build_shape
        from leaven.nn.tabular_vae import TabularVaeNetwork

        return TabularVaeNetwork(
            build_shape(coding.n_numbers, coding.bin_sizes, self.width, self.layers), self.latent, key
        )

    def build_task(self, net: Any, rows: EncodedRows, key: int) -> TrainingTask:
        """Returns the task with reconstruction and KL loss."""
        from leaven.nn.tabular_vae import TabularVaeTask

        return TabularVaeTask(net, rows, self.learned_variance, self.kl_weight, key)

    def sample_rows(self, net: Any, coding: RowEncoding, keys: RngKeys) -> tuple[Floats, Floats]:
        """Returns decoded normal draws; with a learned variance, noise is added to the scores."""
        label = sample_training_bins(coding, keys, _LABEL)[:, 0]
        scores, chances, spread = net.decode_arrays(draw_normals(keys, _LATENT, self.latent), label)
        if self.learned_variance and coding.n_numbers:
            scores = scores + spread * draw_normals(keys, _NOISE, coding.n_numbers)
        return scores, chances
