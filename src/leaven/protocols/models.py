"""Protocols of trainable models: recommenders, CTR models, encoders; their training context and metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import HeldOut, Histories
from leaven.datasets.samples import Samples
from leaven.progress import ProgressCallback, no_progress


class CallbackAction(StrEnum):
    """Request of a callback to the training loop. NEW_EPOCH: begin a new epoch, with fresh rows."""

    CONTINUE = "go on"
    NEW_EPOCH = "fresh rows"
    STOP = "stop"


CallbackState = dict[str, Any]
"""State of a callback, JSON-able."""


class TrainingCallback(Protocol):
    """Callback of a training loop, called at every validation."""

    @property
    def validation_rows(self) -> HeldOut | Samples:
        """Rows whose losses `on_validation` gets: non-empty histories with targets; for a CTR model, labelled rows."""
        ...

    def on_validation(self, step: int, progress: float, losses: npt.NDArray[np.float64]) -> CallbackAction:
        """losses float64 (users,): mean negative log-softmax over the whole catalog of a user's targets, in nats; for a
        CTR model float64 (rows,): log loss of each row.
        """
        ...

    def state_dict(self) -> CallbackState:
        """State, JSON-able; the loop stores it in its checkpoint."""
        ...

    def load_state_dict(self, state: CallbackState) -> None:
        """Restore the state that `state_dict` gave, to resume an interrupted training."""
        ...


@dataclass(frozen=True, eq=False)
class TrainingContext:
    """Settings of a fit, besides the rows.

    key                rng key of the training
    steps              number of optimizer steps; None: the recommender's default for these rows
    validation         users for early stopping (for a CTR model: labelled rows); never test users
    rows_for_epoch     (epoch, progress in 0..1) -> training rows of that epoch; None: always `train`. A recommender
                       without epochs is fitted on rows_for_epoch(0, 0.5)
    checkpoint_folder  folder of checkpoints, from which an interrupted training resumes; None: no checkpoints
    on_progress        progress callback
    catalog_for_epoch  (epoch, progress in 0..1) -> catalog of that epoch; None: always the catalog of the rows. Only
                       for recommenders whose config lists the changed modality in `modalities`
    callback           callback, called at every validation; never by a recommender without optimizer steps
    """

    key: int = 0
    steps: int | None = None
    validation: Any = None
    rows_for_epoch: Callable[[int, float], Any] | None = None
    checkpoint_folder: Path | None = None
    on_progress: ProgressCallback = no_progress
    catalog_for_epoch: Callable[[int, float], Catalog] | None = None
    callback: TrainingCallback | None = None


@dataclass(frozen=True, eq=False)
class RankedItems:
    """Ranked lists. items int32 (users, k), best first, 0 where no item is left; scores float32 (users, k)."""

    items: npt.NDArray[np.int32]
    scores: npt.NDArray[np.float32]


class FittedModel(Protocol):
    """A fitted recommender or CTR model."""

    def save(self, folder: Path) -> None: ...


class Model(Protocol):
    """Config of a recommender or a CTR model."""

    def fit(self, train: Any, training: TrainingContext) -> FittedModel: ...

    def steps(self, train: Any) -> int | None:
        """Default number of optimizer steps on these rows; None where it takes none."""
        ...


class FittedRecommender(Protocol):
    """Recommends items. Scores decrease along a list; seen items are left out by default; save and load change
    nothing.
    """

    @property
    def curve(self) -> Sequence[Mapping[str, float]]:
        """Training curve: step, seconds, loss, valid_ndcg … ; empty where nothing is trained."""
        ...

    @property
    def facts(self) -> Mapping[str, object]:
        """Facts of the training for the report, JSON-able; may be empty."""
        ...

    def recommend(self, histories: Histories, k: int, allow_repeats: bool = False) -> RankedItems: ...

    def save(self, folder: Path) -> None: ...


class Recommender(Protocol):
    """Config of a recommender. Its class also has `load(folder) -> FittedRecommender`."""

    def fit(self, train: Histories, training: TrainingContext) -> FittedRecommender: ...

    def steps(self, train: Histories) -> int | None:
        """Default number of optimizer steps on these rows; None where it takes none."""
        ...


@runtime_checkable
class ItemReader(Protocol):
    """Config of a recommender that reads texts or images of the items, so that a plan can change them."""

    @property
    def modalities(self) -> tuple[str, ...]:
        """Item modalities that it reads: "text", "images" …"""
        ...

    @property
    def image_size(self) -> int:
        """Side length in pixels of the images that it reads."""
        ...


class RankingMetric(Protocol):
    """Metric with one value per user, highest for a perfect list. `meaning`: one sentence with `{k}`."""

    of_catalog: ClassVar[bool]
    meaning: ClassVar[str]

    @property
    def k(self) -> int:
        """Length of the lists."""
        ...

    def __call__(self, ranked: RankedItems, held_out: HeldOut, train: Histories) -> npt.NDArray[np.float64]: ...


class FittedCtrModel(Protocol):
    """Predicts click probabilities; save and load change nothing."""

    def predict(self, rows: Samples) -> npt.NDArray[np.float64]:
        """float64 (rows,): probability of a positive, in 0..1. Categories that are not in training count as unknown."""
        ...

    def save(self, folder: Path) -> None: ...


class CtrModel(Protocol):
    """Config of a CTR model. Its class also has `load(folder)`, which returns the fitted model."""

    def fit(self, train: Samples, training: TrainingContext) -> FittedCtrModel: ...

    def steps(self, train: Samples) -> int | None:
        """Default number of optimizer steps on these rows; None where it takes none."""
        ...


class CtrMetric(Protocol):
    """Metric with one number for a table of predictions. weight: counts of rows, for a bootstrap over users."""

    higher_is_better: ClassVar[bool]

    def __call__(
        self,
        label: npt.NDArray[np.float64],
        chance: npt.NDArray[np.float64],
        weight: npt.NDArray[np.float64] | None = None,
        users: npt.NDArray[np.uint64] | None = None,
    ) -> float: ...


class FittedEncoder(Protocol):
    """Maps items to vectors; the vector of an item does not depend on other items."""

    @property
    def width(self) -> int:
        """Dimension of a vector."""
        ...

    def __call__(self, catalog: Catalog) -> npt.NDArray[np.float32]:
        """float32 (items, width): item *i* is row *i - 1*; zeros where an item has no such content."""
        ...


class Encoder(Protocol):
    """Config of an item encoder. modality: "text", "attributes", "images" …"""

    @property
    def modality(self) -> str: ...

    def can_encode(self, catalog: Catalog) -> bool:
        """Whether the catalog has content of its modality."""
        ...

    def fit(self, catalog: Catalog, key: int = 0) -> FittedEncoder: ...


@runtime_checkable
class ImageEncoder(Encoder, Protocol):
    """Config of an encoder of images."""

    @property
    def size(self) -> int:
        """Side length in pixels of the images that it reads."""
        ...
