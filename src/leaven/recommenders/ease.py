"""EASE: the linear item–item autoencoder in closed form, with dropout noise (EDLAE)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import Histories
from leaven.errors import DataError, FitError, SpecError
from leaven.protocols import TrainingContext
from leaven.recommenders.linear_item_model import HistoryWeighting, LinearItemModel, compute_row_weights, sort_rows
from leaven.recommenders.popularity import check_half_life, compute_item_weights, select_training_rows

_BLOCK = 1024


@dataclass(frozen=True)
class Ease:
    """Every item is regressed on all other items of the same history, in closed form.

        P = (Xᵀ W X + diag(penalty))⁻¹,  weight(i → j) = -P[i, j] / P[j, j],  weight(j → j) = 0
        penalty(i) = regularization + dropout / (1 - dropout) · (Xᵀ W X)[i, i]

    X holds the items of each row, W the row weights. The order of events counts only through `recency_power` when a
    history is scored. All events of a row count, whether they are training targets or not.

    regularization  L2 penalty, in events
    dropout         share of the input events that are dropped at random, in expectation; 0: plain EASE
    half_life_days  the weight of a row halves for each such span before the end of the data; None: no decay
    recency_power, target_kind, kind_weights, own_bonus  as in `HistoryWeighting`; an item counts once, with the largest
                    weight of its kinds
    popularity_weight  ranks items without other scores
    max_memory_gb   limit of the dense matrix: 4 bytes for each pair of items with events

    EASE: Steck, "Embarrassingly shallow autoencoders for sparse data", WWW 2019, equation 8. Dropout: Steck,
    "Autoencoders that don't overfit towards the identity", NeurIPS 2020, section 3. Where we differ: rows have weights,
    and histories may be weighted by recency.

    >>> train = Histories.from_lists([[1, 2, 3], [1, 2], [3, 4]] * 5, n_items=4)
    >>> Ease(regularization=1).fit(train, TrainingContext(key=1)).recommend(Histories.from_lists([[1]], 4), 1).items
    array([[2]], dtype=int32)
    """

    regularization: float = 100.0
    dropout: float = 0.0
    half_life_days: float | None = None
    recency_power: float = 0.5
    target_kind: int | None = None
    kind_weights: tuple[float, ...] = ()
    own_bonus: float = 1.0
    popularity_weight: float = 1e-3
    max_memory_gb: float = 12.0

    def __post_init__(self) -> None:
        if not self.regularization > 0:
            raise SpecError("ease.regularization", "a number above 0", str(self.regularization), "try 100")
        if not 0 <= self.dropout < 1:
            raise SpecError("ease.dropout", "a share from 0 to below 1", str(self.dropout), "")
        if not self.popularity_weight > 0:
            raise SpecError("ease.popularity_weight", "a number above 0", str(self.popularity_weight), "try 0.001")
        check_half_life(self.half_life_days)
        self._weighting()

    def _weighting(self) -> HistoryWeighting:
        bonus = self.own_bonus if self.target_kind is not None else 0.0
        return HistoryWeighting(self.recency_power, None, self.target_kind, self.kind_weights, bonus)

    def fit(self, train: Histories, training: TrainingContext) -> LinearItemModel:
        """Solves the closed form; nothing is random, and the order of the rows does not matter.

        Raises FitError if no event has a weight above 0, or for event kinds that do not occur; DataError, before any
        work, if the matrix needs more than `max_memory_gb`.
        """
        train = sort_rows(select_training_rows(train, training))
        weighting = self._weighting()
        counts = compute_item_weights(weighting.select_target_kind(train))
        rows = compute_row_weights(train, self.half_life_days)
        unit = HistoryWeighting(0.0, None, self.target_kind, self.kind_weights)
        matrix = unit.build_matrix(train, unit.compute_event_weights(train) * (rows[train.event_rows()] > 0))
        items = np.flatnonzero(np.diff(matrix.tocsc().indptr) > 0)
        n_items = len(items)
        needed = 4 * n_items**2 / 1e9
        if needed > self.max_memory_gb:
            raise DataError(
                "ease.max_memory_gb",
                f"{needed:.1f} GB or more for {n_items:,} items",
                f"{self.max_memory_gb:g} GB",
                'raise it, or use kind = "sparse_linear", whose memory grows with the number of items only',
            )
        matrix = matrix[:, items]
        gram = (matrix.T @ matrix.multiply(rows[:, None])).tocsr()
        diagonal = gram.diagonal()
        penalty = self.regularization + self.dropout / (1 - self.dropout) * diagonal
        weights = solve_ease(gram.astype(np.float32).toarray(order="F"), penalty.astype(np.float32))
        return LinearItemModel(weighting, weights, (items + 1).astype(np.int32), counts, self.popularity_weight)

    def steps(self, train: Histories) -> None:
        """Returns None: there are no optimizer steps."""

    @staticmethod
    def load(folder: Path) -> LinearItemModel:
        """Loads what `LinearItemModel.save` wrote. Raises DataError if files are missing."""
        return LinearItemModel.load(folder)


def solve_ease(gram: npt.NDArray[np.float32], penalty: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Returns the weights of EASE, float32 (items, items), row-major, from source (row) to target (column).

    gram     float32 (items, items), column-major; overwritten, so that the matrix is in memory once
    penalty  float32 (items,): added to the diagonal

    Raises FitError if the matrix is not positive definite.
    """
    from scipy.linalg import lapack

    diagonal = np.arange(len(gram))
    gram[diagonal, diagonal] += penalty
    factor, failed = lapack.spotrf(gram, lower=1, overwrite_a=1)
    inverse, failed_too = (factor, failed) if failed else lapack.spotri(factor, lower=1, overwrite_c=1)
    if failed or failed_too:
        raise FitError("ease.regularization", "a positive definite matrix", "a singular one", "raise regularization")
    for first in range(0, len(inverse), _BLOCK):  # copies the lower triangle to the upper one, in place
        block = slice(first, first + _BLOCK)
        inverse[block, first:] = np.tril(inverse[first:, block]).T
        corner = inverse[block, block]
        inverse[block, block] = np.triu(corner) + np.triu(corner, 1).T
    weights: npt.NDArray[np.float32] = (
        inverse.T
    )  # symmetric: the same matrix, row-major, which scipy multiplies without a copy
    weights *= -1.0 / weights[diagonal, diagonal][None, :]
    weights[diagonal, diagonal] = 0.0
    return weights
