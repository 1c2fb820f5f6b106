"""Popularity baselines: over the whole training, or over its last days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import Histories
from leaven.errors import DataError, FitError, SpecError
from leaven.protocols import RankedItems, TrainingContext
from leaven.storage import load_arrays, save_arrays

Floats = npt.NDArray[np.float64]

_DAY = 86_400
_UNIT = 2.0**30  # integer sums do not depend on the order of the rows


def check_half_life(half_life_days: float | None) -> None:
    """Raises SpecError for a half-life of 0 or less."""
    if half_life_days is not None and not half_life_days > 0:
        raise SpecError("half_life_days", "days above 0, or none", str(half_life_days), "")


@dataclass(frozen=True)
class Popularity:
    """Ranks items by the weight of their events in the training rows, ties by id.

    half_life_days: the weight of an event halves for each such span before the last event of the data; None: no decay.

    >>> train = Histories.from_lists([[1, 2], [2, 3, 2]], n_items=3)
    >>> Popularity().fit(train, TrainingContext(key=1)).recommend(train, k=2, allow_repeats=True).items.tolist()
    [[2, 1], [2, 1]]
    """

    half_life_days: float | None = None

    def __post_init__(self) -> None:
        if self.half_life_days is not None and not self.half_life_days > 0:
            raise SpecError("half_life_days", "days above 0, or none", str(self.half_life_days), "")

    def fit(self, train: Histories, training: TrainingContext) -> FittedPopularity:
        """Sums event weights; nothing is random.

        Raises FitError if no event has a weight above 0.
        """
        return FittedPopularity(self, compute_item_weights(select_training_rows(train, training), self.half_life_days))

    def steps(self, train: Histories) -> None:
        """Returns None: there are no optimizer steps."""

    @staticmethod
    def load(folder: Path) -> FittedPopularity:
        """Loads what `FittedPopularity.save` wrote. Raises DataError if files are missing."""
        arrays, facts = load_arrays(folder, "popularity")
        return FittedPopularity(Popularity(**facts), arrays["weight"])


@dataclass(frozen=True, eq=False)
class FittedPopularity:
    """item_weights float64 (n_items + 1,): weight of each item's events; index 0 is unused."""

    config: Popularity
    item_weights: Floats
    curve: ClassVar[Sequence[Mapping[str, float]]] = ()
    facts: ClassVar[Mapping[str, object]] = {}

    def recommend(self, histories: Histories, k: int, allow_repeats: bool = False) -> RankedItems:
        """Returns the k items of highest weight, without those of the history; scores are the weights.

        Raises SpecError for k below 1, DataError for histories over another catalog.
        """
        from leaven.arrays.parallel import freeze_array
        from leaven.kernels.top_n_lists import fill_popular_lists

        check_request(histories, k, len(self.item_weights) - 1)
        items = np.zeros((len(histories), k), np.int32)
        order = freeze_array(order_by_weight(self.item_weights))
        fill_popular_lists(order, freeze_array(histories.items), freeze_array(histories.starts), allow_repeats, items)
        return RankedItems(items, np.where(items > 0, self.item_weights[items], -np.inf).astype(np.float32))

    def save(self, folder: Path) -> None:
        save_arrays(folder, "popularity", {"weight": self.item_weights}, asdict(self.config))


def select_training_rows(train: Histories, training: TrainingContext) -> Histories:
    """Returns the training rows of a recommender that reads them once.

    If rows change in each epoch, these are the rows of epoch 0 at progress 0.5, where a schedule that rises from 0 or
    falls to 0 still has an effect.
    """
    return train if training.rows_for_epoch is None else training.rows_for_epoch(0, 0.5)


