"""How would a row go on, as those see it who have not learned it?"""

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
from leaven.protocols import FittedRecommender, Keys, Ranked

_DRAW = 1  # of a user's mixed key: which part of the users it belongs to


@dataclass(frozen=True, eq=False)
class Folds:
    """Recommenders, each of which knows all users but those of its own part: it ranks for these (cross-fitting,
    Chernozhukov et al., The Econometrics Journal 21(1), 2018, section 3). Whose a row is, its parent says.
    """

    each: tuple[FittedRecommender, ...]

    @classmethod
    def of(cls, rows: Histories, count: int, fit: Callable[[Histories, int], FittedRecommender]) -> Folds:
        """fit(rows, number): who learned these rows, the number-th of all.

        Raises FitError where all events are those of one part.
        """
        fold, made = parts_of(rows.parents, count), []
        for number in range(count):
            others = rows.take(fold != number)
            if not others.events:
                got = f"all {rows.events} events in part {number + 1} of {count}"
                raise FitError("self.folds", "users in several parts", got, "give it more users, or folds = 1")
            made.append(fit(others, number))
        return cls(tuple(made))

    @property
    def curve(self) -> Sequence[Mapping[str, float]]:
        """How the first one learned."""
        return self.each[0].curve

    def recommend(self, histories: Histories, k: int, allow_repeats: bool = False) -> Ranked:
        """The k best items of each row, as one says that did not learn its user."""
        fold = parts_of(histories.parents, len(self.each))
        items, scores = np.zeros((len(histories), k), np.int32), np.zeros((len(histories), k), np.float32)
        for number, ranks in enumerate(self.each):
            rows = np.flatnonzero(fold == number)
            if len(rows):
                listed = ranks.recommend(histories.take(rows), k, allow_repeats)
                items[rows], scores[rows] = listed.items, listed.scores
        return Ranked(items, scores)

    def save(self, folder: Path) -> None:
        """Each in a folder of its own."""
        for number, ranks in enumerate(self.each):
            ranks.save(folder / str(number))

    @classmethod
    def load(cls, folder: Path, kind: Any, count: int) -> Folds:
        """What `save` wrote; kind: the class that they were made by."""
        return cls(tuple(kind.load(folder / str(number)) for number in range(count)))


def parts_of(users: Keys, count: int) -> npt.NDArray[np.int64]:
    """int64 (rows,): the part of each user, by lot, the same for all rows of a user."""
    return (rng.uniform(rng.mix(users), _DRAW) * count).astype(np.int64)
