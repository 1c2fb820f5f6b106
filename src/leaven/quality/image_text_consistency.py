"""Consistency of changed item texts with the items' images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.catalog import Catalog
from leaven.datasets.images import load_images
from leaven.metrics.synthetic import FeaturizedRows, ReferenceData
from leaven.metrics.synthetic.image_statistics import ImageTextMatcher
from leaven.modalities.image_features import ImageSpace
from leaven.modalities.image_rows import IMAGE_SIDE, ImageRows
from leaven.quality.null_reference import compute_figure, split_halves
from leaven.quality.quality_facts import Figure
from leaven.registry import create_config

Ints = npt.NDArray[np.int64]

METRIC = "image_text_match"
_MIN_ITEMS = 80  # minimum items with text and image: half fit the matcher, the others are compared
_NO_ITEMS = np.zeros(0, np.int64)


@dataclass(frozen=True, eq=False)
class ItemImages:
    """Items with text and image. items int64: catalog indices of the compared items; points float64 (items, width): the
    embeddings of their images; others: those of the items that fitted the matcher.
    """

    catalog: Catalog
    items: Ints
    points: npt.NDArray[np.float64]
    others: npt.NDArray[np.float64]
    matcher: ImageTextMatcher
    key: int

    @classmethod
    def fit(cls, catalog: Catalog | None, key: int) -> ItemImages | str:
        """Return a matcher fitted on a random half of the items, or the reason why there is none.

        Raises MissingExtra without torch or OpenCV.
        """
        if catalog is None or catalog.image_paths is None or not catalog.texts:
            return "needs a catalog with texts and images"
        texts = words_of(catalog)
        candidates = [index for index, words in enumerate(texts) if words and catalog.image_paths[index]]
        if not candidates:
            return "needs items with both text and image"
        order = rng.make_generator(rng.derive_key(key, "pictured")).permutation(candidates)
        parts = [_load_images(catalog, texts, part) for part in np.array_split(order, 2)]
        (fitted, teaching), (compared, compared_images) = parts
        if len(fitted) + len(compared) < _MIN_ITEMS:
            got = f"there are {len(fitted) + len(compared):,}"
            return f"needs {_MIN_ITEMS} items with text and a readable image; {got}"
        space = ImageSpace.fit(teaching, key, None)
        others = space.embed(teaching)
        return cls(
            catalog,
            compared,
            space.embed(compared_images),
            others,
            ImageTextMatcher.fit(teaching.captions, others, key),
            key,
        )

    def evaluate(self, changed: Catalog, n_splits: int) -> Figure | str:
        """Return how well changed texts match the images, against the original texts; changed items only.

        changed: the same items with the texts of an epoch of a plan.
        """
        texts, changed_texts = words_of(self.catalog), words_of(changed)
        is_changed = np.array([texts[item] != changed_texts[item] for item in self.items.tolist()], bool)
        pool = self._build_sample(texts, np.ones(len(self.items), bool))
        new = self._build_sample(changed_texts, is_changed)
        known = ReferenceData(new, pool, new, (), _NO_ITEMS, _NO_ITEMS)
        return compute_figure(
            METRIC,
            create_config("synthetic_metrics", METRIC),
            split_halves(new, pool, n_splits, self.key),
            new,
            pool,
            known,
            0,
        )

    def _build_sample(self, words: Sequence[str], which: npt.NDArray[np.bool_]) -> FeaturizedRows:
        points = self.points[which]
        fits = self.matcher.score_matches([words[item] for item in self.items[which].tolist()], points, self.others)
        return FeaturizedRows(points, points, points, {"match": fits})


def words_of(catalog: Catalog) -> list[str]:
    """Return the texts of each item, columns joined."""
    columns = list(catalog.texts.values())
    return [" ".join(column[index] for column in columns if column[index]) for index in range(len(catalog))]


def _load_images(catalog: Catalog, words: Sequence[str], places: Ints) -> tuple[Ints, ImageRows]:
    """Return the indices of the readable images, and the images."""
    assert catalog.image_paths is not None
    files = [catalog.image_folder / catalog.image_paths[index] for index in places.tolist()]
    loaded = load_images(files, (IMAGE_SIDE, IMAGE_SIDE), (places + 1).tolist())
    readable = loaded.images.items.astype(np.int64) - 1
    code = catalog.category if catalog.category is not None else np.zeros(len(catalog) + 1, np.int32)
    labels = [catalog.categories[code[index + 1] - 1] if code[index + 1] else "" for index in readable.tolist()]
    sources = [Path(path) for path in loaded.paths]
    return readable, ImageRows(loaded.images.pixels, sources, labels, [words[index] for index in readable.tolist()])
