"""Protocols of transforms of histories, texts, images and labelled rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from leaven.datasets.catalog import Catalog
from leaven.datasets.histories import Histories
from leaven.datasets.images import Images
from leaven.datasets.samples import Samples
from leaven.protocols.rows import RngKeys, Strength
from leaven.protocols.traits import OperatorTraits


class FittedTransform(Protocol):
    """Changes histories. The same keys give the same bytes; strength 0 is the identity; the input is not modified.

    One new row per row, in the same order, with its id, parent, origin and weight (`Histories.rebuilt`); windows may
    give several adjacent rows for one (`rebuilt` with `rows`). The plan assigns new ids and origins.
    """

    def __call__(self, rows: Histories, keys: RngKeys, strength: Strength) -> Histories:
        """New rows. keys uint64 (rows,); strength float32 (rows,) in 0..1."""
        ...

    def reasons(self, rows: Histories) -> Mapping[str, npt.NDArray[np.bool_]]:
        """Reason why a row cannot change for any draw -> bool (rows,), such as "shorter than 3 events"; by default
        none.
        """
        return {}


class Transform(Protocol):
    """Config of a transform. `min_events`: number of events below which a row is unchanged."""

    traits: ClassVar[OperatorTraits]

    @property
    def min_events(self) -> int: ...

    def fit(self, train: Histories) -> FittedTransform: ...


class FittedTextTransform(Protocol):
    """Changes texts. The same keys give the same bytes in any batch; strength 0 is the identity; protected spans
    stay.
    """

    def __call__(self, texts: Sequence[str], keys: RngKeys, strength: Strength) -> list[str]:
        """One new text per text. keys uint64 (texts,); strength float32 (texts,) in 0..1."""
        ...

    def reasons(self, texts: Sequence[str]) -> Mapping[str, npt.NDArray[np.bool_]]:
        """Reason why a text cannot change for any draw -> bool (texts,), such as "no word has a synonym"; by default
        none.
        """
        return {}


class TextTransform(Protocol):
    """Config of a transform of item texts."""

    traits: ClassVar[OperatorTraits]

    def fit(self, catalog: Catalog) -> FittedTextTransform: ...


class FittedImageTransform(Protocol):
    """Changes images. The same keys give the same bytes in any batch; strength 0 is the identity; the input is not
    modified.
    """

    def __call__(self, pictures: Images, keys: RngKeys, strength: Strength) -> Images:
        """One new image per image. keys uint64 (images,); strength float32 (images,) in 0..1."""
        ...

    def reasons(self, pictures: Images) -> Mapping[str, npt.NDArray[np.bool_]]:
        """Reason why an image cannot change for any draw -> bool (images,); by default none."""
        return {}


class ImageTransform(Protocol):
    """Config of a transform of item images; the catalog gives what an item's image must keep."""

    traits: ClassVar[OperatorTraits]

    def fit(self, catalog: Catalog) -> FittedImageTransform: ...


class FittedTabularTransform(Protocol):
    """Changes labelled rows. The same keys give the same bytes; strength 0 is the identity; the input is not modified.

    One new row per row, in the same order, with its id, parent, origin and weight.
    """

    def __call__(self, rows: Samples, keys: RngKeys, strength: Strength) -> Samples: ...

    def reasons(self, rows: Samples) -> Mapping[str, npt.NDArray[np.bool_]]:
        """Reason why a row cannot change for any draw -> bool (rows,); by default none."""
        return {}


class TabularTransform(Protocol):
    """Config of a transform of labelled rows."""

    traits: ClassVar[OperatorTraits]

    def fit(self, train: Samples) -> FittedTabularTransform: ...
