"""Sequential item-kNN recommender.

Scores items by their weighted co-occurrence with the last items of a history. Compiled, trained in seconds on a CPU,
and strong on short histories.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import Histories
from leaven.errors import SpecError
from leaven.protocols import RankedItems, TrainingContext
from leaven.recommenders.popularity import check_request, compute_item_weights, order_by_weight, select_training_rows
from leaven.storage import load_arrays, save_arrays

if TYPE_CHECKING:
    from leaven.kernels.item_neighbors import PairWeights
    from leaven.kernels.top_n_lists import NeighborLists

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_ITEMS_PER_TASK = 2048
_USERS_PER_TASK = 4096


@dataclass(frozen=True)
class ItemKnn:
    """Item neighbors by weighted co-occurrence, summed over the last events of a history.

    A pair of events of one row, *a* before *b* at distance `lag`, adds row weight · `lag ** -lag_power` to a → b, and
    `backward_weight` times that to b → a. With s the sum over all pairs,

        confidence(a → b) = s · s / (s + confidence_shrinkage)
        similarity(a → b) = confidence / ((n_a + shrinkage) ** source_power · (n_b + shrinkage) ** target_power)
        score(b) = Σ_j (j + 1) ** -recency_power · similarity(j-th last item → b)  +  popularity_weight · n_b / max n

    with n the weight of an item's events. Defaults were chosen on validation users of two data sets
    (docs/results/itemknn.md) and need no tuning.

    max_lag        largest distance of a pair
    max_neighbors  neighbors stored per item: bounds memory
    max_events     last events of a history that contribute to scores

    Item-based neighbors: Deshpande and Karypis, "Item-based top-N recommendation algorithms", ACM TOIS
    2004, section 4 (a conditional probability damped by a power of popularity, and shrunk). Weight by
    distance in the history: STAN (Garg et al., SIGIR 2019) and Ludewig and Jannach (UMUAI 2018). Where we
    differ: powers instead of exponentials, both directions with unequal weight, and a pair counts only
    if its later event is a training target.

    >>> train = Histories.from_lists([[1, 2, 3], [3, 1, 2], [1, 2]], n_items=4)
    >>> ItemKnn().fit(train, TrainingContext(key=1)).recommend(Histories.from_lists([[1]], 4), k=3).items.tolist()
    [[2, 3, 4]]
    """

    lag_power: float = 0.4
    backward_weight: float = 0.35
    confidence_shrinkage: float = 1.0
    source_power: float = 0.5
    target_power: float = 0.2
    shrinkage: float = 10.0
    recency_power: float = 1.0
    popularity_weight: float = 0.03
    max_lag: int = 50
    max_neighbors: int = 200
    max_events: int = 5

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            minimum = 1 if name.startswith("max_") else -np.inf if name in ("source_power", "target_power") else 0
            if not value >= minimum:
                raise SpecError(name, f"{minimum} or more", str(value), "")
        if not self.popularity_weight > 0:
            raise SpecError("popularity_weight", "a number above 0: it ranks items without neighbors", "0", "try 0.001")

    def fit(self, train: Histories, training: TrainingContext) -> FittedItemKnn:
        """Counts co-occurrences; nothing is random, and the order of the rows does not matter.

        Raises FitError if no event has a weight above 0.
        """
        from leaven.kernels.item_neighbors import find_neighbors

        train = select_training_rows(train, training)
        weight = compute_item_weights(train)
        from leaven.kernels.item_neighbors import index_events

        first_target = (train.starts[1:] - train.n_targets).astype(np.int64)
        rows, law = (
            index_events(train.items, train.starts, train.weight.astype(np.float64), first_target, train.n_items),
            self._build_weights(weight),
        )
        firsts = range(1, train.n_items + 1, _ITEMS_PER_TASK)
        bounds = [(first, min(first + _ITEMS_PER_TASK, train.n_items + 1)) for first in firsts]
        parts = []
        with ThreadPoolExecutor(_count_threads()) as pool:
            jobs = [pool.submit(find_neighbors, rows, law, first, last, self.max_neighbors) for first, last in bounds]
            for done, job in enumerate(jobs, 1):
                parts.append(job.result())
                training.on_progress(done, len(jobs), "counting neighbors")
        lengths, items, similarity = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        starts = np.concatenate([[0, 0], np.cumsum(lengths)]).astype(np.int64)
        return FittedItemKnn(self, starts, items, similarity, weight)

    def _build_weights(self, weight: Floats) -> PairWeights:
        from leaven.arrays.parallel import freeze_array
        from leaven.kernels.item_neighbors import PairWeights

        lags = np.maximum(np.arange(self.max_lag + 1.0), 1.0) ** -self.lag_power
        source = (weight + self.shrinkage + 1e-9) ** -self.source_power
        target = (weight + self.shrinkage + 1e-9) ** -self.target_power
        return PairWeights(
            freeze_array(lags),
            freeze_array(lags * self.backward_weight),
            freeze_array(source),
            freeze_array(target),
            float(self.confidence_shrinkage),
        )

    def steps(self, train: Histories) -> None:
        """Returns None: there are no optimizer steps."""

    @staticmethod
    def load(folder: Path) -> FittedItemKnn:
        """Loads what `FittedItemKnn.save` wrote. Raises DataError if files are missing."""
        arrays, facts = load_arrays(folder, "itemknn")
        starts, items = arrays["starts"], arrays["items"]
        return FittedItemKnn(ItemKnn(**facts), starts, items, arrays["similarity"], arrays["weight"])


@dataclass(frozen=True, eq=False)
class FittedItemKnn:
    """Neighbors of each item, nearest first.

    starts        int64 (n_items + 2,)    item i has neighbors starts[i]:starts[i + 1]
    items         int32 (pairs,)          dense ids
    similarity    float32 (pairs,)        above 0
    item_weights  float64 (n_items + 1,)  weight of each item's events in training
    """

    config: ItemKnn
    starts: Ints
    items: npt.NDArray[np.int32]
    similarity: npt.NDArray[np.float32]
    item_weights: Floats
    curve: ClassVar[Sequence[Mapping[str, float]]] = ()
    facts: ClassVar[Mapping[str, object]] = {}

    def recommend(self, histories: Histories, k: int, allow_repeats: bool = False) -> RankedItems:
        """Returns the k items with the highest scores; items without neighbors are ranked by popularity.

        Raises SpecError for k below 1, DataError for histories over another catalog.
        """
        from leaven.arrays.parallel import freeze_array
        from leaven.kernels.top_n_lists import fill_neighbor_lists

        check_request(histories, k, len(self.item_weights) - 1)
        neighbors, past = self._sealed_neighbors, freeze_array(histories.items)
        recency = freeze_array(np.arange(1.0, self.config.max_events + 1) ** -self.config.recency_power)
        items = np.zeros((len(histories), k), np.int32)
        scores = np.full((len(histories), k), -np.inf, np.float32)

        def fill(first: int) -> None:
            last = min(first + _USERS_PER_TASK, len(histories))
            starts = freeze_array(histories.starts[first : last + 1])
            fill_neighbor_lists(neighbors, past, starts, recency, allow_repeats, items[first:last], scores[first:last])

        with ThreadPoolExecutor(_count_threads()) as pool:
            list(pool.map(fill, range(0, len(histories), _USERS_PER_TASK)))
        return RankedItems(items, scores)

    @cached_property
    def _sealed_neighbors(self) -> NeighborLists:
        from leaven.arrays.parallel import freeze_array
        from leaven.kernels.top_n_lists import NeighborLists

        popularity = self.config.popularity_weight * self.item_weights / self.item_weights.max()
        order = freeze_array(order_by_weight(self.item_weights))
        return NeighborLists(
            freeze_array(self.starts),
            freeze_array(self.items),
            freeze_array(self.similarity),
            order,
            freeze_array(popularity),
        )

    def save(self, folder: Path) -> None:
        arrays: dict[str, npt.NDArray[np.generic]] = {
            "starts": self.starts,
            "items": self.items,
            "similarity": self.similarity,
            "weight": self.item_weights,
        }
        save_arrays(folder, "itemknn", arrays, asdict(self.config))


def _count_threads() -> int:
    """Returns the number of threads of the kernels: OMP_NUM_THREADS if set, else the available CPUs."""
    limit = os.environ.get("OMP_NUM_THREADS", "")
    if limit.isdigit() and int(limit) > 0:
        return int(limit)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
