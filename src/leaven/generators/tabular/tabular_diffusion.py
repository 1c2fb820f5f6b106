"""Diffusion generator of feature rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from leaven.datasets.samples import Samples
from leaven.field_checks import check_positive
from leaven.generators.tabular.neural_generator import FittedNeuralGenerator, load_generator, train_generator
from leaven.generators.tabular.row_encoding import Floats, RowEncoding, draw_normals, sample_training_bins
from leaven.progress import ProgressCallback, no_progress
from leaven.protocols import OperatorTraits, RngKeys

if TYPE_CHECKING:
    from torch import nn

    from leaven.nn.tabular_codec import EncodedRows
    from leaven.nn.training import TrainingTask

_LABEL, _STEP = 0, 100_000  # first draws of a key; each step has a thousand for numbers, a thousand for bins


@dataclass(frozen=True)
class TabularDiffusion:
    """Generates rows by diffusion: Gaussian noise on numbers, uniform noise on categories, given the label (TabDDPM;
    Kotelnikov and others, ICML 2023).

    steps                           noise steps of the cosine schedule (Nichol and Dhariwal, 2021), each with one
                                    network pass when sampling
    bins, width, layers, batch, epochs, learning_rate  see `TabularVae`

    Where we differ from TabDDPM: the network predicts the clean category with cross-entropy (Hoogeboom and others,
    NeurIPS 2021, eq. 12-13 for the reverse step); numbers are normal scores; fewer steps.
    """

    traits: ClassVar[OperatorTraits] = OperatorTraits("table diffusion", role="generator", reports_progress=True)
    steps: int = 50
    bins: int = 64
    width: int = 192
    layers: int = 3
    batch: int = 256
    epochs: float = 100
    learning_rate: float = 2e-3
    device: str = "auto"

    def __post_init__(self) -> None:
        names = ("steps", "bins", "width", "layers", "batch", "epochs", "learning_rate")
        check_positive("diffusion", self, names)

    def fit(self, train: Samples, key: int, on_progress: ProgressCallback = no_progress) -> FittedNeuralGenerator:
        """Trains on weighted rows. Raises FitError for no rows."""
        return train_generator("diffusion", self, train, key, on_progress)

    @classmethod
    def load(cls, folder: Path) -> FittedNeuralGenerator:
        """Loads what `save` wrote. Raises DataError where it is missing."""
        return load_generator("diffusion", cls, folder)

    def build_network(self, coding: RowEncoding, key: int) -> nn.Module:
        """Returns the network that predicts the clean row."""
        from leaven.nn.tabular_codec import build_shape
        from leaven.nn.tabular_diffusion import DenoisingNetwork

        return DenoisingNetwork(
            build_shape(coding.n_numbers, coding.bin_sizes, self.width, self.layers), coding.seen, self.steps, key
        )

    def build_task(self, net: Any, rows: EncodedRows, key: int) -> TrainingTask:
        """Returns the task of predicting noise and clean categories at uniformly drawn steps."""
        from leaven.nn.tabular_diffusion import DenoisingTask

        return DenoisingTask(net, rows, key)

    def sample_rows(self, net: Any, coding: RowEncoding, keys: RngKeys) -> tuple[Floats, Floats]:
        """Returns scores and bin probabilities: noise, then one reverse step at a time."""
        label = sample_training_bins(coding, keys, _LABEL)[:, 0]
        scores = draw_normals(keys, _STEP, coding.n_numbers) if coding.n_numbers else np.zeros((len(keys), 0))
        prior = np.tile(net.prior.numpy(), (len(keys), 1))  # after the last noise step
        bins = coding.sample_bins(prior, keys, _STEP + 1_000)
        for step in range(self.steps - 1, -1, -1):
            scores, chances, spread = net.denoise_rows(scores, bins, label, step)
            if step == 0:
                break
            first = _STEP + 2_000 * (self.steps - step)
            scores = scores + spread * draw_normals(keys, first, coding.n_numbers) if coding.n_numbers else scores
            bins = coding.sample_bins(chances, keys, first + 1_000)
        return scores, chances
