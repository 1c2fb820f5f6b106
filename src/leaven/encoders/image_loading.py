"""Encoding of catalog images with caching, so that each image is encoded once."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import numpy.typing as npt

from leaven.datasets.catalog import Catalog
from leaven.datasets.images import Pixels, load_catalog_images
from leaven.encoders.vector_cache import Vectors, load_or_compute

EncodePixels = Callable[[Pixels], Vectors]
"""uint8 (images, size, size, 3) -> float32 (images, width); images do not interact."""
BATCH_SIZE = 256
_MAX_VECTORS = 200_000  # in memory; views of earlier epochs rarely recur


@dataclass(frozen=True, eq=False)
class FittedImageEncoder:
    """Fitted image encoder around any network.

    fingerprint        identifies the network
    cache              folder that caches vectors by the hash of network and pixels; "": off
    unreadable_counts  reason -> number of unreadable images in the catalog that was encoded last
    """

    encode_pixels: EncodePixels
    width: int
    image_size: int
    fingerprint: str
    cache: str = ""
    unreadable_counts: dict[str, int] = field(default_factory=dict)
    cached_vectors: OrderedDict[bytes, npt.NDArray[np.float32]] = field(default_factory=OrderedDict)

    def __call__(self, catalog: Catalog) -> Vectors:
        """Returns item vectors of norm 1, float32 (items, width); zeros for missing or unreadable images."""
        vectors = np.zeros((len(catalog), self.width), np.float32)
        if not has_images(catalog):
            return vectors
        gallery = load_catalog_images(catalog, (self.image_size, self.image_size))
        self.unreadable_counts.clear()  # an item without a named file has no image, which is not a failure
        self.unreadable_counts.update({reason: len(files) for reason, files in gallery.failures.items() if any(files)})
        pixels = gallery.images.pixels
        hashes = [hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in pixels]
        missing = list({digest: row for row, digest in enumerate(hashes) if digest not in self.cached_vectors}.values())
        for begin in range(0, len(missing), BATCH_SIZE):
            rows = missing[begin : begin + BATCH_SIZE]
            identity = self.fingerprint.encode() + b"".join(hashes[row] for row in rows)
            encoded = load_or_compute(self.cache, identity, partial(self._encode_rows, pixels, rows))
            self.cached_vectors.update(zip((hashes[row] for row in rows), encoded, strict=True))
        if hashes:
            vectors[gallery.images.items - 1] = np.stack([self.cached_vectors[digest] for digest in hashes])
        while len(self.cached_vectors) > _MAX_VECTORS:
            self.cached_vectors.popitem(last=False)
        return vectors

    def _encode_rows(self, pixels: Pixels, rows: list[int]) -> Vectors:
        return normalize_vectors(self.encode_pixels(pixels[rows]))


def has_images(catalog: Catalog) -> bool:
    """Returns whether the catalog names an image of any item."""
    return catalog.image_paths is not None and any(catalog.image_paths)


def normalize_vectors(vectors: Vectors) -> Vectors:
    """Scales vectors to norm 1."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12), np.float32)
