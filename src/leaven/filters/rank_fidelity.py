"""Would this row still lead to what its user really took?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from leaven.datasets.hidden_items import Unused
from leaven.datasets.histories import Histories
from leaven.errors import SpecError
from leaven.filters.cooccurring_items import neighbours_of
from leaven.filters.rejection_reasons import kept
from leaven.protocols import Kept, Ranked, Recommender, Training


class Ranks(Protocol):
    """Whatever lists the best items for a history, without those that it holds."""

    def recommend(self, histories: Histories, k: int) -> Ranked: ...


@dataclass(frozen=True)
class RankFidelity:
    """A made row stays if one of its user's real items that it does not hold is still among the best `rank`.

    The check of RSIR (arXiv 2602.15659): self-made data without it drifts off. There each made item is checked and the
    row cut at the first that fails, which is what the generator `self` does if its `rank` is set; here the whole row,
    whoever made it, is checked once. What has no real item left to check by (rows
    from nothing, and rows that hold all of their parent) passes: make continuations from windows, so that something
    is left.

    rank         how far down the list a real item may stand
    recommender  who ranks, fitted on the training rows; None: neighbours of the row's last items
    """

    rank: int = 20
    recommender: Recommender | None = None

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise SpecError("rank_fidelity.rank", "1 or more", f"{self.rank}", "")

    def fit(self, train: Histories, key: int) -> FittedRankFidelity:
        """Learn who ranks, and remember what each user took."""
        ranks: Ranks = neighbours_of(train) if self.recommender is None else self.recommender.fit(train, Training(key))
        order = np.argsort(train.keys, kind="stable")
        return FittedRankFidelity(self.rank, ranks, train.take(order))


@dataclass(frozen=True, eq=False)
class FittedRankFidelity:
    """real: the training rows in the order of their keys."""

    rank: int
    ranks: Ranks
    real: Histories

    def __call__(self, new: Histories) -> Kept:
        lost = self._best(new) > self.rank
        return kept(len(new), {f"no real item of its user ranks {self.rank} or better": lost})

    def measured(self, new: Histories) -> dict[str, npt.NDArray[np.float64]]:
        """The rank of the best real item that is left; infinite below the last one that is listed."""
        return {"best rank of a real item": self._best(new)}

    def _best(self, new: Histories) -> npt.NDArray[np.float64]:
        """float64 (rows,): the rank of the best real item of its user; infinite: none is listed; NaN: none is left."""
        unused = self._unused(new)
        checked = np.unique(unused.row)
        listed = np.zeros((len(new), self.rank), np.int32)
        listed[checked] = self.ranks.recommend(new.take(checked), self.rank).items
        return unused.best(listed)

    def _unused(self, new: Histories) -> Unused:
        """What is left of each row's parent; nothing of a parent that is no training row."""
        place = np.minimum(np.searchsorted(self.real.keys, new.parents), max(len(self.real) - 1, 0))
        rows = np.flatnonzero(self.real.keys[place] == new.parents) if len(self.real) else np.zeros(0, np.int64)
        return Unused.of(self.real.take(place[rows]), new, rows)
