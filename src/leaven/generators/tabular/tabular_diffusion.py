"""Diffusion generator of feature rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from leaven.datasets.samples import Samples
from leaven.generators.tabular.neural_generator import NetTable, check_positive, learned, loaded
from leaven.generators.tabular.row_encoding import Coding, Floats, from_rows, normal
from leaven.progress import Tell, quiet
from leaven.protocols import Keys

if TYPE_CHECKING:
    from torch import nn

    from leaven.nn.tabular_codec import Coded
    from leaven.nn.training import Task

_LABEL, _STEP = 0, 100_000  # first draws of a key; each step has a thousand for numbers, a thousand for bins


@dataclass(frozen=True)
class TableDiffusion:
    """Generates rows by diffusion: Gaussian noise on numbers, uniform noise on categories, given the label (TabDDPM;
    Kotelnikov and others, ICML 2023).

    steps    noise steps of the cosine schedule (Nichol and Dhariwal, 2021), each with one network pass when sampling
    bins, width, layers, batch, epochs, learning_rate  see `TabularVae`

    Where we differ from TabDDPM: the network predicts the clean category with cross-entropy (Hoogeboom and others,
    NeurIPS 2021, eq. 12-13 for the reverse step); numbers are normal scores; fewer steps.
    """

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

    def fit(self, train: Samples, key: int, tell: Tell = quiet) -> NetTable:
        """Trains on weighted rows. Raises FitError for no rows."""
        return learned("diffusion", self, train, key, tell)

    @classmethod
    def load(cls, folder: Path) -> NetTable:
        """Loads what `save` wrote. Raises DataError where it is missing."""
        return loaded("diffusion", cls, folder)

    def net(self, coding: Coding, key: int) -> nn.Module:
        """Returns the network that predicts the clean row."""
        from leaven.nn.tabular_codec import shape_of
        from leaven.nn.tabular_diffusion import CleanNet

        return CleanNet(shape_of(coding.numbers, coding.sizes, self.width, self.layers), coding.seen, self.steps, key)

    def task(self, net: Any, rows: Coded, key: int) -> Task:
        """Returns the task of predicting noise and clean categories at uniformly drawn steps."""
        from leaven.nn.tabular_diffusion import CleanTask

        return CleanTask(net, rows, key)

    def drawn(self, net: Any, coding: Coding, keys: Keys) -> tuple[Floats, Floats]:
        """Returns scores and bin probabilities: noise, then one reverse step at a time."""
        label = from_rows(coding, keys, _LABEL)[:, 0]
        scores = normal(keys, _STEP, coding.numbers) if coding.numbers else np.zeros((len(keys), 0))
        prior = np.tile(net.prior.numpy(), (len(keys), 1))  # after the last noise step
        bins = coding.drawn(prior, keys, _STEP + 1_000)
        for step in range(self.steps - 1, -1, -1):
            scores, chances, spread = net.back(scores, bins, label, step)
            if step == 0:
                break
            first = _STEP + 2_000 * (self.steps - step)
            scores = scores + spread * normal(keys, first, coding.numbers) if coding.numbers else scores
            bins = coding.drawn(chances, keys, first + 1_000)
        return scores, chances