def compute_item_weights(train: Histories, half_life_days: float | None = None) -> Floats:
    """Returns the summed weight of each item's counted events, float64 (n_items + 1,); index 0 is unused.

    An event counts if it is a target, or the first event of a row whose other events are all targets. So a row and its
    prefixes with one target each have the same total weight. The mask has no weight. Decay starts at the last event
    with a weight above 0.

    Raises FitError if no event has a weight above 0.
    """
    row, position = train.event_rows(), np.arange(train.n_events) - np.repeat(train.starts[:-1], train.lengths)
    first_target = (train.lengths - train.n_targets)[row]
    counts = (position >= first_target) | ((position == 0) & (first_target <= 1))
    weight = np.where(counts & (train.items >= 1) & (train.items <= train.n_items), train.weight[row], 0.0)
    if not (weight > 0).any():
        raise FitError("training rows", "an event with a weight above 0", f"{len(train)} rows without one", "")
    if half_life_days is not None:
        last = train.times[weight > 0].max()
        weight = weight * 2.0 ** (np.minimum(train.times - last, 0) / (half_life_days * _DAY))
    sums = np.zeros(train.n_items + 2, np.int64)
    np.add.at(sums, train.items, np.rint(weight * _UNIT).astype(np.int64))
    sums[0] = 0
    return sums[:-1] / _UNIT


def order_by_weight(weight: Floats) -> npt.NDArray[np.int32]:
    """Returns the items by decreasing weight, ties by id, int32 (n_items,)."""
    return (np.argsort(-weight[1:], kind="stable") + 1).astype(np.int32)


def check_request(histories: Histories, k: int, n_items: int) -> None:
    """Raises SpecError for k below 1, DataError for histories over another catalog than in training."""
    if k < 1:
        raise SpecError("recommend", "a list length k of 1 or more", str(k), "")
    if histories.n_items != n_items:
        got = f"{histories.n_items} items"
        raise DataError("histories.n_items", f"the {n_items} items of training", got, "use the same catalog")


_OLD_SHARE = 1e-6  # of all events: ranks items without recent ones


@dataclass(frozen=True)
class RecentPopularity:
    """Ranks items by the weight of their recent events, then by that of all events, ties by id.

    half_life_days  the weight of an event halves for each such span before the last event of the data; None: no decay
    window_days     only events of this span before the last event count as recent; None: all

    "Decay pop" and "recent pop" of Ji and others, "A re-visit of the popularity baseline in recommender systems",
    SIGIR 2020. In a log without a clock all events are equally recent.

    >>> quarter = 86_400 * 90
    >>> times = [[0, 1], [0, quarter], [quarter]]
    >>> train = Histories.from_lists([[1, 2], [1, 3], [3]], n_items=3, times=times)
    >>> RecentPopularity(30).fit(train, TrainingContext(key=1)).recommend(train, k=2, allow_repeats=True).items[0]
    array([3, 1], dtype=int32)
    """

    half_life_days: float | None = 30.0
    window_days: float | None = None

    def __post_init__(self) -> None:
        check_half_life(self.half_life_days)
        if self.window_days is not None and not self.window_days > 0:
            raise SpecError("window_days", "days above 0, or none", str(self.window_days), "")

    def fit(self, train: Histories, training: TrainingContext) -> FittedPopularity:
        """Sums event weights; nothing is random.

        Raises FitError if no event has a weight above 0.
        """
        train = select_training_rows(train, training)
        total = compute_item_weights(train)
        window = train
        if self.window_days is not None:
            newest = train.times[np.repeat(train.weight > 0, train.lengths)].max()
            is_old = train.times < newest - self.window_days * _DAY
            hidden = np.where(is_old, train.mask_id, train.items).astype(np.int32)  # the mask has no weight
            window = train.replace_events(train.starts, hidden, train.times, np.arange(train.n_events))
        recent = compute_item_weights(window, self.half_life_days)
        return FittedPopularity(Popularity(), recent + _OLD_SHARE * total)

    def steps(self, train: Histories) -> None:
        """Returns None: there are no optimizer steps."""

    @staticmethod
    def load(folder: Path) -> FittedPopularity:
        """Loads what `FittedPopularity.save` wrote. Raises DataError if files are missing."""
        return Popularity.load(folder)
