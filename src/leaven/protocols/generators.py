"""What does a maker of rows, of words, of pictures, of tables promise?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from leaven.datasets.histories import Histories
from leaven.datasets.images import Pictures
from leaven.datasets.samples import Samples
from leaven.protocols.rows import Keys
from leaven.protocols.transforms import TextTransform


class FittedGenerator(Protocol):
    """Makes rows. Same keys, same bytes at any batch size."""

    def sample(self, keys: Keys, like: Histories | None = None) -> Histories:
        """One row a key (parents 0), or one continuation of each row of `like` (parents theirs)."""
        ...

    def save(self, folder: Path) -> None: ...


class Generator(Protocol):
    """The wish for a generator. `keep` names the kinds of filters that its rows pass by default.

    A `fit` that takes long has a third parameter, `tell: Tell = quiet`, and says there how far it is.
    """

    @property
    def keep(self) -> Sequence[str]: ...

    def fit(self, train: Histories, key: int) -> FittedGenerator: ...


class Scored(Protocol):
    """A fitted generator that knows how likely a row is."""

    def log_likelihood(self, rows: Histories) -> npt.NDArray[np.float64]:
        """float64 (rows,): natural logarithm of each row's probability given its first event."""
        ...


class TextGenerator(TextTransform, Protocol):
    """The wish for a model that writes items' texts: an operator on words whose answers are kept, not drawn anew."""

    @property
    def cache(self) -> str: ...


class FittedImageGenerator(Protocol):
    """Makes pictures. Same keys, same bytes at any batch size, whatever else is made beside."""

    def sample(self, keys: Keys, category: npt.NDArray[np.int32] | None = None) -> Pictures:
        """One picture a key, of a category code each (0: any). They are views, never new items of the catalogue."""
        ...

    def save(self, folder: Path) -> None: ...


class ImageGenerator(Protocol):
    """The wish for a generator of pictures. Its class also has `load(folder)`."""

    def fit(self, train: Pictures, key: int, category: npt.NDArray[np.int32] | None = None) -> FittedImageGenerator: ...


class FittedTableGenerator(Protocol):
    """Makes samples. Same keys, same bytes at any batch size."""

    def sample(self, keys: Keys) -> Samples:
        """One row a key (parents 0), over the levels of the training rows."""
        ...

    def save(self, folder: Path) -> None: ...


class TableGenerator(Protocol):
    """The wish for a generator of samples. Its class also has `load(folder)`."""

    def fit(self, train: Samples, key: int) -> FittedTableGenerator: ...
