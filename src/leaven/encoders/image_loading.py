"""Encoding of catalog images with caching, so that each image is encoded once."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from leaven.datasets.catalog import Catalog
from leaven.datasets.images import Pixels, of_catalog
from leaven.encoders.vector_cache import Vectors, kept

Encode = Callable[[Pixels], Vectors]
"""uint8 (images, size, size, 3) -> float32 (images, width); images do not interact."""
BATCH = 256
_MAX_VECTORS = 200_000  # in memory; views of earlier epochs rarely recur


@dataclass(frozen=True, eq=False)
class PictureVectors:
    """Fitted image encoder around any network.

    fingerprint        identifies the network
    cache              folder that caches vectors by the hash of network and pixels; "": off
    unreadable_counts  reason -> number of unreadable images in the catalog that was encoded last
    """

    encode: Encode
    width: int
    size: int
    mark: str
    cache: str = ""
    unread: dict[str, int] = field(default_factory=dict)
    held: OrderedDict[bytes, npt.NDArray[np.float32]] = field(default_factory=OrderedDict)

    def __call__(self, catalog: Catalog) -> Vectors:
        """Returns item vectors of norm 1, float32 (items, width); zeros for missing or unreadable images."""
        vectors = np.zeros((len(catalog), self.width), np.float32)
        if not has_pictures(catalog):
            return vectors
        gallery = of_catalog(catalog, (self.size, self.size))
        self.unread.clear()  # an item without a named file has no image, which is not a failure
        self.unread.update({reason: len(files) for reason, files in gallery.unread.items() if any(files)})
        pixels = gallery.pictures.pixels
        hashes = [hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in pixels]
        missing = list({digest: row for row, digest in enumerate(hashes) if digest not in self.held}.values())
        for begin in range(0, len(missing), BATCH):
            rows = missing[begin : begin + BATCH]
            identity = self.mark.encode() + b"".join(hashes[row] for row in rows)
            encoded = kept(self.cache, identity, lambda rows=rows: unit(self.encode(pixels[rows])))  # type: ignore[misc]
            self.held.update(zip((hashes[row] for row in rows), encoded, strict=True))
        if hashes:
            vectors[gallery.pictures.items - 1] = np.stack([self.held[digest] for digest in hashes])
        while len(self.held) > _MAX_VECTORS:
            self.held.popitem(last=False)
        return vectors


def has_pictures(catalog: Catalog) -> bool:
    """Returns whether the catalog names an image of any item."""
    return catalog.images is not None and any(catalog.images)


def unit(vectors: Vectors) -> Vectors:
    """Scales vectors to norm 1."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12), np.float32)
