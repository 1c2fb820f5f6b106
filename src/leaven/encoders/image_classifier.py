"""Item vectors from images, by a small network trained on the catalog's categories."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.datasets.images import LoadedImages, load_catalog_images
from leaven.encoders.item_inputs import FittedImageEncoder, has_images
from leaven.errors import DataError, SpecError

if TYPE_CHECKING:
    from leaven.nn.image_classifier import ImageClassifier


@dataclass(frozen=True)
class ImageClassifierEncoder:
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
    modality: ClassVar[str] = "images"

    def __post_init__(self) -> None:
        if self.size < 8 or not self.widths or min(self.widths) < 1:
            got = f"{self.size}, {self.widths}"
            raise SpecError("pictures.size", "8 pixels or more, and at least one width", got, "size = 48")
        if self.steps < 1 or self.batch < 2 or not self.learning_rate > 0:
            got = f"{self.steps}, {self.batch}, {self.learning_rate}"
            raise SpecError("pictures.steps", "at least 1 step, 2 images per batch and a rate above 0", got, "")

    def can_encode(self, catalog: Catalog) -> bool:
        """Returns whether the catalog names any images."""
        return has_images(catalog)

    def fit(self, catalog: Catalog, key: int = 0) -> FittedImageEncoder:
        """Trains the classifier on the categories of the images.

        Raises DataError without readable images of two categories; FitError if the loss is not finite.
        """
        gallery = load_catalog_images(catalog, (self.size, self.size))
        net, fingerprint = self._load_or_train(catalog, gallery, key)
        return FittedImageEncoder(net.embed_images, self.widths[-1], self.size, fingerprint, self.cache)

    def _load_or_train(self, catalog: Catalog, gallery: LoadedImages, key: int) -> tuple[ImageClassifier, str]:
        """Returns (classifier, hash of its inputs); loads it from the cache if possible."""
        from leaven.nn.image_classifier import (
            ImageClassifier,
            ImageClassifierShape,
            ImageClassifierTraining,
            train_image_classifier,
        )

        images = gallery.images
        codes = np.zeros(len(images), np.int64) if catalog.category is None else catalog.category[images.items]
        has_category = codes > 0
        categories, classes = np.unique(codes[has_category].astype(np.int64), return_inverse=True)
        if len(categories) < 2:
            reasons = "; ".join(f"{reason}: {len(files):,}" for reason, files in gallery.failures.items())
            got = f"{len(categories)} of {len(images):,} images" + (f" ({reasons})" if reasons else "")
            fix = "name the column of categories and check the files, or use kind = 'picture_model'"
            raise DataError("encoders.pictures", "images of two categories", got, fix)
        labeled = images.take(np.flatnonzero(has_category))
        inputs = repr([{**asdict(self), "cache": ""}, key]).encode() + labeled.pixels.tobytes() + classes.tobytes()
        fingerprint = hashlib.blake2b(inputs, digest_size=16).hexdigest()
        folder = Path(self.cache) / fingerprint
        if self.cache and (folder / "pictures.safetensors").is_file():
            return ImageClassifier.load(folder), fingerprint
        training = ImageClassifierTraining(rng.derive_key(key, "pictures"), self.steps, self.batch, self.learning_rate)
        net = train_image_classifier(
            labeled, classes, training, shape=ImageClassifierShape(len(categories), self.widths)
        )
        if self.cache:
            net.save(folder)
        return net, fingerprint
