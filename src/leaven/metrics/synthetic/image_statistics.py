"""Statistics of images: brightness, sharpness, noise, and thumbnails that identify copies.

Pure functions of uint8 (images, side, side, 3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leaven.datasets.catalog import Catalog
from leaven.datasets.images import Pixels, resize_image
from leaven.encoders.tfidf import TfIdf
from leaven.errors import DataError
from leaven.metrics.synthetic.distribution_distances import squared_distances
from leaven.protocols import FittedEncoder

Points = npt.NDArray[np.float64]

STATISTIC_NAMES = ("brightness", "contrast", "red", "green", "blue", "colorfulness", "sharpness", "edge to middle")
NOISE_LEVELS = (2.0, 8.0, 32.0)
"""Noise levels of the denoiser, standard deviations in levels of 255."""
_PATCH = 8  # side in pixels
_MAX_PATCHES = 50_000  # maximum number of patches in the fit
_CHUNK = 256  # images per batch
_THUMBNAIL = 16  # side of a thumbnail in pixels
_MAX_COPY_DISTANCE = 3.0  # levels of 255: maximum change of a thumbnail by compression and resizing


def compute_image_statistics(pixels: Pixels) -> Points:
    """Return the statistics named in `STATISTIC_NAMES`, float64 (images, 8), in levels of 255."""
    statistics = np.empty((len(pixels), len(STATISTIC_NAMES)))
    for low in range(0, len(pixels), _CHUNK):
        part = pixels[low : low + _CHUNK].astype(np.float64)
        gray, mean = part.mean(axis=3), part.mean(axis=(1, 2))  # (n, side, side), (n, 3)
        edges = np.abs(np.diff(gray, axis=1)).mean(axis=(1, 2)) + np.abs(np.diff(gray, axis=2)).mean(axis=(1, 2))
        color_range = part.max(axis=3) - part.min(axis=3)
        side = gray.shape[1] // 4
        middle = gray[:, side : -side or None, side : -side or None].mean(axis=(1, 2))
        brightness = gray.mean(axis=(1, 2))
        columns = [
            brightness,
            gray.std(axis=(1, 2)),
            *mean.T,
            color_range.mean(axis=(1, 2)),
            edges,
            brightness - middle,
        ]
        statistics[low : low + len(part)] = np.column_stack(columns)
    return statistics


@dataclass(frozen=True, eq=False)
class PatchDenoiser:
    """The optimal linear denoiser of 8 × 8 patches at several noise levels.

    mean (width,), directions (width, width), variance (width,) of the patches of one real fold; usual (levels,): mean
    residual of an image of that fold.
    """

    mean: Points
    directions: Points
    variance: Points
    usual: Points

    @classmethod
    def fit(cls, pixels: Pixels, generator: np.random.Generator) -> PatchDenoiser:
        """Return a denoiser fitted on real images.

        Wiener filter: noise of variance s removes the share s / (v + s) of each principal direction of patches with
        variance v (Gonzalez and Woods, Digital Image Processing, 2018, section 5.8).
        """
        by_image = _cut_patches(pixels)
        patches = by_image.reshape(-1, by_image.shape[2])
        chosen = patches[generator.permutation(len(patches))[:_MAX_PATCHES]].astype(np.float64)
        mean = chosen.mean(axis=0)
        variance, directions = np.linalg.eigh(np.cov(chosen, rowvar=False))
        denoiser = cls(mean, directions, np.maximum(variance, 0.0), np.ones(len(NOISE_LEVELS)))
        usual = denoiser.residuals(pixels).mean(axis=0)
        return cls(denoiser.mean, denoiser.directions, denoiser.variance, np.where(usual > 0, usual, 1.0))

    def residuals(self, pixels: Pixels) -> Points:
        """Return the root mean square residual, float64 (images, levels), 1 for the mean of the real fold."""
        shares = [(level**2 / (self.variance + level**2)) ** 2 for level in NOISE_LEVELS]
        residuals = np.empty((len(pixels), len(NOISE_LEVELS)))
        for low in range(0, len(pixels), _CHUNK):
            patches = _cut_patches(pixels[low : low + _CHUNK]).astype(np.float64) - self.mean  # (n, patches, width)
            squares = ((patches @ self.directions) ** 2).mean(axis=1)  # (n, width)
            residuals[low : low + len(patches)] = np.sqrt(squares @ np.stack(shares).T / squares.shape[1])
        return residuals / self.usual


def _cut_patches(pixels: Pixels) -> npt.NDArray[np.float32]:
    """Return adjacent patches, float32 (images, patches, width); incomplete ones at the edges are left out."""
    n, height, width = pixels.shape[:3]
    side = min(_PATCH, height, width)
    rows, columns = height // side, width // side
    cut = pixels[:, : rows * side, : columns * side].reshape(n, rows, side, columns, side, 3)
    return cut.transpose(0, 1, 3, 2, 4, 5).reshape(n, rows * columns, -1).astype(np.float32)


def build_thumbnails(pixels: Pixels) -> Points:
    """Return the images at 16 × 16, float64 (images, 768), in levels of 255."""
    size = (_THUMBNAIL, _THUMBNAIL)
    small = [resize_image(one, size, "stretch").ravel() for one in pixels]
    return np.stack(small).astype(np.float64) if small else np.zeros((0, _THUMBNAIL * _THUMBNAIL * 3))


def find_copied_thumbnails(mine: Points, training: Points) -> npt.NDArray[np.int64]:
    """Return the training thumbnail that each image copies up to compression and size, int64 (images,); -1 for none."""
    source = np.full(len(mine), -1, np.int64)
    for low in range(0, len(mine), _CHUNK):
        part = mine[low : low + _CHUNK]
        distance = squared_distances(part, training) / part.shape[1]
        nearest = distance.argmin(axis=1)
        is_copy = distance[np.arange(len(part)), nearest] < _MAX_COPY_DISTANCE**2
        source[low : low + len(part)] = np.where(is_copy, nearest, -1)
    return source


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
