"""Featurizers: embeddings, interpretable features, noise and per-row statistics of rows of one modality.

Training rows fit the encoder; the fold fits the noise model and the attacker's model of ordinary rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.metrics.synthetic import FeaturizedRows, memorization

Points = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

MAX_ENCODER_ROWS = 20_000  # training rows in the fit of an encoder


@dataclass(frozen=True, eq=False)
class FeatureInfo:
    """Descriptions of the features of a featurizer, and of its items.

    names       of the features
    groups      int64 (n_items + 2,): group of each item; popularity int64 (n_items + 1,): its training events; else ()
    constant    columns of a table with a single value
    called      of images: the name of the Fréchet distance in this embedding; learned: how the embedding was fitted
    """

    names: Sequence[str]
    groups: Counts = field(default_factory=lambda: np.zeros(0, np.int64))
    popularity: Counts = field(default_factory=lambda: np.zeros(0, np.int64))
    constant: tuple[str, ...] = ()
    called: str = ""
    learned: str = ""


class Featurizer(Protocol):
    """Turns rows of one kind into a sample for the metrics."""

    @property
    def info(self) -> FeatureInfo: ...

    def featurize(self, rows: Any) -> FeaturizedRows:
        """Return the sample of rows of the featurizer's kind, in their order."""
        ...


def choose_rows(rows: int, most: int, key: int) -> Counts:
    """Return the indices of a random subset of at most `most` rows, int64, ascending."""
    if rows <= most:
        return np.arange(rows)
    return np.sort(rng.make_generator(key).permutation(rows)[:most])


def compare_runs(rows: Histories, real: Histories) -> dict[str, Points]:
    """Return what rows share with training rows, item by item or token by token."""
    return {
        "copied": memorization.is_exact_copy(rows, real).astype(np.float64),
        "nearly": memorization.is_near_copy(rows, real).astype(np.float64),
        "longest_run": memorization.measure_longest_runs(rows, real).astype(np.float64),
        "novel": memorization.compute_novel_share(rows, real, 2),
    }


def compare_points(points: Points, training: Points) -> dict[str, Points]:
    """Return the nearest training row of each row, its distance, and the cell of the space (octant of three axes)."""
    distance, index = memorization.find_nearest(points, training)
    first = training[:, :3]
    above = (points[:, :3] > np.median(first, axis=0)).astype(np.int64)
    facts = {
        "nearest": distance,
        "authentic": memorization.is_authentic(distance, index, training),
        "cell": above @ (1 << np.arange(above.shape[1])),
        "place": index,
    }
    return {name: values.astype(np.float64) for name, values in facts.items()}
