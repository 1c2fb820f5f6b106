"""Item views from an image generator: an item's image is replaced by a generated one of its category."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.datasets.images import Images, resize_image
from leaven.generators.image.image_generator import CategoryCodes
from leaven.protocols import FittedImageGenerator, FittedImageTransform, ImageGenerator, RngKeys, Strength

TRAINING_SIDE = 32
"""Side of the training images in pixels, bounded by training time on a CPU."""
_REPLACE = 200_000  # draw of a key that decides on replacement, beyond those of its noise


@dataclass(frozen=True, eq=False)
class GeneratedViews(FittedImageTransform):
    """Replaces images with probability `strength` by generated ones of the item's category.

    codes  int32 (items + 1,): category of each item among those of training, 0: any
    """

    generator: FittedImageGenerator
    codes: CategoryCodes

    def __call__(self, pictures: Images, keys: RngKeys, strength: Strength) -> Images:
        """Returns one image for each image, of the same size."""
        rows = np.flatnonzero(rng.draw_uniform(keys, _REPLACE) < strength)
        pixels = np.array(pictures.pixels)
        if len(rows):
            size = (int(pixels.shape[1]), int(pixels.shape[2]))
            generated = self.generator.sample(keys[rows], self.codes[pictures.items[rows]]).pixels
            pixels[rows] = np.stack([resize_image(image, size, "stretch") for image in generated])
        return Images(pixels, pictures.items)


def build_generated_views(
    config: ImageGenerator, catalog: Catalog, pictures: Images, key: int, folder: Path | None = None
) -> GeneratedViews:
    """Trains a generator on the items' images, conditioned on the catalog's categories if there are any.

    folder: cache of the trained generator, reused for equal config, key and images.

    Raises FitError for too few images or a non-finite loss.
    """
    small = np.stack([resize_image(image, (TRAINING_SIDE, TRAINING_SIDE), "cover") for image in pictures.pixels])
    codes = np.zeros(len(catalog) + 1, np.int32) if catalog.category is None else np.asarray(catalog.category, np.int32)
    seen = codes[pictures.items]
    settings = repr([type(config).__name__, asdict(config), key]).encode()  # type: ignore[call-overload]
    fingerprint = hashlib.blake2b(settings + small.tobytes() + seen.tobytes(), digest_size=16).hexdigest()
    if folder is not None and (folder / "mark").is_file() and (folder / "mark").read_text() == fingerprint:
        fitted = type(config).load(folder)  # type: ignore[attr-defined]
    else:
        fitted = config.fit(Images(small, pictures.items), key, seen)
        if folder is not None:
            fitted.save(folder)
            (folder / "mark").write_text(fingerprint)
    known = np.isin(codes, seen)
    return GeneratedViews(fitted, np.where(known, codes, 0).astype(np.int32))
