"""Item vectors from images, by a small network trained on the catalog's categories."""

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
    """Vectors of item images by a small convolutional network that is trained on the catalog's categories.

    size    side of the input images, in pixels
    widths  channels of each stride-2 convolution; the last is the width of a vector
    steps, batch, learning_rate   of training
    cache   folder that caches the network and its vectors by the hash of their inputs; "": off

    Vectors separate categories, but items of one category only weakly. A pretrained network separates items better:
    see `picture_model`.
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
            raise SpecError("pictures.size", "8 pixels or more, and at least one width", got, "size = 48")
        if self.steps < 1 or self.batch < 2 or not self.learning_rate > 0:
            got = f"{self.steps}, {self.batch}, {self.learning_rate}"
            raise SpecError("pictures.steps", "at least 1 step, 2 images per batch and a rate above 0", got, "")

    def knows(self, catalog: Catalog) -> bool:
        """Returns whether the catalog names any images."""
        return has_pictures(catalog)

    def fit(self, catalog: Catalog, key: int = 0) -> PictureVectors:
        """Trains the classifier on the categories of the images.

        Raises DataError without readable images of two categories; FitError if the loss is not finite.
        """
        gallery = of_catalog(catalog, (self.size, self.size))
        net, fingerprint = self._load_or_train(catalog, gallery, key)
        return PictureVectors(net.embed, self.widths[-1], self.size, fingerprint, self.cache)

    def _load_or_train(self, catalog: Catalog, gallery: Gallery, key: int) -> tuple[PictureEncoder, str]:
        """Returns (classifier, hash of its inputs); loads it from the cache if possible."""
        from leaven.nn.image_classifier import PictureEncoder, PictureShape, PictureTraining, learn

        images = gallery.pictures
        codes = np.zeros(len(images), np.int64) if catalog.category is None else catalog.category[images.items]
        has_category = codes > 0
        categories, classes = np.unique(codes[has_category].astype(np.int64), return_inverse=True)
        if len(categories) < 2:
            reasons = "; ".join(f"{reason}: {len(files):,}" for reason, files in gallery.unread.items())
            got = f"{len(categories)} of {len(images):,} images" + (f" ({reasons})" if reasons else "")
            fix = "name the column of categories and check the files, or use kind = 'picture_model'"
            raise DataError("encoders.pictures", "images of two categories", got, fix)
        labeled = images.take(np.flatnonzero(has_category))
        inputs = repr([{**asdict(self), "cache": ""}, key]).encode() + labeled.pixels.tobytes() + classes.tobytes()
        fingerprint = hashlib.blake2b(inputs, digest_size=16).hexdigest()
        folder = Path(self.cache) / fingerprint
        if self.cache and (folder / "pictures.safetensors").is_file():
            return PictureEncoder.load(folder), fingerprint
        training = PictureTraining(rng.key(key, "pictures"), self.steps, self.batch, self.learning_rate)
        net = learn(labeled, classes, training, shape=PictureShape(len(categories), self.widths))
        if self.cache:
            net.save(folder)
        return net, fingerprint
