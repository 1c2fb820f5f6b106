"""Cross-fitted recommenders: each user is ranked by a model that was not trained on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.histories import Histories
from leaven.errors import FitError
from leaven.protocols import FittedRecommender, RankedItems, RngKeys

_DRAW = 1  # number of the draw that assigns a user's fold


@dataclass(frozen=True, eq=False)
class CrossFittedRecommender:
    """Recommenders, each trained on all folds of users but one, which rank for that fold (cross-fitting, Chernozhukov
    et al., The Econometrics Journal 21(1), 2018, section 3). The parent of a row identifies its user.
    """

    recommenders: tuple[FittedRecommender, ...]

    @classmethod
    def fit_folds(
        cls, rows: Histories, count: int, fit: Callable[[Histories, int], FittedRecommender]
    ) -> CrossFittedRecommender:
        """Trains `count` recommenders; fit(rows, number) returns the one of fold `number`, trained on `rows`.

        Raises FitError where one fold holds all events.
        """
        fold, recommenders = assign_folds(rows.parents, count), []
        for number in range(count):
            others = rows.take(fold != number)
            if not others.n_events:
                got = f"all {rows.n_events} events in fold {number + 1} of {count}"
                raise FitError(
                    "recommender_rollouts.n_folds", "users in several folds", got, "give it more users, or n_folds = 1"
                )
            recommenders.append(fit(others, number))
        return cls(tuple(recommenders))

    @property
    def curve(self) -> Sequence[Mapping[str, float]]:
        """The training curve of the first recommender."""
        return self.recommenders[0].curve

    @property
    def facts(self) -> Mapping[str, Any]:
        """The facts of the first recommender."""
        return self.recommenders[0].facts

    def recommend(self, histories: Histories, k: int, allow_repeats: bool = False) -> RankedItems:
        """Returns the k best items of each row, ranked by the recommender that was not trained on its user."""
        fold = assign_folds(histories.parents, len(self.recommenders))
        items, scores = np.zeros((len(histories), k), np.int32), np.zeros((len(histories), k), np.float32)
        for number, recommender in enumerate(self.recommenders):
            rows = np.flatnonzero(fold == number)
            if len(rows):
                listed = recommender.recommend(histories.take(rows), k, allow_repeats)
                items[rows], scores[rows] = listed.items, listed.scores
        return RankedItems(items, scores)

    def save(self, folder: Path) -> None:
        """Saves each recommender in a numbered subfolder."""
        for number, recommender in enumerate(self.recommenders):
            recommender.save(folder / str(number))

    @classmethod
    def load(cls, folder: Path, kind: Any, count: int) -> CrossFittedRecommender:
        """Loads what `save` wrote; kind: the class of the recommenders' config."""
        return cls(tuple(kind.load(folder / str(number)) for number in range(count)))


def assign_folds(users: RngKeys, count: int) -> npt.NDArray[np.int64]:
    """Returns int64 (rows,): a random fold for each user, the same for all rows of a user."""
    return (rng.draw_uniform(rng.mix_bits(users), _DRAW) * count).astype(np.int64)
