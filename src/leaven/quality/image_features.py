"""Where does a picture lie among others, in which space, and what does that space know?

With weights of Inception that space is the one FID is defined in. Else a small net of our own learns it from the
training pictures alone: to tell what they show, or, where nobody says it, which side of them is up (Gidaris and others,
ICLR 2018).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from leaven import rng
from leaven.datasets.images import Pictures
from leaven.errors import MissingExtra
from leaven.metrics.synthetic.featurizers import Axes
from leaven.quality.image_rows import Photos

Points = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

OURS = "Fréchet distance in our encoder"
LOOKS = 16  # strongest directions that a classifier is shown
_AT_A_TIME = 64  # whole pictures in memory at once
_EPOCHS, _STEPS = 20, (60, 600)
_BATCH = 64


@dataclass(frozen=True, eq=False)
class PictureSpace:
    """called: what a Fréchet distance here is; learned: how the space came to be; vectors: pictures -> (n, width)."""

    called: str
    learned: str
    vectors: Callable[[Photos], npt.NDArray[np.float32]]
    axes: Axes

    @classmethod
    def of(cls, training: Photos, key: int, encoder: object) -> PictureSpace:
        """By a given network, or one that learns from these pictures. MissingExtra without torch."""
        try:
            import torch  # noqa: F401
        except ModuleNotFoundError:
            raise MissingExtra("torch", "torch") from None
        if encoder is not None:
            return _given(training, encoder)
        learned, vectors = _learned(training, key)
        return cls(OURS, learned, vectors, Axes.fit(vectors(training), scaled=True))

    def points(self, rows: Photos) -> Points:
        """float64 (pictures, width), along the training pictures' principal axes."""
        return self.axes.points(self.vectors(rows))


def _given(training: Photos, encoder: object) -> PictureSpace:
    from leaven.nn.inception import PictureVectors, load

    net = encoder if isinstance(encoder, PictureVectors) else load(Path(str(encoder)))

    def vectors(rows: Photos) -> npt.NDArray[np.float32]:
        parts = [range(low, min(low + _AT_A_TIME, len(rows))) for low in range(0, len(rows), _AT_A_TIME)]
        return np.concatenate([net.embed([rows.whole(place) for place in part]) for part in parts])

    name = Path(str(encoder)).name if isinstance(encoder, str | Path) else type(encoder).__name__
    return PictureSpace(net.called, f"given: {name}", vectors, Axes.fit(vectors(training), scaled=False))


def _learned(training: Photos, key: int) -> tuple[str, Callable[[Photos], npt.NDArray[np.float32]]]:
    from leaven.nn.image_classifier import PictureTraining, learn

    shown, classes = np.unique(list(training.labels), return_inverse=True)
    pixels, known = training.pixels, np.array([bool(one) for one in training.labels], bool)
    if len(set(shown) - {""}) > 1:
        pixels, classes = pixels[known], np.unique(classes[known], return_inverse=True)[1]
        said = f"a small net that tells {classes.max() + 1:,} kinds of {len(pixels):,} training pictures apart"
    else:
        classes = np.repeat(np.arange(4), len(pixels))
        said = f"a small net that tells which side of {len(pixels):,} training pictures is up"
        pixels = np.concatenate([np.rot90(pixels, turns, axes=(1, 2)) for turns in range(4)])
    steps = int(np.clip(_EPOCHS * len(pixels) // _BATCH, *_STEPS))
    net = learn(
        Pictures.of(np.ascontiguousarray(pixels)),
        classes.astype(np.int64),
        PictureTraining(rng.key(key, "pictures"), steps, _BATCH, device="cpu"),
    )
    return said, lambda rows: net.embed(rows.pixels)


@dataclass(frozen=True, eq=False)
class Kinds:
    """What pictures show. means float64 (kinds, width): where each kind of training pictures lies."""

    names: Sequence[str]
    means: Points

    @classmethod
    def of(cls, training: Photos, points: Points) -> Kinds | None:
        """None where nobody says what the pictures show, or all show the same."""
        names = sorted({one for one in training.labels if one})
        if len(names) < 2:
            return None
        labels = np.array(training.labels)
        return cls(names, np.stack([points[labels == name].mean(axis=0) for name in names]))

    def misnamed(self, rows: Photos, points: Points) -> Points:
        """float64 (pictures,): 1 where a picture lies nearest to the mean of another kind than its own; NaN unknown."""
        from leaven.metrics.synthetic.memorization import nearest

        place = {name: at for at, name in enumerate(self.names)}
        said = np.array([place.get(one, -1) for one in rows.labels], np.int64)
        found = nearest(points, self.means)[1]
        return np.where(said >= 0, (found != said).astype(np.float64), np.nan)
