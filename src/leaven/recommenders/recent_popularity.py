"""Popularity of the last weeks: the cheapest model of drift."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from leaven.datasets.histories import Histories
from leaven.errors import SpecError
from leaven.protocols import TrainingContext
from leaven.recommenders.linear_item_model import check_half_life
from leaven.recommenders.popularity import FittedPopularity, Popularity, compute_item_weights, select_training_rows

_DAY = 86_400
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
        recent = (
            compute_item_weights(train, self.half_life_days) if self.window_days is None else self._count_window(train)
        )
        return FittedPopularity(Popularity(), recent + _OLD_SHARE * total)

    def _count_window(self, train: Histories) -> np.ndarray:
        newest = train.times[np.repeat(train.weight > 0, train.lengths)].max()
        is_old = train.times < newest - (self.window_days or 0.0) * _DAY
        hidden = np.where(is_old, train.mask_id, train.items).astype(np.int32)  # the mask has no weight
        masked = train.replace_events(train.starts, hidden, train.times, np.arange(train.n_events))
        return compute_item_weights(masked, self.half_life_days)

    def steps(self, train: Histories) -> None:
        """Returns None: there are no optimizer steps."""

    @staticmethod
    def load(folder: Path) -> FittedPopularity:
        """Loads what `FittedPopularity.save` wrote. Raises DataError if files are missing."""
        return Popularity.load(folder)
