"""What does an item's picture say, to a small net that has learned the catalogue's own categories from them?"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.datasets.images import Gallery, of_catalog
from leaven.encoders.image_loading import PictureVectors, has_pictures
from leaven.errors import DataError, SpecError

if TYPE_CHECKING:
    from leaven.nn.image_classifier import PictureEncoder


@dataclass(frozen=True)
class OwnPictures:
    """Vectors of the items' pictures by a small convolutional net that is trained on the catalogue's categories.

    size    pixels along each side that the net sees
    widths  channels of each halving of the sides; the last is the width of a vector
    steps, batch, learning_rate   of its training
    cache   a folder where the net and its vectors are kept by the hash of what they follow from; "": nowhere

    What it has learned are categories: pictures of one category lie near each other, and what tells items of a
    category apart is told less. A net that was trained on many pictures tells more: see `picture_model`.
    """

    size: int = 48
    widths: tuple[int, ...] = (32, 64, 128)
    steps: int = 400
    batch: int = 64
    learning_rate: float = 3e-3
    cache: str = ""
    modality: ClassVar[str] = "pictures"

    def __post_init__(self) -> None:
        if self.size < 8 or not self.widths or min(self.widths) < 1:
            got = f"{self.size}, {self.widths}"
            raise SpecError("pictures.size", "8 pixels or more, and a width at least", got, "size = 48")
        if self.steps < 1 or self.batch < 2 or not self.learning_rate > 0:
            got = f"{self.steps}, {self.batch}, {self.learning_rate}"
            raise SpecError("pictures.steps", "1 step, 2 pictures a batch, a rate above 0", got, "")

    def knows(self, catalog: Catalog) -> bool:
        """Whether the catalogue names any pictures."""
        return has_pictures(catalog)

    def fit(self, catalog: Catalog, key: int = 0) -> PictureVectors:
        """Learns to tell the categories apart by their pictures.

        Raises DataError where pictures of two categories cannot be read; FitError for a loss that is no finite number.
        """
        found = of_catalog(catalog, (self.size, self.size))
        net, mark = self._learned(catalog, found, key)
        return PictureVectors(net.embed, self.widths[-1], self.size, mark, self.cache)

    def _learned(self, catalog: Catalog, found: Gallery, key: int) -> tuple[PictureEncoder, str]:
        """The net, and the hash of what it follows from; from the cache where it is there."""
        from leaven.nn.image_classifier import PictureEncoder, PictureShape, PictureTraining, learn

        pictures, classes = found.pictures, _codes(catalog)[found.pictures.items]
        known, classes = np.unique(classes[classes > 0]), classes
        if len(known) < 2:
            why = "; ".join(f"{why}: {len(files):,}" for why, files in found.unread.items())
            got = f"{len(known)} of {len(pictures):,} pictures" + (f" ({why})" if why else "")
            fix = "name the column of categories and look at the files, or take kind = 'picture_model'"
            raise DataError("encoders.pictures", "pictures of two categories", got, fix)
        told = pictures.take(np.flatnonzero(classes > 0))
        classes = np.searchsorted(known, classes[classes > 0])
        said = repr([{**asdict(self), "cache": ""}, key]).encode() + told.pixels.tobytes() + classes.tobytes()
        mark = hashlib.blake2b(said, digest_size=16).hexdigest()
        folder = Path(self.cache) / mark
        if self.cache and (folder / "pictures.safetensors").is_file():
            return PictureEncoder.load(folder), mark
        training = PictureTraining(rng.key(key, "pictures"), self.steps, self.batch, self.learning_rate)
        net = learn(told, classes, training, shape=PictureShape(len(known), self.widths))
        if self.cache:
            net.save(folder)
        return net, mark


def _codes(catalog: Catalog) -> np.ndarray:
    if catalog.category is None:
        return np.zeros(len(catalog) + 1, np.int64)
    return catalog.category.astype(np.int64)
