"""Sparse linear item–item model: each item is regressed on its nearest items only, so that memory stays small."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from leaven.datasets.histories import Histories
from leaven.errors import SpecError
from leaven.progress import ProgressCallback
from leaven.protocols import TrainingContext
from leaven.recommenders.linear_item_model import (
    Floats,
    HistoryWeighting,
    LinearItemModel,
    build_model,
    compute_row_weights,
    sort_rows,
)
from leaven.recommenders.popularity import check_half_life, select_training_rows

if TYPE_CHECKING:
    import scipy.sparse as sparse

    from leaven.kernels.neighborhood_ridge import SparseRows

_ITEMS_PER_TASK = 512


@dataclass(frozen=True)
class SparseLinear:
    """Every item is regressed on its `max_neighbors` nearest items of the same history (ridge regression).

        weights of j = (G[N, N] + diag(penalty))⁻¹ G[N, j]  with G = Xᵀ W X and N the neighborhood of j
        N: the items with the largest G[i, j] / sqrt(G[i, i] + penalty(i)), without j

    With every item in each neighborhood this is `Ease`. With 50 neighbors it comes within 2 % of it on Beauty at a
    twentieth of the processor time, without a dense matrix (docs/evidence/rivals.md). All events of a row count,
    whether they are training targets or not.

    regularization  L2 penalty, in events
    dropout         share of the input events that are dropped at random, in expectation, as in `Ease`
    max_neighbors   items on which an item is regressed: bounds memory and time
    half_life_days  the weight of a row halves for each such span before the end of the data; None: no decay
    recency_power, target_kind, kind_weights, own_bonus  as in `HistoryWeighting`. With event kinds, events of the
                    target kind are regressed on the events of all kinds, each kind with separate weights
    popularity_weight  ranks items without other scores

    SLIM with feature selection: Ning and Karypis, ICDM 2011, section "fsSLIM". Where we differ: a ridge penalty in
    closed form instead of the elastic net, negative weights are allowed, and rows have weights.

    >>> train = Histories.from_lists([[1, 2, 3], [1, 2], [3, 4]] * 5, n_items=4)
    >>> model = SparseLinear(regularization=1).fit(train, TrainingContext(key=1))
    >>> model.recommend(Histories.from_lists([[1]], 4), 1).items
    array([[2]], dtype=int32)
    """

    regularization: float = 50.0
    dropout: float = 0.0
    max_neighbors: int = 50
    half_life_days: float | None = None
    recency_power: float = 0.5
    target_kind: int | None = None
    kind_weights: tuple[float, ...] = ()
    own_bonus: float = 1.0
    popularity_weight: float = 1e-3

    def __post_init__(self) -> None:
        if not self.regularization > 0:
            raise SpecError("sparse_linear.regularization", "a number above 0", str(self.regularization), "try 50")
        if not 0 <= self.dropout < 1:
            raise SpecError("sparse_linear.dropout", "a share from 0 to below 1", str(self.dropout), "")
        if self.max_neighbors < 1:
            raise SpecError("sparse_linear.max_neighbors", "1 or more", str(self.max_neighbors), "try 50")
        if not self.popularity_weight > 0:
            raise SpecError("sparse_linear.popularity_weight", "a number above 0", str(self.popularity_weight), "")
        check_half_life(self.half_life_days)
        self._weighting()

    def _weighting(self) -> HistoryWeighting:
        has_kinds = self.target_kind is not None
        bonus = self.own_bonus if has_kinds else 0.0
        return HistoryWeighting(self.recency_power, None, self.target_kind, self.kind_weights, bonus, by_kind=has_kinds)

    def fit(self, train: Histories, training: TrainingContext) -> LinearItemModel:
        """Solves one small system per item; nothing is random, and the order of the rows does not matter.

        Raises FitError if no event has a weight above 0, or for event kinds that do not occur.
        """
        train = sort_rows(select_training_rows(train, training))
        rows = compute_row_weights(train, self.half_life_days)
        weighting = self._weighting()
        unit = HistoryWeighting(0.0, None, self.target_kind, self.kind_weights, by_kind=self.target_kind is not None)
        counted = rows[train.event_rows()] > 0
        sources = unit.build_matrix(train, unit.compute_event_weights(train) * counted)
        single = HistoryWeighting()
        target_rows = weighting.select_target_kind(train)
        targets = single.build_matrix(
            target_rows, single.compute_event_weights(target_rows) * (rows[target_rows.event_rows()] > 0)
        )
        weighted = sources.multiply(rows[:, None]).tocsr()
        gram, products = (sources.T @ weighted).tocsr(), (targets.T @ weighted).tocoo()
        products.data[products.col == products.row + train.n_items * (self.target_kind or 0)] = 0.0
        penalty = self.regularization + self.dropout / (1 - self.dropout) * gram.diagonal()
        weights = solve_sparse(gram, products.tocsr(), penalty, self.max_neighbors, training.on_progress)
        return build_model(weighting, weights, train, self.popularity_weight)

    def steps(self, train: Histories) -> None:
        """Returns None: there are no optimizer steps."""

    @staticmethod
    def load(folder: Path) -> LinearItemModel:
        """Loads what `LinearItemModel.save` wrote. Raises DataError if files are missing."""
        return LinearItemModel.load(folder)


def solve_sparse(
    gram: sparse.csr_matrix,
    products: sparse.csr_matrix,
    penalty: Floats,
    max_neighbors: int,
    on_progress: ProgressCallback,
) -> sparse.csr_matrix:
    """Returns the weights of ridge regressions on neighborhoods, float32 (sources, targets).

    gram      (sources, sources): products of the sources
    products  (targets, sources): products of each target with the sources; 0 excludes a source
    penalty   float64 (sources,)
    """
    import scipy.sparse as sparse

    from leaven.arrays.parallel import freeze_array
    from leaven.kernels.neighborhood_ridge import RidgeProblem, solve_neighborhoods

    n_targets, n_sources = products.shape
    products.eliminate_zeros()
    diagonal = freeze_array(np.asarray(gram.diagonal(), np.float64))
    problem = RidgeProblem(_to_rows(gram), _to_rows(products), diagonal, freeze_array(penalty))
    bounds = [(first, min(first + _ITEMS_PER_TASK, n_targets)) for first in range(0, n_targets, _ITEMS_PER_TASK)]
    parts = []
    with ThreadPoolExecutor(count_threads()) as pool:
        jobs = [pool.submit(solve_neighborhoods, problem, first, last, max_neighbors) for first, last in bounds]
        for done, job in enumerate(jobs, 1):
            parts.append(job.result())
            on_progress(done, len(jobs), "solving neighborhoods")
    lengths, sources, values = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    starts = np.concatenate([[0], np.cumsum(lengths)])
    return sparse.csr_matrix((values, sources, starts), shape=(n_targets, n_sources)).T.tocsr()


def _to_rows(matrix: sparse.csr_matrix) -> SparseRows:
    from leaven.arrays.parallel import freeze_array
    from leaven.kernels.neighborhood_ridge import SparseRows

    matrix.sort_indices()
    starts, columns = (freeze_array(array.astype(np.int64)) for array in (matrix.indptr, matrix.indices))
    return SparseRows(starts, columns, freeze_array(matrix.data.astype(np.float64)))


def count_threads() -> int:
    """Returns the number of threads of the kernels: OMP_NUM_THREADS if set, else the available CPUs."""
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return int(limit) if limit.isdigit() and int(limit) > 0 else os.cpu_count() or 1
