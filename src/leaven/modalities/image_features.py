"""Embeddings of images: Inception for FID, or a small network fitted on the training images.

Without Inception weights, a small network is fitted to predict the labels or, without labels, the rotation of the
training images (Gidaris and others, ICLR 2018).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.images import Images
from leaven.errors import MissingExtra
from leaven.metrics.synthetic.featurizers import PrincipalAxes
from leaven.modalities.image_rows import ImageRows

Points = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

OURS = "Fréchet distance in our encoder"
LOOKS = 16  # strongest axes among the features of the classifier
_LOAD_BATCH = 64  # full-size images per batch
_EPOCHS, _STEPS = 20, (60, 600)
_BATCH = 64


@dataclass(frozen=True, eq=False)
class ImageSpace:
    """called: name of the Fréchet distance; learned: how the space was fitted; vectors: images -> (n, width)."""

    called: str
    learned: str
    vectors: Callable[[ImageRows], npt.NDArray[np.float32]]
    axes: PrincipalAxes

    @classmethod
    def fit(cls, training: ImageRows, key: int, encoder: object) -> ImageSpace:
        """Return the space of a given network, or of one fitted on these images. Raises MissingExtra without torch."""
        try:
            import torch  # noqa: F401
        except ModuleNotFoundError:
            raise MissingExtra("torch", "torch") from None
        if encoder is not None:
            return _load_space(training, encoder)
        learned, vectors = _fit_network(training, key)
        return cls(OURS, learned, vectors, PrincipalAxes.fit(vectors(training), scaled=True))

    def embed(self, rows: ImageRows) -> Points:
        """Return float64 (images, width), along the training images' principal axes."""
        return self.axes.embed(self.vectors(rows))


def _load_space(training: ImageRows, encoder: object) -> ImageSpace:
    """Return the space of a given network."""
    from leaven.nn.inception import ImageFeatureExtractor, load_inception

    net = encoder if isinstance(encoder, ImageFeatureExtractor) else load_inception(Path(str(encoder)))

    def vectors(rows: ImageRows) -> npt.NDArray[np.float32]:
        parts = [range(low, min(low + _LOAD_BATCH, len(rows))) for low in range(0, len(rows), _LOAD_BATCH)]
        return np.concatenate([net.extract_features([rows.load_original(index) for index in part]) for part in parts])

    name = Path(str(encoder)).name if isinstance(encoder, str | Path) else type(encoder).__name__
    return ImageSpace(net.distance_name, f"given: {name}", vectors, PrincipalAxes.fit(vectors(training), scaled=False))


def _fit_network(training: ImageRows, key: int) -> tuple[str, Callable[[ImageRows], npt.NDArray[np.float32]]]:
    """Return a description and the embedding function of a network fitted on the training images."""
    from leaven.nn.image_classifier import ImageClassifierTraining, train_image_classifier

    labels, classes = np.unique(list(training.labels), return_inverse=True)
    pixels, is_labeled = training.pixels, np.array([bool(one) for one in training.labels], bool)
    if len(set(labels) - {""}) > 1:
        pixels, classes = pixels[is_labeled], np.unique(classes[is_labeled], return_inverse=True)[1]
        description = (
            f"a small network that classifies {len(pixels):,} training images into {classes.max() + 1:,} classes"
        )
    else:
        classes = np.repeat(np.arange(4), len(pixels))
        description = f"a small network that predicts the rotation of {len(pixels):,} training images"
        pixels = np.concatenate([np.rot90(pixels, turns, axes=(1, 2)) for turns in range(4)])
    steps = int(np.clip(_EPOCHS * len(pixels) // _BATCH, _STEPS[0], _STEPS[1]))
    net = train_image_classifier(
        Images.from_pixels(np.ascontiguousarray(pixels)),
        classes.astype(np.int64),
        ImageClassifierTraining(rng.derive_key(key, "pictures"), steps, _BATCH, device="cpu"),
    )
    return description, lambda rows: net.embed_images(rows.pixels)


@dataclass(frozen=True, eq=False)
class ImageClasses:
    """Classes of images. means float64 (classes, width): mean embedding of the training images of each class."""

    names: Sequence[str]
    means: Points

    @classmethod
    def fit(cls, training: ImageRows, points: Points) -> ImageClasses | None:
        """Return the classes; None for fewer than two."""
        names = sorted({one for one in training.labels if one})
        if len(names) < 2:
            return None
        labels = np.array(training.labels)
        return cls(names, np.stack([points[labels == name].mean(axis=0) for name in names]))

    def is_mislabeled(self, rows: ImageRows, points: Points) -> Points:
        """Return 1 for an image nearest to the mean of another class, else 0; NaN for unknown labels. float64
        (images,).
        """
        from leaven.metrics.synthetic.memorization import find_nearest

        code_of_name = {name: at for at, name in enumerate(self.names)}
        code = np.array([code_of_name.get(one, -1) for one in rows.labels], np.int64)
        predicted = find_nearest(points, self.means)[1]
        return np.where(code >= 0, (predicted != code).astype(np.float64), np.nan)
