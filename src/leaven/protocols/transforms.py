"""What does a change of rows, of texts, of pictures, of tables promise?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import Histories
from leaven.datasets.images import Pictures
from leaven.datasets.samples import Samples
from leaven.protocols.rows import Keys, Strength


class FittedTransform(Protocol):
    """Changes rows. Same keys, same bytes; strength 0 is the identity; the input stays as it was.

    One new row a row, in the same order, with its key, parent, origin and weight (`Histories.rebuilt`);
    windows may give several rows for one, next to each other (`rebuilt` with `rows`). Naming new rows and
    recording their origin is the plan's work. A wish with `weighs_rows = True` may lower the weight of a row to say
    how sure it is; the step's own weight is multiplied by it.
    """

    def __call__(self, rows: Histories, keys: Keys, strength: Strength) -> Histories:
        """New rows. keys uint64 (rows,), one a row; strength float32 (rows,) in 0..1."""
        ...

    def reasons(self, rows: Histories) -> Mapping[str, npt.NDArray[np.bool_]]:
        """Why a row cannot change, whatever the chance: a few words -> bool (rows,); "shorter than 3 events"."""
        ...


class Transform(Protocol):
    """The wish for a transform. `shortest` is the length below which a row stays as it is."""

    @property
    def shortest(self) -> int: ...

    def fit(self, train: Histories) -> FittedTransform: ...


class FittedTextTransform(Protocol):
    """Changes texts. Same keys, same bytes in any batch; strength 0 is the identity; protected spans survive."""

    def __call__(self, texts: Sequence[str], keys: Keys, strength: Strength) -> list[str]:
        """One new text a text. keys uint64 (texts,); strength float32 (texts,) in 0..1."""
        ...

    def reasons(self, texts: Sequence[str]) -> Mapping[str, npt.NDArray[np.bool_]]:
        """Why a text cannot change, whatever the chance: a few words -> bool (texts,); "no word has a synonym"."""
        ...


class TextTransform(Protocol):
    """The wish for a change of items' texts."""

    def fit(self, catalog: Catalog) -> FittedTextTransform: ...


class FittedImageTransform(Protocol):
    """Changes pictures. Same keys, same bytes in any batch; strength 0 is the identity; the input stays as it was."""

    def __call__(self, pictures: Pictures, keys: Keys, strength: Strength) -> Pictures:
        """One new picture a picture. keys uint64 (pictures,); strength float32 (pictures,) in 0..1."""
        ...

    def reasons(self, pictures: Pictures) -> Mapping[str, npt.NDArray[np.bool_]]:
        """Why a picture cannot change, whatever the chance: a few words -> bool (pictures,)."""
        ...


class ImageTransform(Protocol):
    """The wish for a change of items' pictures; the catalogue tells which items must keep what."""

    def fit(self, catalog: Catalog) -> FittedImageTransform: ...


class FittedTableTransform(Protocol):
    """Changes samples. Same keys, same bytes; strength 0 is the identity; the input stays as it was.

    One new row a row, in the same order, with its key, parent, origin and weight.
    """

    def __call__(self, rows: Samples, keys: Keys, strength: Strength) -> Samples: ...


class TableTransform(Protocol):
    def fit(self, train: Samples) -> FittedTableTransform: ...
