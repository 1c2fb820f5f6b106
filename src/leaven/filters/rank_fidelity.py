"""A filter of rows after which a recommender no longer ranks the user's real items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from leaven.datasets.hidden_items import HiddenItems
from leaven.datasets.histories import Histories
from leaven.errors import SpecError
from leaven.filters.cooccurring_items import fit_cooccurring_items
from leaven.protocols import FilterResult, RankedItems, Recommender, TrainingContext


class ItemRanker(Protocol):
    """Lists the best items for a history, without those that it holds."""

    def recommend(self, histories: Histories, k: int) -> RankedItems: ...


@dataclass(frozen=True)
class RankFidelity:
    """Accept a row if a real item of its user that it does not hold is among the best `max_rank` items after it.

    The check of RSIR (arXiv 2602.15659), where self-generated data without it drifts. Where we differ: RSIR checks each
    synthetic item and cuts the row at the first failure, as `recommender_rollouts` does with its `max_rank`; here the
    whole row is checked once, for any generator. Rows without an unused real item (rows from noise, rows that hold all
    items of their parent) are accepted: generate continuations of windows, so that real items remain.

    max_rank     maximum rank of the real item
    recommender  the ranker, fitted on the training rows; None: co-occurrence neighbors of the row's last items
    """

    max_rank: int = 20
    recommender: Recommender | None = None

    def __post_init__(self) -> None:
        if self.max_rank < 1:
            raise SpecError("rank_fidelity.max_rank", "1 or more", f"{self.max_rank}", "")

    def fit(self, train: Histories, key: int) -> FittedRankFidelity:
        """Return the filter with a fitted ranker and the training rows."""
        ranker: ItemRanker = (
            fit_cooccurring_items(train)
            if self.recommender is None
            else self.recommender.fit(train, TrainingContext(key))
        )
        order = np.argsort(train.row_ids, kind="stable")
        return FittedRankFidelity(self.max_rank, ranker, train.take(order))


@dataclass(frozen=True, eq=False)
class FittedRankFidelity:
    """real: the training rows, sorted by row id."""

    rank: int
    ranker: ItemRanker
    real: Histories

    def __call__(self, new: Histories) -> FilterResult:
        rejected = self._find_best_ranks(new) > self.rank
        return FilterResult.from_reasons(len(new), {f"no real item of its user ranks {self.rank} or better": rejected})

    def row_statistics(self, new: Histories) -> dict[str, npt.NDArray[np.float64]]:
        """Return the rank of the best unused real item; infinite beyond the listed ranks."""
        return {"best rank of a real item": self._find_best_ranks(new)}

    def _find_best_ranks(self, new: Histories) -> npt.NDArray[np.float64]:
        """Return the rank of the best unused real item, float64 (rows,): infinite if none is listed, NaN if none
        exists.
        """
        # items of each row's parent that the row does not hold; none if the parent is no training row
        place = np.minimum(np.searchsorted(self.real.row_ids, new.parents), max(len(self.real) - 1, 0))
        rows = np.flatnonzero(self.real.row_ids[place] == new.parents) if len(self.real) else np.zeros(0, np.int64)
        unused = HiddenItems.from_histories(self.real.take(place[rows]), new, rows)
        checked = np.unique(unused.pair_rows)
        listed = np.zeros((len(new), self.rank), np.int32)
        listed[checked] = self.ranker.recommend(new.take(checked), self.rank).items
        return unused.find_first_rank(listed)
