"""What does everybody take?

The recommender that every other one must beat, and what a stranger without a history is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import Histories
from leaven.errors import DataError, FitError, SpecError
from leaven.protocols import Ranked, Training
from leaven.recommenders import recommender_storage

Floats = npt.NDArray[np.float64]

_DAY = 86_400
_UNIT = 2.0**30  # sums of whole numbers do not depend on the order of the rows


@dataclass(frozen=True)
class Popularity:
    """Items by the weight of their events in the training rows, equal ones by id.

    half_life_days: an event counts half for each such span before the last event of all; None: time
    does not matter.

    >>> train = Histories.of([[1, 2], [2, 3, 2]], n_items=3)
    >>> Popularity().fit(train, Training(key=1)).recommend(train, k=2, allow_repeats=True).items.tolist()
    [[2, 1], [2, 1]]
    """

    half_life_days: float | None = None

    def __post_init__(self) -> None:
        if self.half_life_days is not None and not self.half_life_days > 0:
            raise SpecError("half_life_days", "days above 0, or none", str(self.half_life_days), "")

    def fit(self, train: Histories, training: Training) -> FittedPopularity:
        """Counts; chance has no part in it.

        Raises FitError where no event has any weight.
        """
        return FittedPopularity(self, item_weights(learned_from(train, training), self.half_life_days))

    def steps(self, train: Histories) -> None:
        """None: nothing is optimised."""

    @staticmethod
    def load(folder: Path) -> FittedPopularity:
        """What `FittedPopularity.save` wrote. Raises DataError where it is not there."""
        arrays, facts = recommender_storage.read(folder, "popularity")
        return FittedPopularity(Popularity(**facts), arrays["weight"])


@dataclass(frozen=True, eq=False)
class FittedPopularity:
    """weight float64 (n_items + 1,): weight of each item's events; place 0 is empty."""

    wish: Popularity
    weight: Floats
    curve: tuple[Mapping[str, float], ...] = ()

    def recommend(self, histories: Histories, k: int, allow_repeats: bool = False) -> Ranked:
        """The k heaviest items that each history does not hold; scores are the weights.

        Raises SpecError for k below 1, DataError for histories over another catalogue.
        """
        from leaven.kernels.top_n_lists import fill_popular, sealed

        check_asked(histories, k, len(self.weight) - 1)
        items = np.zeros((len(histories), k), np.int32)
        order = sealed(by_weight(self.weight))
        fill_popular(order, sealed(histories.items), sealed(histories.starts), allow_repeats, items)
        return Ranked(items, np.where(items > 0, self.weight[items], -np.inf).astype(np.float32))

    def save(self, folder: Path) -> None:
        recommender_storage.write(folder, "popularity", {"weight": self.weight}, asdict(self.wish))


def learned_from(train: Histories, training: Training) -> Histories:
    """The rows that a recommender with a single pass learns from.

    Where rows are fresh in each epoch, those of the first one in the middle of the course: a schedule
    that climbs from 0, or falls to it, still has a say.
    """
    return train if training.refresh is None else training.refresh(0, 0.5)


def item_weights(train: Histories, half_life_days: float | None = None) -> Floats:
    """float64 (n_items + 1,): weight of each item's events that count; place 0 is empty.

    An event counts when it is a target, or opens a row whose every other event is one: a row cut into
    its prefixes, each with its last event as target, weighs what the row weighs as a whole. The mask
    weighs nothing. The last event of all is taken among those that weigh anything.

    Raises FitError where no event has any weight.
    """
    row, place = train.row_of_event(), np.arange(train.events) - np.repeat(train.starts[:-1], train.lengths)
    begins = (train.lengths - train.targets)[row]
    counts = (place >= begins) | ((place == 0) & (begins <= 1))
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


def by_weight(weight: Floats) -> npt.NDArray[np.int32]:
    """int32 (n_items,): the items, the heaviest first, equal ones by id."""
    return (np.argsort(-weight[1:], kind="stable") + 1).astype(np.int32)


def check_asked(histories: Histories, k: int, n_items: int) -> None:
    """Raises SpecError for k below 1, DataError for histories over another catalogue than was learned."""
    if k < 1:
        raise SpecError("recommend", "a list length k of 1 or more", str(k), "")
    if histories.n_items != n_items:
        other = f"{histories.n_items} items"
        raise DataError("histories.n_items", f"the {n_items} items of training", other, "use the same catalogue")
