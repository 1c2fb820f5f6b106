"""Encoded rows of tabular networks: numeric scores and binned columns as tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leaven import rng

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TabularShape:
    """Sizes of a tabular network.

    n_numeric      numeric scores of a row
    bin_counts     bins of each discrete column; the first column is the label
    width, layers  of the hidden layers
    """

    n_numeric: int
    bin_counts: tuple[int, ...]
    width: int
    layers: int

    @property
    def n_labels(self) -> int:
        """Number of label bins."""
        return self.bin_counts[0]

    @property
    def row_width(self) -> int:
        """Width of a row with one-hot bins."""
        return self.n_numeric + sum(self.bin_counts)


class DecodedRows(NamedTuple):
    """Distribution of decoded rows: mean of the numeric scores, float64 (rows, n_numeric); bin probabilities (rows, all
    bins); standard deviation of the scores, one or one per column.
    """

    scores: Floats
    probabilities: Floats
    deviation: Floats | float


def build_shape(n_numeric: int, bin_counts: Sequence[int], width: int, layers: int) -> TabularShape:
    """Builds a shape with plain integers."""
    return TabularShape(n_numeric, tuple(int(size) for size in bin_counts), width, layers)


@dataclass(frozen=True, eq=False)
class EncodedRows:
    """Training rows. scores float32 (rows, n_numeric); bins int64 (rows, discrete columns); weight float32 (rows,);
    batch_size: rows of one step.
    """

    scores: Tensor
    bins: Tensor
    weight: Tensor
    batch_size: int

    def __len__(self) -> int:
        return len(self.bins)

    def take(self, rows: Tensor) -> EncodedRows:
        """Returns these rows."""
        return EncodedRows(self.scores[rows], self.bins[rows], self.weight[rows], self.batch_size)

    def to(self, device: torch.device) -> EncodedRows:
        """Returns the rows on another device."""
        return EncodedRows(self.scores.to(device), self.bins.to(device), self.weight.to(device), self.batch_size)

    def shuffle_batches(self, key: int) -> list[Tensor]:
        """Returns the row indices of each step of an epoch, in an order determined by the key."""
        order = torch.from_numpy(rng.make_generator(key).permutation(len(self)))
        return list(order.split(self.batch_size))

    def split_validation(self, key: int) -> tuple[EncodedRows, EncodedRows]:
        """Splits rows at random into (training: 90 %, validation: 10 %); below 100 rows, validation is empty."""
        order = torch.from_numpy(rng.make_generator(key).permutation(len(self)))
        n_validation = len(self) // 10 if len(self) >= 100 else 0
        return self.take(order[n_validation:]), self.take(order[:n_validation])


def encode_one_hot(bins: Tensor, bin_counts: Sequence[int]) -> Tensor:
    """Returns one-hot bins, float32 (rows, all bins)."""
    parts = [F.one_hot(bins[:, column], size) for column, size in enumerate(bin_counts)]
    return torch.cat(parts, dim=1).float()


def compute_probabilities(logits: Tensor, bin_counts: Sequence[int]) -> Tensor:
    """Returns the softmax of each column, (rows, all bins)."""
    return torch.cat([part.softmax(1) for part in logits.split(list(bin_counts), dim=1)], dim=1)


def compute_cross_entropy(logits: Tensor, bins: Tensor, bin_counts: Sequence[int]) -> Tensor:
    """Returns the cross-entropy of bins, summed over the columns, (rows,)."""
    return compute_one_hot_cross_entropy(logits, encode_one_hot(bins, bin_counts), bin_counts)


def compute_one_hot_cross_entropy(logits: Tensor, one_hot: Tensor, bin_counts: Sequence[int]) -> Tensor:
    """Returns the cross-entropy of one-hot bins, summed over the columns, (rows,)."""
    log_probabilities = torch.cat([part.log_softmax(1) for part in logits.split(list(bin_counts), dim=1)], dim=1)
    return -(one_hot * log_probabilities).sum(1)


def build_mlp(*sizes: int) -> nn.Sequential:
    """Builds linear layers of these sizes with SiLU between them."""
    parts: list[nn.Module] = []
    for low, high in pairwise(sizes):
        parts += [nn.Linear(low, high), nn.SiLU()]
    return nn.Sequential(*parts[:-1])


@torch.no_grad()
def draw_weights(net: nn.Module, key: int) -> None:
    """Draws all weights from the key and sets biases to 0."""
    generator = torch.Generator().manual_seed(key)
    for weights in net.parameters():
        if weights.dim() > 1:
            bound = 1 / math.sqrt(weights.shape[1])
            weights.uniform_(-bound, bound, generator=generator)
        else:
            weights.zero_()


def weighted_mean(values: Tensor, weight: Tensor) -> Tensor:
    """Returns the weighted mean of values (rows,)."""
    return (values * weight).sum() / weight.sum().clamp(min=1e-9)
