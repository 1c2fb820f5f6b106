"""Scores how well texts match images, by regression of image embeddings on text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leaven.datasets.catalog import Catalog
from leaven.encoders.tfidf import TfIdf
from leaven.errors import DataError
from leaven.protocols import FittedEncoder

Points = npt.NDArray[np.float64]

_MIN_IMAGES = 10  # minimum number of images with text


@dataclass(frozen=True, eq=False)
class ImageTextMatcher:
    """Predicts the embedding of an image from its text. weights float64 (width of texts, width of images)."""

    words: FittedEncoder
    weights: Points
    mean: Points

    @classmethod
    def fit(cls, words: Sequence[str], pictures: Points, key: int) -> ImageTextMatcher:
        """Return a ridge regression of image embeddings (float64 (images, width)) on the TF-IDF directions of their
        texts.

        As Frome and others (NeurIPS 2013, section 3.2) map images to text, in the other direction and linear. Raises
        DataError for fewer than 10 images with text.
        """
        has_text = np.array([bool(one.strip()) for one in words], bool)
        if has_text.sum() < _MIN_IMAGES:
            raise DataError("words", f"at least {_MIN_IMAGES} images with text", str(int(has_text.sum())), "")
        texts = [one for one, known in zip(words, has_text, strict=True) if known]
        encoder = TfIdf().fit(_build_catalog(texts), key)
        vectors = np.asarray(encoder(_build_catalog(texts)), np.float64)
        mean = pictures[has_text].mean(axis=0)
        gram = vectors.T @ vectors + np.eye(vectors.shape[1])
        return cls(encoder, np.linalg.solve(gram, vectors.T @ (pictures[has_text] - mean)), mean)

    def score_matches(self, words: Sequence[str], pictures: Points, others: Points) -> Points:
        """Return the share of the other images that match a text worse than its own image, float64 (images,); ties
        half.

        Chance is 0.5; NaN for images without text.
        """
        predicted = _normalize(np.asarray(self.words(_build_catalog(words)), np.float64) @ self.weights)
        own = (predicted * _normalize(pictures - self.mean)).sum(axis=1)
        theirs = predicted @ _normalize(others - self.mean).T  # (images, others)
        share = (theirs < own[:, None]).mean(axis=1) + (theirs == own[:, None]).mean(axis=1) / 2
        has_text = np.array([bool(one.strip()) for one in words], bool)
        return np.where(has_text, share, np.nan)


def _build_catalog(words: Sequence[str]) -> Catalog:
    return Catalog([str(index) for index in range(len(words))], {"words": list(words)})


def _normalize(points: Points) -> Points:
    norm = np.linalg.norm(points, axis=1, keepdims=True)
    return np.asarray(points / np.where(norm > 0, norm, 1.0), np.float64)
