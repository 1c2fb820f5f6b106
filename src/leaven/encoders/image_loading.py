"""How do the pictures of many items become vectors, each read and encoded once?"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from leaven.datasets.catalog import Catalog
from leaven.datasets.images import Pixels, of_catalog
from leaven.encoders.vector_cache import Vectors, kept

Encode = Callable[[Pixels], Vectors]
"""uint8 (pictures, size, size, 3) -> float32 (pictures, width), each picture by itself."""
BATCH = 256
_HELD = 200_000  # vectors in memory: views of other epochs come again only where a step runs once


@dataclass(frozen=True, eq=False)
class PictureVectors:
    """A fitted encoder of pictures, whichever net is in it.

    mark    says which net; cache: a folder where vectors are kept by the hash of net and pixels; "": nowhere
    unread  why -> how many pictures of the catalogue that was read last could not be read
    """

    encode: Encode
    width: int
    size: int
    mark: str
    cache: str = ""
    unread: dict[str, int] = field(default_factory=dict)
    held: OrderedDict[bytes, npt.NDArray[np.float32]] = field(default_factory=OrderedDict)

    def __call__(self, catalog: Catalog) -> Vectors:
        """float32 (items, width), each of length 1; zeros for items whose picture is missing or cannot be read."""
        vectors = np.zeros((len(catalog), self.width), np.float32)
        if not has_pictures(catalog):
            return vectors
        found = of_catalog(catalog, (self.size, self.size))
        self._note(found.unread)
        pixels = found.pictures.pixels
        marks = [hashlib.blake2b(one.tobytes(), digest_size=16).digest() for one in pixels]
        fresh = {mark: row for row, mark in enumerate(marks) if mark not in self.held}
        rows = list(fresh.values())
        for begin in range(0, len(rows), BATCH):
            part = rows[begin : begin + BATCH]
            said = self.mark.encode() + b"".join(marks[row] for row in part)
            made = kept(self.cache, said, lambda part=part: unit(self.encode(pixels[part])))  # type: ignore[misc]
            self.held.update(zip((marks[row] for row in part), made, strict=True))
        if marks:
            vectors[found.pictures.items - 1] = np.stack([self.held[mark] for mark in marks])
        while len(self.held) > _HELD:
            self.held.popitem(last=False)
        return vectors

    def _note(self, unread: Mapping[str, list[str]]) -> None:
        """An item for which no file is named lacks a picture, and is no failure."""
        self.unread.clear()
        self.unread.update({why: len(files) for why, files in unread.items() if any(files)})


def has_pictures(catalog: Catalog) -> bool:
    """Whether the catalogue names a picture of any item."""
    return catalog.images is not None and any(catalog.images)


def unit(vectors: Vectors) -> Vectors:
    """Each of length 1."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12), np.float32)
