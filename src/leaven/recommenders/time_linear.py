"""Time-aware linear item–item model: the next event is regressed on the events before it, weighted by distance."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import Histories
from leaven.errors import SpecError
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
from leaven.recommenders.sparse_linear import solve_sparse

if TYPE_CHECKING:
    import scipy.sparse as sparse

_DAY = 86_400


@dataclass(frozen=True)
class TimeLinear:
    """Every event is regressed on the events before it, in windows with a single target.

    An event at position t with the sources t - 1, t - 2, …, t - max_lag is one window. Source t - lag has the weight

        lag ** -lag_power · exp(-days between them / time_scale_days)

    `backward_weight` is the weight of the windows in the other direction, where an event is regressed on the events
    after it. The weights solve a ridge regression on the `max_neighbors` nearest sources of each target, as in
    `SparseLinear`. The same formula weighs the events of a history when it is scored, with the distance to its last
    event.

    regularization   L2 penalty, in events
    time_scale_days  None: times are not read
    half_life_days   the weight of a row halves for each such span before the end of the data; None: no decay
    popularity_weight  ranks items without other scores

    Windows with a single target and exponential time weights: TALE (Park and others, "Temporal linear item–item model
    for sequential recommendation", WSDM 2025, section 4), after SLIST (Choi and others, "Session-aware linear item–item
    models", WWW 2021). Where we differ: both directions are one regression, it is solved on neighborhoods, sources are
    also weighted by position, and popular targets are not damped. A window counts if its target is a training target.

    >>> train = Histories.from_lists([[1, 2, 3], [3, 1, 2], [1, 2]], n_items=4)
    >>> TimeLinear().fit(train, TrainingContext(key=1)).recommend(Histories.from_lists([[1]], 4), k=3).items.tolist()
    [[2, 3, 4]]
    """

    regularization: float = 100.0
    lag_power: float = 0.3
    time_scale_days: float | None = 180.0
    backward_weight: float = 0.5
    max_lag: int = 20
    max_neighbors: int = 50
    half_life_days: float | None = None
    popularity_weight: float = 1e-3

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            is_count = name.startswith("max_")
            if value is not None and not (value >= 1 if is_count else value >= 0):
                raise SpecError(f"time_linear.{name}", "1 or more" if is_count else "0 or more", str(value), "")
        if not (self.regularization > 0 and self.popularity_weight > 0):
            got = f"{self.regularization}, {self.popularity_weight}"
            raise SpecError("time_linear.regularization, popularity_weight", "numbers above 0", got, "")
        check_half_life(self.half_life_days)
        self._weighting()

    def _weighting(self) -> HistoryWeighting:
        return HistoryWeighting(self.lag_power, self.time_scale_days)

    def fit(self, train: Histories, training: TrainingContext) -> LinearItemModel:
        """Solves one small system per item; nothing is random, and the order of the rows does not matter.

        Raises FitError if no event has a weight above 0.
        """
        import scipy.sparse as sparse

        train = sort_rows(select_training_rows(train, training))
        pairs = self._list_pairs(train, compute_row_weights(train, self.half_life_days))
        gram = sparse.csr_matrix((train.n_items, train.n_items))
        products = gram
        for is_forward in (True, False):
            source, target = (pairs.earlier, pairs.later) if is_forward else (pairs.later, pairs.earlier)
            factor = 1.0 if is_forward else self.backward_weight
            if factor == 0.0 or not len(source):
                continue
            windows = _build_matrix(target, train.items[source], pairs.weight, train)
            scaled = _build_matrix(target, train.items[source], pairs.weight * pairs.row_weight * factor, train)
            gram = gram + windows.T @ scaled
            ones = np.ones(train.n_events)
            events = _build_matrix(np.arange(train.n_events), train.items, ones, train)
            products = products + events.T @ scaled
        penalty = np.full(train.n_items, self.regularization)
        weights = solve_sparse(
            sparse.csr_matrix(gram), sparse.csr_matrix(products), penalty, self.max_neighbors, training.on_progress
        )
        return build_model(self._weighting(), weights, train, self.popularity_weight)

    def _list_pairs(self, train: Histories, row_weights: Floats) -> _Pairs:
        """Returns the pairs of events within `max_lag` whose later event is a target, and whose weight is above 0."""
        rows, position = train.event_rows(), np.arange(train.n_events)
        first, first_target = train.starts[rows], (train.starts[1:] - train.n_targets)[rows]
        is_item = (train.items >= 1) & (train.items <= train.n_items)
        counted = is_item & (position >= first_target) & (row_weights[rows] > 0)
        earlier, later = [], []
        for lag in range(1, self.max_lag + 1):
            ends = np.flatnonzero(counted & (position - lag >= first))
            ends = ends[is_item[ends - lag]]
            earlier.append(ends - lag)
            later.append(ends)
        before, after = np.concatenate(earlier), np.concatenate(later)
        weight = (after - before).astype(float) ** -self.lag_power
        if self.time_scale_days is not None:
            weight *= np.exp((train.times[before] - train.times[after]) / (self.time_scale_days * _DAY))
        return _Pairs(before, after, weight, row_weights[rows[after]])

    def steps(self, train: Histories) -> None:
        """Returns None: there are no optimizer steps."""

    @staticmethod
    def load(folder: Path) -> LinearItemModel:
        """Loads what `LinearItemModel.save` wrote. Raises DataError if files are missing."""
        return LinearItemModel.load(folder)


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Pairs of events of one row. earlier, later: int64 (pairs,), indices of events; weight, row_weight: float64."""

    earlier: npt.NDArray[np.int64]
    later: npt.NDArray[np.int64]
    weight: Floats
    row_weight: Floats


def _build_matrix(
    events: npt.NDArray[np.int64], items: npt.NDArray[np.int32], values: Floats, train: Histories
) -> sparse.csr_matrix:
    """Returns the sums of values for each event and item, float64 (events, n_items); the mask has no column."""
    import scipy.sparse as sparse

    is_item = (items >= 1) & (items <= train.n_items)
    place = (events[is_item], items[is_item].astype(np.int64) - 1)
    return sparse.csr_matrix((values[is_item], place), shape=(train.n_events, train.n_items))
