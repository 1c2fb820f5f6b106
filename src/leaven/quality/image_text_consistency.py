"""Consistency of changed item texts with the items' images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.datasets.images import read
from leaven.metrics.synthetic import Known, Sample
from leaven.metrics.synthetic.image_text_match import Matcher
from leaven.quality.image_features import PictureSpace
from leaven.quality.image_rows import SIDE, Photos
from leaven.quality.null_reference import deals, figure
from leaven.quality.result import Figure
from leaven.registry import made

Ints = npt.NDArray[np.int64]

METRIC = "words_match"
_MIN_ITEMS = 80  # minimum items with text and image: half fit the matcher, the others are compared
_NO_ITEMS = np.zeros(0, np.int64)


@dataclass(frozen=True, eq=False)
class PicturedItems:
    """Items with text and image. items int64: catalog indices of the compared items; points float64 (items, width): the
    embeddings of their images; others: those of the items that fitted the matcher.
    """

    catalog: Catalog
    items: Ints
    points: npt.NDArray[np.float64]
    others: npt.NDArray[np.float64]
    matcher: Matcher
    key: int

    @classmethod
    def of(cls, catalog: Catalog | None, key: int) -> PicturedItems | str:
        """Return a matcher fitted on a random half of the items, or the reason why there is none.

        Raises MissingExtra without torch or OpenCV.
        """
        if catalog is None or catalog.images is None or not catalog.words:
            return "needs a catalog with texts and images"
        texts = words_of(catalog)
        candidates = [index for index, words in enumerate(texts) if words and catalog.images[index]]
        if not candidates:
            return "needs items with both text and image"
        order = rng.generator(rng.key(key, "pictured")).permutation(candidates)
        parts = [_load_images(catalog, texts, part) for part in np.array_split(order, 2)]
        (fitted, teaching), (compared, compared_images) = parts
        if len(fitted) + len(compared) < _MIN_ITEMS:
            got = f"there are {len(fitted) + len(compared):,}"
            return f"needs {_MIN_ITEMS} items with text and a readable image; {got}"
        space = PictureSpace.of(teaching, key, None)
        others = space.points(teaching)
        return cls(
            catalog, compared, space.points(compared_images), others, Matcher.fit(teaching.words, others, key), key
        )

    def figure(self, shown: Catalog, halves: int) -> Figure | str:
        """Return how well changed texts match the images, against the original texts; changed items only.

        shown: the same items with the texts of an epoch of a plan.
        """
        texts, changed_texts = words_of(self.catalog), words_of(shown)
        is_changed = np.array([texts[item] != changed_texts[item] for item in self.items.tolist()], bool)
        pool = self._build_sample(texts, np.ones(len(self.items), bool))
        new = self._build_sample(changed_texts, is_changed)
        known = Known(new, pool, new, (), _NO_ITEMS, _NO_ITEMS)
        return figure(METRIC, made("sample_metrics", METRIC), deals(new, pool, halves, self.key), new, pool, known, 0)

    def _build_sample(self, words: Sequence[str], which: npt.NDArray[np.bool_]) -> Sample:
        points = self.points[which]
        fits = self.matcher.fits([words[item] for item in self.items[which].tolist()], points, self.others)
        return Sample(points, points, points, {"match": fits})


def words_of(catalog: Catalog) -> list[str]:
    """Return the texts of each item, columns joined."""
    columns = list(catalog.words.values())
    return [" ".join(column[index] for column in columns if column[index]) for index in range(len(catalog))]


def _load_images(catalog: Catalog, words: Sequence[str], places: Ints) -> tuple[Ints, Photos]:
    """Return the indices of the readable images, and the images."""
    assert catalog.images is not None
    files = [catalog.folder / catalog.images[index] for index in places.tolist()]
    loaded = read(files, (SIDE, SIDE), (places + 1).tolist())
    readable = loaded.pictures.items.astype(np.int64) - 1
    code = catalog.category if catalog.category is not None else np.zeros(len(catalog) + 1, np.int32)
    labels = [catalog.categories[code[index + 1] - 1] if code[index + 1] else "" for index in readable.tolist()]
    sources = [Path(path) for path in loaded.paths]
    return readable, Photos(loaded.pictures.pixels, sources, labels, [words[index] for index in readable.tolist()])
