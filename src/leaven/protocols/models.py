"""What does who learns promise: recommenders, click models, encoders; what is it asked for, and judged by?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import HeldOut, Histories
from leaven.datasets.samples import Samples
from leaven.progress import Tell, quiet

Say = Literal["go on", "fresh rows", "stop"]
"""What who looks on asks of the loop: nothing, a new epoch with the rows as they are from now on, the end."""


class Watch(Protocol):
    """Looks on while a recommender trains. The loop shows it losses, and knows nothing of what they are for."""

    @property
    def users(self) -> HeldOut | Samples:
        """Whose loss it wants to see: users with what came next, no history empty; of a click model labelled rows."""
        ...

    def look(self, step: int, progress: float, losses: npt.NDArray[np.float64]) -> Say:
        """losses float64 (users,): mean over a user's targets of minus log of the softmax over the whole catalogue;
        of a click model float64 (rows,), minus log of the chance that it gave to what happened.
        """
        ...

    def memory(self) -> dict[str, Any]:
        """JSON-able: the loop keeps it in its checkpoint."""
        ...

    def recall(self, memory: Mapping[str, Any]) -> None:
        """Back to what `memory` said: an interrupted training goes on."""
        ...


@dataclass(frozen=True, eq=False)
class Training:
    """How a fit is asked for, beside the rows.

    key      every draw of the training follows from it
    steps    optimiser steps; None: what the recommender finds right for these rows
    valid    users for early stopping (of a click model: labelled rows); never test
    refresh  (epoch, progress in 0..1) -> the rows to learn from in that epoch; None: always `train`. A recommender
             that knows no epochs learns from refresh(0, 0.5)
    folder   where checkpoints lie and from where an interrupted training goes on; None: nowhere
    tell     progress
    views    (epoch, progress in 0..1) -> the items as they are described in that epoch; None: always as the rows'
             catalogue has them. Given to recommenders alone whose wish says in `reads` that it knows "words" or
             "pictures", whichever a plan changes
    watch    looks on at every look; a recommender that takes no optimiser steps shows it nothing
    """

    key: int = 0
    steps: int | None = None
    valid: Any = None
    refresh: Callable[[int, float], Any] | None = None
    folder: Path | None = None
    tell: Tell = quiet
    views: Callable[[int, float], Catalog] | None = None
    watch: Watch | None = None


@dataclass(frozen=True, eq=False)
class Ranked:
    """items int32 (users, k), best first, 0 where there was nothing left; scores float32 (users, k)."""

    items: npt.NDArray[np.int32]
    scores: npt.NDArray[np.float32]


class FittedRecommender(Protocol):
    """Scores fall along a row; no seen item unless asked; save and load change nothing."""

    @property
    def curve(self) -> Sequence[Mapping[str, float]]:
        """How training went: step, seconds, loss, valid_ndcg … ; empty where nothing is trained."""
        ...

    def recommend(self, histories: Histories, k: int, allow_repeats: bool = False) -> Ranked: ...

    def save(self, folder: Path) -> None: ...


class Recommender(Protocol):
    """The wish for a recommender. Its class also has `load(folder) -> FittedRecommender`."""

    def fit(self, train: Histories, training: Training) -> FittedRecommender: ...

    def steps(self, train: Histories) -> int | None:
        """Optimiser steps that it would take on these rows; None where it takes none."""
        ...


class RankingMetric(Protocol):
    """One value per user; the best value for a perfect list."""

    def __call__(self, ranked: Ranked, held_out: HeldOut, train: Histories) -> npt.NDArray[np.float64]: ...


class FittedClickModel(Protocol):
    """Says how likely each row is a positive; save and load change nothing."""

    def predict(self, rows: Samples) -> npt.NDArray[np.float64]:
        """float64 (rows,) in 0..1. Categories that training had not seen count as unknown."""
        ...

    def save(self, folder: Path) -> None: ...


class ClickModel(Protocol):
    """The wish for a click model. Its class also has `load(folder) -> FittedClickModel`."""

    def fit(self, train: Samples, training: Training) -> FittedClickModel: ...

    def steps(self, train: Samples) -> int | None:
        """Optimiser steps that it would take on these rows; None where it takes none."""
        ...


class ClickMetric(Protocol):
    """One number for a table of predictions; `weight` counts rows, so that a bootstrap over users is a weight."""

    def __call__(
        self,
        label: npt.NDArray[np.float64],
        chance: npt.NDArray[np.float64],
        weight: npt.NDArray[np.float64] | None = None,
        users: npt.NDArray[np.uint64] | None = None,
    ) -> float: ...


class FittedEncoder(Protocol):
    """Items as vectors: the same items, the same bytes, whatever stands beside them."""

    @property
    def width(self) -> int:
        """Numbers of a vector."""
        ...

    def __call__(self, catalog: Catalog) -> npt.NDArray[np.float32]:
        """float32 (items, width): item *i* is row *i - 1*; zeros where an item has nothing of what is read."""
        ...


class Encoder(Protocol):
    """The wish for an encoder of items. modality: "words", "attributes", "pictures" …"""

    @property
    def modality(self) -> str: ...

    def knows(self, catalog: Catalog) -> bool:
        """Whether the catalogue has anything of what it reads."""
        ...

    def fit(self, catalog: Catalog, key: int = 0) -> FittedEncoder: ...
