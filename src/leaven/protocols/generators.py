"""Protocols of generators of histories, texts, images and labelled rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import Histories
from leaven.datasets.images import Images
from leaven.datasets.samples import Samples
from leaven.protocols.rows import RngKeys
from leaven.protocols.traits import OperatorTraits
from leaven.protocols.transforms import TextTransform


class FittedGenerator(Protocol):
    """Generates histories. The same keys give the same bytes at any batch size."""

    def sample(self, keys: RngKeys, like: Histories | None = None) -> Histories:
        """One row per key (parents 0), or one continuation of each row of `like` (with its parents)."""
        ...

    def save(self, folder: Path) -> None: ...


class Generator(Protocol):
    """Config of a generator. `default_filters`: kinds of the default filters of its rows.

    A slow `fit` has a third parameter, `on_progress: ProgressCallback = no_progress`, and reports its progress there;
    its class says so in its traits.
    """

    traits: ClassVar[OperatorTraits]

    @property
    def default_filters(self) -> Sequence[str]: ...

    def fit(self, train: Histories, key: int) -> FittedGenerator: ...


class LikelihoodModel(Protocol):
    """A fitted generator with row likelihoods."""

    def log_likelihood(self, rows: Histories) -> npt.NDArray[np.float64]:
        """float64 (rows,): log-probability of each row given its first event, in nats."""
        ...


class TextGenerator(TextTransform, Protocol):
    """Config of a model that rewrites item texts; its answers are cached, not drawn again."""

    @property
    def cache(self) -> str: ...


class FittedImageGenerator(Protocol):
    """Generates images. The same keys give the same bytes at any batch size."""

    def sample(self, keys: RngKeys, category: npt.NDArray[np.int32] | None = None) -> Images:
        """One image per key. category int32 (keys,): category codes, 0: any. Images are views, never new catalog
        items.
        """
        ...

    def save(self, folder: Path) -> None: ...


class ImageGenerator(Protocol):
    """Config of an image generator. Its class also has `load(folder)`."""

    traits: ClassVar[OperatorTraits]

    def fit(self, train: Images, key: int, category: npt.NDArray[np.int32] | None = None) -> FittedImageGenerator: ...


class FittedTabularGenerator(Protocol):
    """Generates labelled rows. The same keys give the same bytes at any batch size."""

    def sample(self, keys: RngKeys) -> Samples:
        """One row per key (parents 0), over the levels of the training rows."""
        ...

    def save(self, folder: Path) -> None: ...


class TabularGenerator(Protocol):
    """Config of a generator of labelled rows. Its class also has `load(folder)`."""

    traits: ClassVar[OperatorTraits]

    def fit(self, train: Samples, key: int) -> FittedTabularGenerator: ...
