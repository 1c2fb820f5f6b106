"""Inputs of item encoders: texts and their n-grams, images, and a file cache of encoded vectors."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from leaven.datasets.catalog import Catalog
from leaven.datasets.images import Pixels, load_catalog_images
from leaven.errors import DataError, suggest_name
from leaven.storage import replace_file
from leaven.tokenization import tokenize_text

SEPARATOR = " | "


def join_columns(catalog: Catalog, columns: Sequence[str]) -> list[str]:
    """Returns one text per item: its non-empty columns, separated by bars.

    >>> join_columns(Catalog(["a"], {"title": ["soap"], "brand": [""]}), ["title", "brand"])
    ['soap']

    Raises DataError for an unknown column.
    """
    for column in columns:
        if column not in catalog.texts:
            raise DataError("data.items", "a text column", repr(column), suggest_name(column, catalog.texts))
    rows = zip(*(catalog.texts[column] for column in columns), strict=True)
    texts = [SEPARATOR.join(cell for cell in row if cell) for row in rows]
    return texts or [""] * len(catalog)


def extract_terms(text: str, word_ngrams: tuple[int, int], character_ngrams: tuple[int, int]) -> Iterator[str]:
    """Yields lowercase n-grams of words and of characters within a word; the two kinds never collide.

    word_ngrams, character_ngrams  smallest and largest n; (0, 0): none. Character n-grams mark word boundaries.
    Chinese is segmented by rjieba.

    >>> list(extract_terms("Soft cream!", (1, 2), (0, 0)))
    ['soft', 'cream', 'soft cream']
    >>> list(extract_terms("soap", (0, 0), (3, 3)))
    ['#<so', '#soa', '#oap', '#ap>']

    Raises MissingExtra for Chinese text if rjieba is not installed.
    """
    tokens = [piece.lower() for piece in tokenize_text(text) if piece[:1].isalnum()]
    for length in range(max(word_ngrams[0], 1), word_ngrams[1] + 1):
        yield from (" ".join(tokens[start : start + length]) for start in range(len(tokens) - length + 1))
    for length in range(max(character_ngrams[0], 1), character_ngrams[1] + 1):
        for token in tokens:
            marked = f"<{token}>"
            yield from ("#" + marked[start : start + length] for start in range(len(marked) - length + 1))


Vectors = npt.NDArray[np.float32]
_MODEL_SUFFIXES = (".json", ".safetensors", ".bin", ".txt", ".model", ".pt", ".pth", ".pt2")


def load_or_compute(folder: str, identity: bytes, compute: Callable[[], Vectors]) -> Vectors:
    """Loads the vectors with this identity from the folder, or computes and saves them; folder "": only computes."""
    if not folder:
        return compute()
    path = Path(folder) / f"{hashlib.blake2b(identity, digest_size=16).hexdigest()}.npy"
    if not path.exists():
        with replace_file(path) as part, part.open("wb") as file:
            np.save(file, compute(), allow_pickle=False)
    vectors: Vectors = np.load(path, allow_pickle=False)
    return vectors


def hash_model(path: Path) -> str:
    """Returns the hash of a model's file, or of the model files in a folder."""
    digest = hashlib.blake2b(digest_size=16)
    for part in sorted(path.iterdir()) if path.is_dir() else [path]:
        if part.is_file() and (part == path or part.suffix in _MODEL_SUFFIXES):
            digest.update(part.name.encode() + b"\0")
            with part.open("rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
    return digest.hexdigest()


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
